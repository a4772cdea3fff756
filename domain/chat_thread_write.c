/*
 * Each write is a closure over a struct of its own, which may run twice. The thread's row is read and locked by the caller's
 * membership, so that whoever was removed a moment before changes nothing any more; the row of the answer is read inside too.
 */
#include "base/clock.h"
#include "base/json_out.h"
#include "db/cascade.h"
#include "domain/audit.h"
#include "domain/chat_impl.h"

#define TARGET_TYPE "chat_thread"

/* ---- participants ---- */

/* Who a thread is to have: the ids, and this account besides. */
struct wanted {
	int64_t thread_id, also_id;
	struct json_text ids;
};

static int remove_others(struct db_conn *db, const struct wanted *w, int64_t *ret_changed)
{
#define REMOVE "DELETE FROM core_chatmembership WHERE thread_id = $1 AND user_id <> $2 AND user_id NOT IN "
	static const struct db_statement others = { .sqlite = REMOVE CHAT_IDS_SQLITE("$3"),
		                                    .postgresql = REMOVE CHAT_IDS_POSTGRESQL("$3") };
#undef REMOVE

	return db_execute(db, &others, DB_PARAMS(DB_INT(w->thread_id), DB_INT(w->also_id), DB_JSON(w->ids)), ret_changed);
}

/* Whose account has gone meanwhile is left out. */
static int add_missing(struct db_conn *db, const struct wanted *w, int64_t *ret_changed)
{
#define ADD(ids)                                                                                                                \
	"INSERT INTO core_chatmembership (role, joined_at, thread_id, user_id) SELECT 'member', $4, $1, u.id FROM auth_user u " \
	"WHERE (u.id = $2 OR u.id IN " ids ") "                                                                                 \
	"AND NOT EXISTS (SELECT 1 FROM core_chatmembership m WHERE m.thread_id = $1 AND m.user_id = u.id)"
	static const struct db_statement missing = { .sqlite = ADD(CHAT_IDS_SQLITE("$3")), .postgresql = ADD(CHAT_IDS_POSTGRESQL("$3")) };
#undef ADD

	return db_execute(db, &missing, DB_PARAMS(DB_INT(w->thread_id), DB_INT(w->also_id), DB_JSON(w->ids), DB_TIME(clock_now())),
	                  ret_changed);
}

static int replace_participants(struct db_conn *db, const struct wanted *w, bool *ret_changed)
{
	int64_t removed = 0, added = 0;
	int r = remove_others(db, w, &removed);

	if (r == 0)
		r = add_missing(db, w, &added);
	if (r == 0)
		*ret_changed = removed || added;
	return r;
}

/* ---- create ---- */

struct creation {
	struct arena *arena;
	const struct account *creator;
	const struct chat_thread_in *in;
	struct json_text ids;
	struct chat_thread row;
};

static int insert(struct db_conn *db, const struct creation *c, int64_t *ret_id)
{
	static const char sql[] = "INSERT INTO core_chatthread (title, is_private, created_at, updated_at, last_message_at, created_by_id, "
	                          "project_id, thread_type) VALUES ($1, $2, $3, $3, $3, $4, $5, 'GENERAL') RETURNING id";

	return db_select_int(db, sql,
	                     DB_PARAMS(DB_TEXT(c->in->title), DB_BOOL(c->in->is_private), DB_TIME(clock_now()), DB_INT(c->creator->id),
	                               DB_INT(c->in->project_id)),
	                     ret_id);
}

static int note_creation(struct db_conn *db, const struct creation *c, int64_t id)
{
	struct buf metadata CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&metadata, "{\"title\":");
	json_add_str(&metadata, c->in->title);
	buf_add_char(&metadata, '}');
	if (metadata.failed)
		return ERR_NOMEM;
	return audit_write(db, c->creator->id, "chat_thread_create", TARGET_TYPE, id, (struct json_text){ buf_view(&metadata) });
}

static int create(struct db_conn *db, void *arg)
{
	struct creation *c = arg;
	struct wanted wanted = { .also_id = c->creator->id, .ids = c->ids };
	int64_t added;
	int r = insert(db, c, &wanted.thread_id);

	if (r == 0)
		r = add_missing(db, &wanted, &added);
	if (r == 0)
		r = note_creation(db, c, wanted.thread_id);
	return r < 0 ? r : chat_thread_find(db, c->arena, c->creator->id, wanted.thread_id, &c->row);
}

