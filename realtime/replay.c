/*
 * Resuming: realtime.md 7, Resume. The session takes no entry of its group while a replay runs; they wait behind it, and those
 * that say what the replay has said are passed over.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

static void ask(struct session *s)
{
	struct replay *p = s->replay;
	int left = p->quiet ? REPLAY_PAGE : (int)s->hub->settings->realtime_replay_max - p->count;
	struct job *job = job_create(JOB_REPLAY, s, NULL);

	if (!job) {
		session_close(s, CLOSE_INTERNAL_ERROR);
		return;
	}
	job->up_to = p->from;
	job->after = p->after;
	job->changed_after = p->changed_after;
	job->since = p->since;
	job->limit = left < REPLAY_PAGE ? left : REPLAY_PAGE;
	p->reading = true;
	lookup_ask(s->hub->lookup, job);
}

void replay_begin(struct session *s, int64_t from, bool quiet)
{
	if (s->replay) { /* one at a time: one that was asked for tells all there is */
		if (s->replay->quiet)
			s->replay->then = from;
		return;
	}
	s->replay = mem_alloc(sizeof(*s->replay));
	if (!s->replay) {
		session_close(s, CLOSE_INTERNAL_ERROR);
		return;
	}
	*s->replay =
	        (struct replay){ .from = from, .after = from, .quiet = quiet, .then = -1, .changed_after = from > 0 && !quiet ? 0 : -1 };
	if (from > 0 && from == s->cut_from)
		s->replay->changed_after = s->cut_after; /* he has those before */
	s->cut_from = 0;
	ask(s);
}

static void end(struct session *s, int64_t last_known, bool truncated)
{
	struct replay *p = s->replay;
	int64_t then = p->then;
	char text[120];

	if (!p->quiet) {
		int n = snprintf(text, sizeof(text), "{\"last_message_id\":%lld,\"count\":%d,\"truncated\":%s}", (long long)last_known,
		                 p->count, truncated ? "true" : "false");

		session_push(s, frame_message(SENT_RESUME_COMPLETE, (struct str){ text, (size_t)n }));
	}
	free(p);
	s->replay = NULL;
	if (then >= 0)
		replay_begin(s, then, false);
	session_want_write(s);
}

/* What has been queued is out: the next page. */
void replay_go_on(struct session *s)
{
	if (s->replay && !s->replay->reading && !s->n_parcels)
		ask(s);
}

void replay_found(struct session *s, struct job *job)
{
	struct replay *p = s->replay;
	bool full = job->n_found >= job->limit, truncated;
	int64_t known;

	if (!p)
		return;
	p->reading = false;
	if (job->error) {
		session_close(s, CLOSE_INTERNAL_ERROR); /* he comes again, and resumes again */
		return;
	}
	if (job->verdict) {
		session_close(s, job->verdict);
		return;
	}
	known = p->from < job->last_id ? p->from : job->last_id; /* these he has, though the group may still be behind him */
	if (known > s->replayed_to)
		s->replayed_to = known;
	p->since = job->since;
	p->changed_after = job->changed_after;
	for (struct found *f = job->found; f; f = f->next) {
		p->count++;
		if (f->is_new)
			p->after = f->id;
		else
			p->changed_after = f->id;
		if (f->is_new && f->id > s->replayed_to)
			s->replayed_to = f->id;
		session_push_replayed(s, f);
	}
	if (job->changes_complete)
		p->changed_after = -1;
	truncated = !p->quiet && full && p->count >= s->hub->settings->realtime_replay_max;
	if (truncated && p->changed_after >= 0) { /* the client can only say the same number again */
		s->cut_from = p->from;
		s->cut_after = p->changed_after;
	}
	if (!full || truncated)
		end(s, p->after, truncated && (p->changed_after >= 0 || job->last_id > p->after));
}
