/*
 * Threads are found through the viewer's membership, which comes first in every statement: a row that he may not see is never
 * read. The participants of all threads of a page are one statement, whose rows are then shared out.
 */
#include "domain/chat_impl.h"

#include "base/json_out.h"

/* ---- threads ---- */

static const struct db_column thread_columns[] = {
	DB_COLUMN(struct chat_thread, id, INT, "t.id"),
	DB_COLUMN(struct chat_thread, title, TEXT, "t.title"),
	DB_COLUMN(struct chat_thread, project_id, INT, "t.project_id"),
	DB_COLUMN(struct chat_thread, is_private, BOOL, "t.is_private"),
	PERSON_COLUMNS(struct chat_thread, creator, "c"),
	DB_COLUMN(struct chat_thread, created_at, TIME, "t.created_at"),
	DB_COLUMN(struct chat_thread, updated_at, TIME, "t.updated_at"),
	DB_COLUMN(struct chat_thread, last_message_at, TIME, "t.last_message_at"),
	DB_COLUMN(struct chat_thread, role, TEXT, "me.role"),
};
static const struct db_row thread_row = DB_ROW(struct chat_thread, thread_columns);

/* The threads of viewer $1. */
#define SEEN                                                                                      \
	"SELECT $cols FROM core_chatmembership me JOIN core_chatthread t ON t.id = me.thread_id " \
	"LEFT JOIN auth_user c ON c.id = t.created_by_id WHERE me.user_id = $1 "
#define ONE "AND me.thread_id = $2"

static const struct db_column participant_columns[] = {
	DB_COLUMN(struct chat_participant, thread_id, INT, "m.thread_id"),
	PERSON_COLUMNS(struct chat_participant, person, "u"),
};
static const struct db_row participant_row = DB_ROW(struct chat_participant, participant_columns);

#define PARTICIPANTS "SELECT $cols FROM core_chatmembership m JOIN auth_user u ON u.id = m.user_id WHERE m.thread_id "
#define IN_ORDER     " ORDER BY m.thread_id, m.user_id"

int chat_ids_json(struct arena *arena, const struct db_rows *ids, struct json_text *ret_json)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	const int64_t *list = ids->items;
	struct str text;

	buf_add_char(&b, '[');
	for (size_t i = 0; i < ids->n; i++) {
		if (i)
			buf_add_char(&b, ',');
		json_add_int(&b, list[i]);
	}
	buf_add_char(&b, ']');
	text = b.failed ? (struct str){ NULL, 0 } : arena_str(arena, buf_view(&b));
	if (!text.s)
		return ERR_NOMEM;
	*ret_json = (struct json_text){ text };
	return 0;
}

static int thread_ids(struct arena *arena, const struct chat_thread *threads, size_t n, struct json_text *ret_ids)
{
	int64_t *ids = arena_alloc(arena, n * sizeof(*ids) + 1);

	if (!ids)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		ids[i] = threads[i].id;
	return chat_ids_json(arena, &(const struct db_rows){ ids, n }, ret_ids);
}

/* Those of one thread; all is ordered by thread. */
static struct db_rows share_of(const struct db_rows *all, int64_t thread_id)
{
	struct chat_participant *p = all->items;
	size_t from = 0, n = 0;

	while (from < all->n && p[from].thread_id != thread_id)
		from++;
	while (from + n < all->n && p[from + n].thread_id == thread_id)
		n++;
	return (struct db_rows){ n ? p + from : NULL, n };
}

static int add_participants(struct db_conn *db, struct arena *arena, struct chat_thread *threads, size_t n)
{
	static const struct db_statement of_threads = {
		.sqlite = PARTICIPANTS "IN " CHAT_IDS_SQLITE("$1") IN_ORDER,
		.postgresql = PARTICIPANTS "IN " CHAT_IDS_POSTGRESQL("$1") IN_ORDER,
		.row = &participant_row,
	};
	struct json_text ids;
	struct db_rows all;
	int r = thread_ids(arena, threads, n, &ids);

	if (r == 0)
		r = db_select(db, &of_threads, DB_PARAMS(DB_JSON(ids)), arena, &all);
	for (size_t i = 0; r == 0 && i < n; i++)
		threads[i].participants = share_of(&all, threads[i].id);
	return r;
}

int chat_thread_count(struct db_conn *db, int64_t viewer_id, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) FROM core_chatmembership WHERE user_id = $1", DB_PARAMS(DB_INT(viewer_id)), ret_count);
}

