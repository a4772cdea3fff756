/* What the hub's database thread finds out, job by job: lookup.c has the thread. Messages become frames here. */
#include <stdlib.h>

#include "base/mem.h"
#include "domain/account.h"
#include "domain/chat.h"
#include "domain/poll.h"
#include "domain/token.h"
#include "realtime/hub_impl.h"

#define SWEEP_MAX  1000            /* messages that one sweep takes */
#define SWEEP_BACK (10 * US_PER_S) /* a change may be committed so long after its time was taken */

static int add_found(struct reader *l, struct job *job, const struct chat_message *m, bool is_new)
{
	struct buf payload CLEANUP(buf_finish) = BUF_EMPTY;
	struct found *f = mem_alloc(sizeof(*f));

	if (!f)
		return ERR_NOMEM;
	l->hub->config.render_message(m, job->origin, &payload);
	f->bytes = payload.failed ? NULL : frame_message(SENT_CHAT_MESSAGE, buf_view(&payload));
	if (!f->bytes) {
		free(f);
		return ERR_NOMEM;
	}
	f->id = m->id;
	f->author = m->author.id;
	f->is_new = is_new;
	*job->found_end = f;
	job->found_end = &f->next;
	job->n_found++;
	return 0;
}

static int add_rows(struct reader *l, struct job *job, const struct db_rows *rows, bool is_new)
{
	const struct chat_message *messages = rows->items;
	int r = 0;

	for (size_t i = 0; i < rows->n && r == 0; i++)
		r = add_found(l, job, &messages[i], is_new);
	return r;
}

static int find_new(struct reader *l, struct job *job, int64_t up_to, int limit)
{
	struct db_rows rows;
	int r = chat_messages_between(l->db, &l->arena, job->id, job->after, up_to, limit, &rows);

	if (r < 0)
		return r;
	job->complete = rows.n < (size_t)limit;
	return add_rows(l, job, &rows, true);
}

static int find_changed(struct reader *l, struct job *job, int64_t after, int64_t up_to, int limit)
{
	struct db_rows rows;
	int r = chat_messages_changed(l->db, &l->arena, job->id, job->since, after, up_to, limit, &rows);

	if (r < 0)
		return r;
	job->changes_complete = rows.n < (size_t)limit;
	return add_rows(l, job, &rows, false);
}

