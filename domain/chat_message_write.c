/*
 * Each write is a closure over a struct of its own, which may run twice; the row of the answer is read inside it. A new message
 * locks its thread first, and looks at the clock only then: whoever comes second waits there, or begins anew, so that ids and times
 * follow the order of the commits.
 */
#include "base/clock.h"
#include "base/json_out.h"
#include "domain/audit.h"
#include "domain/chat_impl.h"

static int note(struct db_conn *db, const struct account *caller, const char *action, int64_t id, struct str metadata)
{
	return audit_write(db, caller->id, action, "chat_message", id, (struct json_text){ metadata });
}

static int read_written(struct db_conn *db, struct arena *arena, const struct account *caller, int64_t id, struct chat_message *ret_message)
{
	int64_t members = 0;
	int r = chat_message_find(db, arena, caller->id, id, ret_message);

	if (r == 0)
		r = chat_members_version(db, ret_message->thread_id, &members);
	ret_message->members = members;
	return r;
}

/* ---- create ---- */

struct creation {
	struct arena *arena;
	const struct account *author;
	const struct chat_message_in *in;
	struct chat_message row;
	int64_t previous;
};

/* ERR_NOT_FOUND: it is gone. */
static int lock_thread(struct db_conn *db, int64_t thread_id)
{
#define BY_ID "SELECT id FROM core_chatthread WHERE id = $1"
	static const char sqlite[] = BY_ID, postgresql[] = BY_ID " FOR UPDATE";
#undef BY_ID
	int64_t id;

	return db_select_int(db, db_engine(db_of(db)) == DB_SQLITE ? sqlite : postgresql, DB_PARAMS(DB_INT(thread_id)), &id);
}

static int touch_thread(struct db_conn *db, int64_t thread_id, struct instant now)
{
	static const struct db_statement sql = { "UPDATE core_chatthread SET last_message_at = $2 WHERE id = $1" };

	return db_execute(db, &sql, DB_PARAMS(DB_INT(thread_id), DB_TIME(now)), NULL);
}

static int insert(struct db_conn *db, const struct creation *c, struct instant now, int64_t *ret_id)
{
	static const char sql[] =
	        "INSERT INTO core_chatmessage (content, attachment, metadata, is_deleted, created_at, author_id, thread_id) "
	        "VALUES ($1, $2, '{}', FALSE, $3, $4, $5) RETURNING id";
	struct str attachment = c->in->attachment.len ? c->in->attachment : (struct str){ NULL, 0 };

	return db_select_int(
	        db, sql,
	        DB_PARAMS(DB_TEXT(c->in->content), DB_TEXT(attachment), DB_TIME(now), DB_INT(c->author->id), DB_INT(c->in->thread_id)),
	        ret_id);
}

static int find_previous(struct db_conn *db, int64_t thread_id, int64_t id, int64_t *ret_previous)
{
	return db_select_int(db, "SELECT COALESCE(MAX(id), 0) FROM core_chatmessage WHERE thread_id = $1 AND id < $2",
	                     DB_PARAMS(DB_INT(thread_id), DB_INT(id)), ret_previous);
}

static int note_creation(struct db_conn *db, const struct creation *c, int64_t id)
{
	struct buf metadata CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&metadata, "{\"thread\":");
	json_add_int(&metadata, c->in->thread_id);
	buf_add_char(&metadata, '}');
	return metadata.failed ? ERR_NOMEM : note(db, c->author, "chat_message_create", id, buf_view(&metadata));
}

static int create(struct db_conn *db, void *arg)
{
	struct creation *c = arg;
	struct instant now;
	int64_t id = NULL_INT;
	int r = lock_thread(db, c->in->thread_id);

	if (r < 0)
		return r;
	r = chat_takes_part(db, c->in->thread_id, c->author->id);
	if (r <= 0)
		return r < 0 ? r : ERR_FORBIDDEN;
	now = clock_now();
	r = touch_thread(db, c->in->thread_id, now);
	if (r == 0)
		r = insert(db, c, now, &id);
	if (r == 0)
		r = find_previous(db, c->in->thread_id, id, &c->previous);
	if (r == 0)
		r = note_creation(db, c, id);
	return r < 0 ? r : read_written(db, c->arena, c->author, id, &c->row);
}