int chat_thread_list(struct db_conn *db, struct arena *arena, int64_t viewer_id, int64_t limit, int64_t offset, struct db_rows *ret_threads)
{
	static const struct db_statement latest_first = {
		SEEN "ORDER BY t.last_message_at DESC NULLS LAST, t.created_at DESC, t.id DESC LIMIT $2 OFFSET $3", &thread_row
	};
	struct db_rows rows;
	int r = db_select(db, &latest_first, DB_PARAMS(DB_INT(viewer_id), DB_INT(limit), DB_INT(offset)), arena, &rows);

	if (r == 0 && rows.n)
		r = add_participants(db, arena, rows.items, rows.n);
	if (r == 0)
		*ret_threads = rows;
	return r;
}

int chat_thread_find(struct db_conn *db, struct arena *arena, int64_t viewer_id, int64_t id, struct chat_thread *ret_thread)
{
	static const struct db_statement by_id = { SEEN ONE, &thread_row };
	struct chat_thread thread;
	int r = db_select_one(db, &by_id, DB_PARAMS(DB_INT(viewer_id), DB_INT(id)), arena, &thread);

	if (r == 0)
		r = add_participants(db, arena, &thread, 1);
	if (r == 0)
		*ret_thread = thread;
	return r;
}

int chat_thread_lock(struct db_conn *db, struct arena *arena, int64_t viewer_id, int64_t id, struct chat_thread *ret_thread)
{
	static const struct db_statement by_id = { .sqlite = SEEN ONE, .postgresql = SEEN ONE " FOR UPDATE OF t", .row = &thread_row };
	struct chat_thread thread;
	int r = db_select_one(db, &by_id, DB_PARAMS(DB_INT(viewer_id), DB_INT(id)), arena, &thread);

	if (r == 0) {
		thread.participants = (struct db_rows){ NULL, 0 };
		*ret_thread = thread;
	}
	return r;
}

/* ---- references ---- */

int chat_thread_known(struct db_conn *db, int64_t id)
{
	int64_t found;

	return db_select_int(db, "SELECT id FROM core_chatthread WHERE id = $1", DB_PARAMS(DB_INT(id)), &found);
}

int chat_people_known(struct db_conn *db, struct arena *arena, const struct db_rows *ids, bool *ret_known)
{
	static const char sqlite[] = "SELECT count(*) FROM json_each($1) WHERE value NOT IN (SELECT id FROM auth_user)";
	static const char postgresql[] = "SELECT count(*) FROM jsonb_array_elements_text($1) AS wanted(value) "
	                                 "WHERE NOT EXISTS (SELECT 1 FROM auth_user u WHERE u.id = CAST(wanted.value AS bigint))";
	struct json_text json;
	int64_t unknown;
	int r = chat_ids_json(arena, ids, &json);

	if (r == 0)
		r = db_select_int(db, db_engine(db_of(db)) == DB_SQLITE ? sqlite : postgresql, DB_PARAMS(DB_JSON(json)), &unknown);
	if (r == 0)
		*ret_known = unknown == 0;
	return r;
}

int chat_thread_participants(struct db_conn *db, struct arena *arena, int64_t thread_id, struct db_rows *ret_participants)
{
	struct chat_thread thread = { .id = thread_id };
	int r = add_participants(db, arena, &thread, 1);

	*ret_participants = thread.participants;
	return r;
}

/* Ids of memberships only ascend: whoever comes raises the highest, and whoever goes while nobody comes lowers the number. */
int chat_members_version(struct db_conn *db, int64_t thread_id, int64_t *ret_version)
{
	return db_select_int(db, "SELECT COALESCE(MAX(id), 0) * 1048576 + COUNT(*) FROM core_chatmembership WHERE thread_id = $1",
	                     DB_PARAMS(DB_INT(thread_id)), ret_version);
}

int chat_takes_part(struct db_conn *db, int64_t thread_id, int64_t user_id)
{
	int64_t n;
	int r = db_select_int(db, "SELECT count(*) FROM core_chatmembership WHERE thread_id = $1 AND user_id = $2",
	                      DB_PARAMS(DB_INT(thread_id), DB_INT(user_id)), &n);

	return r < 0 ? r : n > 0;
}

int chat_thread_exists(struct db_conn *db, int64_t thread_id)
{
	int r = chat_thread_known(db, thread_id);

	return r == ERR_NOT_FOUND ? 0 : r < 0 ? r : 1;
}
