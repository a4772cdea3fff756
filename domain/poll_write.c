/*
 * Each call is one closure over a struct of its own, which may run twice and so leaves the same there each time. The poll of the
 * answer is read inside it: when the commit has happened, nothing is left that could fail the request.
 */
#include "base/clock.h"
#include "base/json_out.h"
#include "db/cascade.h"
#include "domain/audit.h"
#include "domain/poll_impl.h"

static const struct json_text nothing = { { NULL, 0 } };

/* An audit entry that keeps the title. */
static int note_title(struct db_conn *db, int64_t actor_id, const char *action, const struct poll *p)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&b, "{\"title\":");
	json_add_str(&b, p->title);
	buf_add_char(&b, '}');
	if (b.failed)
		return ERR_NOMEM;
	return audit_write(db, actor_id, action, POLL_TARGET, p->id, (struct json_text){ buf_view(&b) });
}

/* ---- options ---- */

static int insert_option(struct db_conn *db, int64_t poll_id, const struct poll_option_in *in)
{
	static const struct db_statement insert = { "INSERT INTO core_polloption (label, position, poll_id) VALUES ($1, $2, $3)" };

	return db_execute(db, &insert, DB_PARAMS(DB_TEXT(in->label), DB_INT(in->position), DB_INT(poll_id)), NULL);
}

/* Keeps the poll's option of this id; when it has none, the option is new. */
static int store_option(struct db_conn *db, int64_t poll_id, const struct poll_option_in *in)
{
	static const struct db_statement update = { "UPDATE core_polloption SET label = $1, position = $2 WHERE id = $3 AND poll_id = $4" };
	int64_t kept = 0;
	int r = 0;

	if (in->id != POLL_OPTION_NEW)
		r = db_execute(db, &update, DB_PARAMS(DB_TEXT(in->label), DB_INT(in->position), DB_INT(in->id), DB_INT(poll_id)), &kept);
	return r < 0 || kept ? r : insert_option(db, poll_id, in);
}

#define OTHERS(ids) "SELECT id FROM core_polloption WHERE poll_id = $1 AND id NOT IN " ids

/* Options that are not named go, with their ballots. */
static int remove_others(struct db_conn *db, int64_t poll_id, const struct poll_options_in *in)
{
	static const struct db_statement ballots = {
		.sqlite = "DELETE FROM core_pollballot WHERE option_id IN (" OTHERS(IDS_SQLITE("$2")) ")",
		.postgresql = "DELETE FROM core_pollballot WHERE option_id IN (" OTHERS(IDS_POSTGRESQL("$2")) ")"
	};
	static const struct db_statement options = {
		.sqlite = "DELETE FROM core_polloption WHERE poll_id = $1 AND id NOT IN " IDS_SQLITE("$2"),
		.postgresql = "DELETE FROM core_polloption WHERE poll_id = $1 AND id NOT IN " IDS_POSTGRESQL("$2")
	};
	struct buf ids CLEANUP(buf_finish) = BUF_EMPTY;
	struct json_text named;
	int r;

	poll_add_ids(&ids, &in->list->id, in->n, sizeof(*in->list));
	if (ids.failed)
		return ERR_NOMEM;
	named = (struct json_text){ buf_view(&ids) };
	r = db_execute(db, &ballots, DB_PARAMS(DB_INT(poll_id), DB_JSON(named)), NULL);
	return r < 0 ? r : db_execute(db, &options, DB_PARAMS(DB_INT(poll_id), DB_JSON(named)), NULL);
}

static int replace_options(struct db_conn *db, int64_t poll_id, const struct poll_options_in *in)
{
	int r;

	if (!in->list)
		return 0;
	r = remove_others(db, poll_id, in);
	for (size_t i = 0; i < in->n && r == 0; i++)
		r = store_option(db, poll_id, &in->list[i]);
	return r;
}

/* ---- create ---- */

struct creation {
	struct arena *arena;
	const struct account *creator;
	const struct poll *poll;
	const struct poll_options_in *options;
	struct poll row;
};

static int insert_poll(struct db_conn *db, const struct account *creator, const struct poll *p, int64_t *ret_id)
{
	static const char insert[] =
	        "INSERT INTO core_poll (title, question, description, status, is_anonymous, allow_multiple, quorum, "
	        "opens_at, closes_at, project_id, voting_method, max_points, is_shareholder_vote, created_at, updated_at, "
	        "created_by_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, FALSE, $13, $13, $14) "
	        "RETURNING id";

	return db_select_int(db, insert,
	                     DB_PARAMS(DB_TEXT(p->title), DB_TEXT(p->question), DB_TEXT(p->description), DB_TEXT(p->status),
	                               DB_BOOL(p->is_anonymous), DB_BOOL(p->allow_multiple), DB_INT(p->quorum), DB_TIME(p->opens_at),
	                               DB_TIME(p->closes_at), DB_INT(p->project_id), DB_TEXT(p->voting_method), DB_INT(p->max_points),
	                               DB_TIME(clock_now()), DB_INT(creator->id)),
	                     ret_id);
}