int chat_message_create(struct db_conn *db, struct arena *arena, const struct account *author, const struct chat_message_in *in,
                        struct chat_message *ret_message, int64_t *ret_previous)
{
	struct creation c = { .arena = arena, .author = author, .in = in };
	int r = db_write(db, create, &c);

	if (r < 0)
		return r;
	*ret_message = c.row;
	*ret_previous = c.previous;
	return 0;
}

/* ---- update and delete ---- */

struct change {
	struct arena *arena;
	const struct account *caller;
	int64_t id;
	const struct chat_message_edit *edit;
	struct chat_message row;
	struct str old_attachment;
};

/* The row, locked, if the caller may change it. */
static int lock_own(struct db_conn *db, struct change *c)
{
	int r = chat_message_lock(db, c->arena, c->caller->id, c->id, &c->row);

	return r < 0 ? r : chat_message_may_change(&c->row, c->caller) ? 0 : ERR_FORBIDDEN;
}

static int store(struct db_conn *db, int64_t id, const struct chat_message_in *in)
{
	static const struct db_statement sql = {
		"UPDATE core_chatmessage SET content = $2, attachment = $3, edited_at = $4 WHERE id = $1"
	};
	struct str attachment = in->attachment.len ? in->attachment : (struct str){ NULL, 0 };

	return db_execute(db, &sql, DB_PARAMS(DB_INT(id), DB_TEXT(in->content), DB_TEXT(attachment), DB_TIME(clock_now())), NULL);
}

static int update(struct db_conn *db, void *arg)
{
	struct change *c = arg;
	struct chat_message_in in;
	int r = lock_own(db, c);

	if (r < 0)
		return r;
	if (c->row.is_deleted)
		return ERR_CONFLICT;
	in = (struct chat_message_in){ c->row.thread_id, c->row.content, c->row.attachment };
	c->edit->apply(c->edit->arg, &in);
	c->old_attachment = str_equal(in.attachment, c->row.attachment) ? (struct str){ NULL, 0 } : c->row.attachment;
	r = store(db, c->id, &in);
	if (r == 0)
		r = note(db, c->caller, "chat_message_update", c->id, (struct str){ NULL, 0 });
	return r < 0 ? r : read_written(db, c->arena, c->caller, c->id, &c->row);
}

int chat_message_update(struct db_conn *db, struct arena *arena, const struct account *caller, int64_t id,
                        const struct chat_message_edit *edit, struct chat_message *ret_message, struct str *ret_old_attachment)
{
	struct change c = { .arena = arena, .caller = caller, .id = id, .edit = edit };
	int r = db_write(db, update, &c);

	if (r < 0)
		return r;
	*ret_message = c.row;
	*ret_old_attachment = c.old_attachment;
	return 0;
}

static int delete (struct db_conn *db, void *arg)
{
	static const struct db_statement sql = { "UPDATE core_chatmessage SET is_deleted = TRUE, deleted_at = $2 WHERE id = $1" };
	struct change *c = arg;
	int r = lock_own(db, c);

	if (r == 0)
		r = db_execute(db, &sql, DB_PARAMS(DB_INT(c->id), DB_TIME(clock_now())), NULL);
	if (r == 0)
		r = note(db, c->caller, "chat_message_delete", c->id, (struct str){ NULL, 0 });
	return r < 0 ? r : read_written(db, c->arena, c->caller, c->id, &c->row);
}

int chat_message_delete(struct db_conn *db, struct arena *arena, const struct account *caller, int64_t id, struct chat_message *ret_message)
{
	struct change c = { .arena = arena, .caller = caller, .id = id };
	int r = db_write(db, delete, &c);

	if (r == 0)
		*ret_message = c.row;
	return r;
}