static int find_user(struct reader *l, struct job *job)
{
	const struct settings *s = l->hub->settings;
	struct account account = { .id = NULL_INT };
	struct token token;
	int r;

	if (!job->token.s)
		return 0;
	r = token_verify(str_of(s->secret_key), job->token, TOKEN_ACCESS, clock_now(), &l->arena, &token);
	if (r == 0 && token.has_user && token.user_id != NULL_INT)
		r = account_find(l->db, &l->arena, token.user_id, str_of(s->founder_group_name), &account);
	else if (r == 0)
		r = ERR_NOT_FOUND;
	if (r == ERR_INVALID || r == ERR_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	if (account.is_active) {
		job->user = account.id;
		job->token_expires = token.expires_at;
	}
	return 0;
}

static int welcome_to_chat(struct reader *l, struct job *job)
{
	int r;

	if (job->user == NULL_INT) {
		job->verdict = CLOSE_UNAUTHENTICATED;
		return 0;
	}
	r = chat_takes_part(l->db, job->id, job->user);
	if (r < 0)
		return r;
	job->verdict = r ? CLOSE_NONE : CLOSE_FORBIDDEN;
	return r ? chat_last_message_id(l->db, job->id, &job->last_id) : 0;
}

static int find_poll(struct reader *l, struct job *job)
{
	struct buf payload CLEANUP(buf_finish) = BUF_EMPTY;
	struct poll poll;
	int r = poll_find(l->db, &l->arena, job->id, &poll);

	if (r < 0)
		return r;
	l->hub->config.render_poll(&poll, &payload);
	job->poll = payload.failed ? NULL : blob_create(payload.data, payload.len);
	job->digest = digest_of(blob_view(job->poll));
	return job->poll ? 0 : ERR_NOMEM;
}

static int welcome_to_poll(struct reader *l, struct job *job)
{
	int r = find_poll(l, job);

	if (r != ERR_NOT_FOUND)
		return r;
	job->verdict = CLOSE_NOT_FOUND;
	return 0;
}

static int judge_handshake(struct reader *l, struct job *job)
{
	int r = find_user(l, job);

	if (r < 0)
		return r;
	return job->target == HUB_CHAT ? welcome_to_chat(l, job) : welcome_to_poll(l, job);
}

/* Changes of old messages first, then what is new: all ascending by id. */
static int find_replay(struct reader *l, struct job *job)
{
	int r = chat_takes_part(l->db, job->id, job->user);

	if (r < 0)
		return r;
	if (r == 0) {
		job->verdict = chat_thread_exists(l->db, job->id) == 0 ? CLOSE_NOT_FOUND : CLOSE_FORBIDDEN;
		return 0;
	}
	r = 0;
	if (job->changed_after >= 0 && job->since.us == 0) {
		r = chat_message_created_at(l->db, job->id, job->up_to, &job->since);
		if (r == ERR_NOT_FOUND) {
			job->changed_after = -1;
			r = 0;
		}
	}
	if (r == 0 && job->changed_after >= 0)
		r = find_changed(l, job, job->changed_after, job->up_to, job->limit);
	if (r == 0 && job->n_found < job->limit)
		r = find_new(l, job, INT64_MAX, job->limit - job->n_found);
	if (r == 0)
		r = chat_last_message_id(l->db, job->id, &job->last_id);
	return r;
}

static int find_since(struct reader *l, struct job *job)
{
	int64_t before = clock_now().us;
	int r = chat_thread_exists(l->db, job->id);

	if (r == 0)
		return ERR_NOT_FOUND;
	if (r > 0)
		r = find_changed(l, job, job->changed_after, job->up_to, SWEEP_MAX);
	if (r == 0)
		r = find_new(l, job, INT64_MAX, SWEEP_MAX);
	job->until = (struct instant){ before - SWEEP_BACK };
	return r;
}

/* Whether a connected user is still welcome. */
static int check_again(struct reader *l, struct job *job)
{
	struct account account;
	int r = account_find(l->db, &l->arena, job->user, str_of(l->hub->settings->founder_group_name), &account);

	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	if (r == ERR_NOT_FOUND || !account.is_active) {
		job->verdict = CLOSE_UNAUTHENTICATED;
		return 0;
	}
	r = job->target == HUB_CHAT && job->limit ? chat_takes_part(l->db, job->id, job->user) : 1;
	if (r == 0)
		job->verdict = CLOSE_FORBIDDEN;
	return r < 0 ? r : 0;
}

static int compare_ids(const void *user, const void *participant)
{
	const struct chat_participant *p = participant;
	int64_t id = *(const int64_t *)user;

	return (id > p->person.id) - (id < p->person.id);
}

static int find_members(struct reader *l, struct job *job)
{
	struct db_rows participants;
	int r = chat_members_version(l->db, job->id, &job->members_version); /* first: what changes now is found again */

	if (r == 0)
		r = chat_thread_participants(l->db, &l->arena, job->id, &participants);
	if (r == 0 && !participants.n && chat_thread_exists(l->db, job->id) == 0)
		return ERR_NOT_FOUND;
	for (size_t i = 0; i < job->n_members && r == 0; i++)
		job->members[i].takes_part = participants.n && bsearch(&job->members[i].user, participants.items, participants.n,
		                                                       sizeof(struct chat_participant), compare_ids);
	return r;
}

int lookup_find(struct reader *l, struct job *job)
{
	switch (job->kind) {
	case JOB_HANDSHAKE:
		return judge_handshake(l, job);
	case JOB_REPLAY:
		return find_replay(l, job);
	case JOB_GAP:
		return find_new(l, job, job->up_to, job->limit);
	case JOB_SWEEP:
		return find_since(l, job);
	case JOB_POLL:
		return find_poll(l, job);
	case JOB_CHECK:
		return check_again(l, job);
	case JOB_MEMBERS:
		return find_members(l, job);
	}
	return ERR_INTERNAL;
}
