/*
 * Reading messages. What is outward of a deleted one is decided by the columns, so that no reader can forget it. The order of
 * lists is that of time, as the reference has it; whoever pages by ids (before, after, the hub) gets the order of ids, which
 * within a thread is the same.
 */
#include "domain/chat_impl.h"

static const struct db_column message_columns[] = {
	DB_COLUMN(struct chat_message, id, INT, "m.id"),
	DB_COLUMN(struct chat_message, thread_id, INT, "m.thread_id"),
	PERSON_COLUMNS(struct chat_message, author, "a"),
	DB_COLUMN(struct chat_message, content, TEXT, "CASE WHEN m.is_deleted THEN '' ELSE m.content END"),
	DB_COLUMN(struct chat_message, attachment, TEXT, "CASE WHEN m.is_deleted THEN NULL ELSE m.attachment END"),
	DB_COLUMN(struct chat_message, metadata, JSON, "m.metadata"),
	DB_COLUMN(struct chat_message, is_deleted, BOOL, "m.is_deleted"),
	DB_COLUMN(struct chat_message, deleted_at, TIME, "m.deleted_at"),
	DB_COLUMN(struct chat_message, created_at, TIME, "m.created_at"),
	DB_COLUMN(struct chat_message, edited_at, TIME, "m.edited_at"),
};
static const struct db_row message_row = DB_ROW(struct chat_message, message_columns);

#define MESSAGES "SELECT $cols FROM core_chatmessage m LEFT JOIN auth_user a ON a.id = m.author_id "

/* Those of viewer $1. */
#define SEEN                                                                                 \
	"FROM core_chatmembership me JOIN core_chatmessage m ON m.thread_id = me.thread_id " \
	"LEFT JOIN auth_user a ON a.id = m.author_id WHERE me.user_id = $1 "

/* Narrowed by $2 (thread), $3 (before) and $4 (after); the thread is asked of the membership, which is where reading begins. */
#define FILTERED                                                      \
	SEEN "AND (CAST($2 AS bigint) IS NULL OR me.thread_id = $2) " \
	     "AND (CAST($3 AS bigint) IS NULL OR m.id < $3) "         \
	     "AND (CAST($4 AS bigint) IS NULL OR m.id > $4) "

#define FILTER_PARAMS(viewer_id, filter) DB_INT(viewer_id), DB_INT((filter)->thread_id), DB_INT((filter)->before), DB_INT((filter)->after)

int chat_message_count(struct db_conn *db, int64_t viewer_id, const struct chat_message_filter *filter, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) " FILTERED, DB_PARAMS(FILTER_PARAMS(viewer_id, filter)), ret_count);
}

int chat_message_list(struct db_conn *db, struct arena *arena, int64_t viewer_id, const struct chat_message_filter *filter, int64_t limit,
                      int64_t offset, struct db_rows *ret_messages)
{
	static const struct db_statement oldest_first = { "SELECT $cols " FILTERED "ORDER BY m.created_at, m.id LIMIT $5 OFFSET $6",
		                                          &message_row };

	return db_select(db, &oldest_first, DB_PARAMS(FILTER_PARAMS(viewer_id, filter), DB_INT(limit), DB_INT(offset)), arena,
	                 ret_messages);
}

int chat_message_tail(struct db_conn *db, struct arena *arena, int64_t viewer_id, const struct chat_message_filter *filter, int64_t limit,
                      struct db_rows *ret_messages)
{
	static const struct db_statement last = { MESSAGES "WHERE m.id IN (SELECT m.id " FILTERED
		                                           "ORDER BY m.id DESC LIMIT $5) ORDER BY m.id",
		                                  &message_row };

	return db_select(db, &last, DB_PARAMS(FILTER_PARAMS(viewer_id, filter), DB_INT(limit)), arena, ret_messages);
}

int chat_message_find(struct db_conn *db, struct arena *arena, int64_t viewer_id, int64_t id, struct chat_message *ret_message)
{
	static const struct db_statement by_id = { "SELECT $cols " SEEN "AND m.id = $2", &message_row };

	return db_select_one(db, &by_id, DB_PARAMS(DB_INT(viewer_id), DB_INT(id)), arena, ret_message);
}

int chat_message_lock(struct db_conn *db, struct arena *arena, int64_t viewer_id, int64_t id, struct chat_message *ret_message)
{
	static const struct db_statement by_id = { .sqlite = "SELECT $cols " SEEN "AND m.id = $2",
		                                   .postgresql = "SELECT $cols " SEEN "AND m.id = $2 FOR UPDATE OF m",
		                                   .row = &message_row };

	return db_select_one(db, &by_id, DB_PARAMS(DB_INT(viewer_id), DB_INT(id)), arena, ret_message);
}

/* ---- for the hub ---- */

#define BETWEEN "WHERE m.thread_id = $1 AND m.id > $2 AND m.id <= $3 "

int chat_messages_between(struct db_conn *db, struct arena *arena, int64_t thread_id, int64_t after_id, int64_t up_to_id, int64_t limit,
                          struct db_rows *ret_messages)
{
	static const struct db_statement between = { MESSAGES BETWEEN "ORDER BY m.id LIMIT $4", &message_row };

	return db_select(db, &between, DB_PARAMS(DB_INT(thread_id), DB_INT(after_id), DB_INT(up_to_id), DB_INT(limit)), arena,
	                 ret_messages);
}

int chat_messages_changed(struct db_conn *db, struct arena *arena, int64_t thread_id, struct instant since, int64_t after_id,
                          int64_t up_to_id, int64_t limit, struct db_rows *ret_messages)
{
	static const struct db_statement changed = { MESSAGES BETWEEN "AND (m.edited_at > $4 OR m.deleted_at > $4) ORDER BY m.id LIMIT $5",
		                                     &message_row };

	return db_select(db, &changed, DB_PARAMS(DB_INT(thread_id), DB_INT(after_id), DB_INT(up_to_id), DB_TIME(since), DB_INT(limit)),
	                 arena, ret_messages);
}

int chat_last_message_id(struct db_conn *db, int64_t thread_id, int64_t *ret_id)
{
	return db_select_int(db, "SELECT COALESCE(MAX(id), 0) FROM core_chatmessage WHERE thread_id = $1", DB_PARAMS(DB_INT(thread_id)),
	                     ret_id);
}

int chat_message_created_at(struct db_conn *db, int64_t thread_id, int64_t id, struct instant *ret_at)
{
	static const struct db_column columns[] = { DB_COLUMN(struct chat_message, created_at, TIME, "created_at") };
	static const struct db_row row = DB_ROW(struct chat_message, columns);
	static const struct db_statement by_id = { "SELECT $cols FROM core_chatmessage WHERE thread_id = $1 AND id = $2", &row };
	struct chat_message message;
	struct arena none;
	int r;

	arena_init(&none, 0); /* an instant needs none */
	r = db_select_one(db, &by_id, DB_PARAMS(DB_INT(thread_id), DB_INT(id)), &none, &message);
	arena_finish(&none);
	if (r == 0)
		*ret_at = message.created_at;
	return r;
}