int chat_thread_create(struct db_conn *db, struct arena *arena, const struct account *creator, const struct chat_thread_in *in,
                       struct chat_thread *ret_thread)
{
	struct creation c = { .arena = arena, .creator = creator, .in = in };
	int r = chat_ids_json(arena, &in->participants, &c.ids);

	if (r == 0)
		r = db_write(db, create, &c);
	if (r == 0)
		*ret_thread = c.row;
	return r;
}

/* ---- update ---- */

struct update {
	struct arena *arena;
	const struct account *caller;
	int64_t id;
	const struct chat_thread_edit *edit;
	struct chat_thread row;
	bool members_changed;
};

static int store(struct db_conn *db, int64_t id, const struct chat_thread_in *in)
{
	static const struct db_statement sql = {
		"UPDATE core_chatthread SET title = $2, project_id = $3, is_private = $4, updated_at = $5 WHERE id = $1"
	};

	return db_execute(db, &sql,
	                  DB_PARAMS(DB_INT(id), DB_TEXT(in->title), DB_INT(in->project_id), DB_BOOL(in->is_private), DB_TIME(clock_now())),
	                  NULL);
}

static int change(struct db_conn *db, struct update *u)
{
	struct chat_thread_in in = { u->row.title, u->row.project_id, u->row.is_private, { NULL, 0 } };
	struct wanted wanted = { .thread_id = u->id, .also_id = u->caller->id };
	int r;

	u->edit->apply(u->edit->arg, &in);
	r = store(db, u->id, &in);
	if (r == 0 && in.participants.items)
		r = chat_ids_json(u->arena, &in.participants, &wanted.ids);
	if (r == 0 && in.participants.items)
		r = replace_participants(db, &wanted, &u->members_changed);
	return r;
}

static int update(struct db_conn *db, void *arg)
{
	struct update *u = arg;
	int r = chat_thread_lock(db, u->arena, u->caller->id, u->id, &u->row);

	u->members_changed = false;
	if (r == 0)
		r = chat_thread_may_change(&u->row, u->caller) ? change(db, u) : ERR_FORBIDDEN;
	return r < 0 ? r : chat_thread_find(db, u->arena, u->caller->id, u->id, &u->row);
}

int chat_thread_update(struct db_conn *db, struct arena *arena, const struct account *caller, int64_t id,
                       const struct chat_thread_edit *edit, struct chat_thread *ret_thread, bool *ret_members_changed)
{
	struct update u = { .arena = arena, .caller = caller, .id = id, .edit = edit };
	int r = db_write(db, update, &u);

	if (r < 0)
		return r;
	*ret_thread = u.row;
	*ret_members_changed = u.members_changed;
	return 0;
}

/* ---- delete ---- */

struct deletion {
	struct arena *arena;
	const struct account *caller;
	int64_t id;
	struct db_rows attachments;
};

static int read_attachments(struct db_conn *db, struct deletion *d)
{
	static const struct db_column columns[] = { DB_COLUMN(struct chat_attachment, path, TEXT, "attachment") };
	static const struct db_row row = DB_ROW(struct chat_attachment, columns);
	static const struct db_statement named = { "SELECT $cols FROM core_chatmessage WHERE thread_id = $1 AND attachment <> ''", &row };

	return db_select(db, &named, DB_PARAMS(DB_INT(d->id)), d->arena, &d->attachments);
}

static int delete (struct db_conn *db, void *arg)
{
	struct deletion *d = arg;
	struct chat_thread row;
	int r = chat_thread_lock(db, d->arena, d->caller->id, d->id, &row);

	if (r == 0 && !chat_thread_may_delete(&row, d->caller))
		r = ERR_FORBIDDEN;
	if (r == 0)
		r = read_attachments(db, d);
	if (r == 0)
		r = cascade_delete(db, "core_chatthread", d->id);
	return r < 0 ? r : audit_write(db, d->caller->id, "chat_thread_delete", TARGET_TYPE, d->id, (struct json_text){ { NULL, 0 } });
}

int chat_thread_delete(struct db_conn *db, struct arena *arena, const struct account *caller, int64_t id, struct db_rows *ret_attachments)
{
	struct deletion d = { .arena = arena, .caller = caller, .id = id };
	int r = db_write(db, delete, &d);

	if (r == 0)
		*ret_attachments = d.attachments;
	return r;
}