static int create(struct db_conn *db, void *arg)
{
	struct creation *c = arg;
	int64_t id;
	int r = insert_poll(db, c->creator, c->poll, &id);

	for (size_t i = 0; i < c->options->n && r == 0; i++)
		r = insert_option(db, id, &c->options->list[i]);
	if (r == 0)
		r = poll_find(db, c->arena, id, &c->row);
	return r < 0 ? r : note_title(db, c->creator->id, "poll_create", &c->row);
}

int poll_create(struct db_conn *db, struct arena *arena, const struct account *creator, const struct poll *poll,
                const struct poll_options_in *options, struct poll *ret_poll)
{
	struct creation c = { .arena = arena, .creator = creator, .poll = poll, .options = options };
	int r = db_write(db, create, &c);

	if (r == 0)
		*ret_poll = c.row;
	return r;
}

/* ---- update, open, close ---- */

struct change {
	struct arena *arena;
	int64_t actor_id, id;
	const char *action;
	const struct poll_edit *edit;
	const struct poll_options_in *options;
	bool touches; /* updated_at */
	struct poll row;
};

static int store_poll(struct db_conn *db, const struct poll *p)
{
	static const struct db_statement update = {
		"UPDATE core_poll SET title = $1, question = $2, description = $3, status = $4, is_anonymous = $5, allow_multiple = $6, "
		"quorum = $7, opens_at = $8, closes_at = $9, project_id = $10, voting_method = $11, max_points = $12, updated_at = $13 "
		"WHERE id = $14"
	};

	return db_execute(db, &update,
	                  DB_PARAMS(DB_TEXT(p->title), DB_TEXT(p->question), DB_TEXT(p->description), DB_TEXT(p->status),
	                            DB_BOOL(p->is_anonymous), DB_BOOL(p->allow_multiple), DB_INT(p->quorum), DB_TIME(p->opens_at),
	                            DB_TIME(p->closes_at), DB_INT(p->project_id), DB_TEXT(p->voting_method), DB_INT(p->max_points),
	                            DB_TIME(p->updated_at), DB_INT(p->id)),
	                  NULL);
}

static int change(struct db_conn *db, void *arg)
{
	struct change *c = arg;
	struct poll poll;
	int r = poll_lock(db, c->arena, c->id, &poll);

	if (r < 0)
		return r;
	c->edit->apply(c->edit->arg, &poll);
	if (c->touches)
		poll.updated_at = clock_now();
	r = store_poll(db, &poll);
	if (r == 0)
		r = replace_options(db, c->id, c->options);
	if (r == 0)
		r = audit_write(db, c->actor_id, c->action, POLL_TARGET, c->id, nothing);
	return r < 0 ? r : poll_find(db, c->arena, c->id, &c->row);
}

static int write_change(struct db_conn *db, struct change *c, struct poll *ret_poll)
{
	int r = db_write(db, change, c);

	if (r == 0)
		*ret_poll = c->row;
	return r;
}

int poll_update(struct db_conn *db, struct arena *arena, const struct account *actor, int64_t id, const struct poll_edit *edit,
                const struct poll_options_in *options, struct poll *ret_poll)
{
	struct change c = {
		.arena = arena, .actor_id = actor->id, .id = id, .action = "poll_update", .edit = edit, .options = options, .touches = true
	};

	return write_change(db, &c, ret_poll);
}

static void apply_open(const void *arg, struct poll *poll)
{
	const struct instant *now = arg;

	poll->status = (struct str)STR("open");
	if (poll->opens_at.us == NULL_TIME.us)
		poll->opens_at = *now;
	if (poll->closes_at.us <= now->us)
		poll->closes_at = NULL_TIME;
}

static void apply_close(const void *arg, struct poll *poll)
{
	const struct instant *now = arg;

	poll->status = (struct str)STR("closed");
	poll->closes_at = *now;
}

static int move(struct db_conn *db, struct arena *arena, const struct account *actor, int64_t id, const char *action,
                void (*apply)(const void *, struct poll *), struct poll *ret_poll)
{
	static const struct poll_options_in as_they_are = { NULL, 0 };
	struct instant now = clock_now();
	const struct poll_edit edit = { apply, &now };
	struct change c = { .arena = arena, .actor_id = actor->id, .id = id, .action = action, .edit = &edit, .options = &as_they_are };

	return write_change(db, &c, ret_poll);
}

int poll_open(struct db_conn *db, struct arena *arena, const struct account *actor, int64_t id, struct poll *ret_poll)
{
	return move(db, arena, actor, id, "poll_open", apply_open, ret_poll);
}

int poll_close(struct db_conn *db, struct arena *arena, const struct account *actor, int64_t id, struct poll *ret_poll)
{
	return move(db, arena, actor, id, "poll_close", apply_close, ret_poll);
}

/* ---- delete ---- */

struct deletion {
	struct arena *arena;
	int64_t actor_id, id;
};

static int delete (struct db_conn *db, void *arg)
{
	const struct deletion *d = arg;
	struct poll poll;
	int r = poll_lock(db, d->arena, d->id, &poll);

	if (r == 0)
		r = note_title(db, d->actor_id, "poll_delete", &poll);
	return r < 0 ? r : cascade_delete(db, "core_poll", d->id);
}

int poll_delete(struct db_conn *db, struct arena *arena, const struct account *actor, int64_t id)
{
	struct deletion d = { arena, actor->id, id };

	return db_write(db, delete, &d);
}
