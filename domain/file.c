/* The columns that name stored files are a table here: who holds one, what he is called in the journal, which cache he is in. */
#include "domain/file.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/random.h"
#include "db/outbox.h"
#include "domain/audit.h"
#include "domain/stale.h"

/* ---- waiting for the scanner ---- */

struct request {
	char task_id[UUID_HEX_SIZE];
	struct instant now;
};

/* As egoejo_outbox has it: without dashes. */
static void keep_id(const char id[UUID_TEXT_SIZE], char ret_hex[UUID_HEX_SIZE])
{
	size_t n = 0;

	for (; *id && n < UUID_HEX_SIZE - 1; id++)
		if (*id != '-')
			ret_hex[n++] = *id;
	ret_hex[n] = '\0';
}

static int put_task(struct db_conn *db, struct str path, const char *queue, struct request *ret_request)
{
	CLEANUP(buf_finish) struct buf args = BUF_EMPTY;
	char id[UUID_TEXT_SIZE];
	struct outbox_task task = { .name = FILE_SCAN_TASK, .queue = queue, .durable = true, .ret_id = id };
	int r;

	buf_add_char(&args, '[');
	json_add_str(&args, path);
	buf_add_char(&args, ']');
	task.args.text = buf_view(&args);
	r = args.failed ? ERR_NOMEM : outbox_put(db, &task);
	if (r < 0)
		return r;
	keep_id(id, ret_request->task_id);
	ret_request->now = clock_now();
	return 0;
}

int file_scan_ask(struct db_conn *db, struct str path)
{
	static const struct db_statement sql = {
		"INSERT INTO egoejo_file_scan (path, task_id, asked_at, failed_at, last_error) VALUES ($1, $2, $3, NULL, NULL) "
		"ON CONFLICT (path) DO UPDATE SET task_id = $2, asked_at = $3, failed_at = NULL, last_error = NULL"
	};
	struct request request;
	int r = path.len ? put_task(db, path, NULL, &request) : 0;

	if (r < 0 || !path.len)
		return r;
	return db_execute(db, &sql, DB_PARAMS(DB_TEXT(path), DB_TEXT(str_of(request.task_id)), DB_TIME(request.now)), NULL);
}

int file_scan_done(struct db_conn *db, struct str path)
{
	static const struct db_statement sql = { "DELETE FROM egoejo_file_scan WHERE path = $1" };

	return db_execute(db, &sql, DB_PARAMS(DB_TEXT(path)), NULL);
}

int file_scan_failed(struct db_conn *db, struct str path, struct str why, bool *ret_first)
{
	static const struct db_statement first = {
		"UPDATE egoejo_file_scan SET failed_at = $2, last_error = $3 WHERE path = $1 AND failed_at IS NULL"
	};
	static const struct db_statement again = { "UPDATE egoejo_file_scan SET failed_at = $2, last_error = $3 WHERE path = $1" };
	const struct db_param params[] = { DB_TEXT(path), DB_TIME(clock_now()), DB_TEXT(why) };
	int64_t n = 0;
	int r = db_execute(db, &first, params, N_ELEMENTS(params), &n);

	if (r == 0 && !n)
		r = db_execute(db, &again, params, N_ELEMENTS(params), NULL);
	if (r == 0)
		*ret_first = n > 0;
	return r;
}

int file_is_waiting(struct db_conn *db, struct str path, bool *ret_waiting)
{
	int64_t n;
	int r = db_select_int(db, "SELECT count(*) FROM egoejo_file_scan WHERE path = $1", DB_PARAMS(DB_TEXT(path)), &n);

	if (r == 0)
		*ret_waiting = n > 0;
	return r;
}

struct waiting {
	struct str path;
};
static const struct db_column waiting_columns[] = { DB_COLUMN(struct waiting, path, TEXT, "s.path") };
static const struct db_row waiting_row = DB_ROW(struct waiting, waiting_columns);

struct asking {
	struct instant since;
	int64_t limit;
	int n;
};

/* What kept a failure before is kept: its news is told once. */
static int ask_again(struct db_conn *db, struct str path)
{
	static const struct db_statement sql = { "UPDATE egoejo_file_scan SET task_id = $2, asked_at = $3 WHERE path = $1" };
	struct request request;
	int r = put_task(db, path, "local", &request);

	return r < 0 ? r : db_execute(db, &sql, DB_PARAMS(DB_TEXT(path), DB_TEXT(str_of(request.task_id)), DB_TIME(request.now)), NULL);
}

#define ARENA_MAX_BYTES ((size_t)4 * 1024 * 1024)

/* A row of the outbox stays until the task's result is known; a dead one is nobody's any more. */
static int ask_for_all(struct db_conn *db, void *arg)
{
	static const struct db_statement forgotten = {
		"SELECT $cols FROM egoejo_file_scan s WHERE s.asked_at <= $1 AND NOT EXISTS (SELECT 1 FROM egoejo_outbox o "
		"WHERE o.task_id = s.task_id AND o.state <> 'dead') ORDER BY s.asked_at, s.path LIMIT $2",
		&waiting_row
	};
	struct asking *a = arg;
	struct db_rows rows = { NULL, 0 };
	const struct waiting *file;
	struct arena arena;
	int r;

	arena_init(&arena, ARENA_MAX_BYTES);
	r = db_select(db, &forgotten, DB_PARAMS(DB_TIME(a->since), DB_INT(a->limit)), &arena, &rows);
	file = rows.items;
	for (size_t i = 0; r == 0 && i < rows.n; i++)
		r = ask_again(db, file[i].path);
	a->n = (int)rows.n;
	arena_finish(&arena);
	return r;
}

int file_scan_again(struct db_conn *db, struct instant since, int64_t limit)
{
	struct asking a = { since, limit, 0 };
	int r = db_write(db, ask_for_all, &a);

	return r < 0 ? r : a.n;
}

/* ---- a file that is bad ---- */

static const struct db_column id_columns[] = { { "id", KIND_INT, 0 } };
static const struct db_row id_row = { id_columns, 1, sizeof(int64_t) };

#define NO_CHANGE (-1)

#define HOLDER(table, column) "UPDATE " table " SET " column " = NULL WHERE " column " = $1 RETURNING $cols"
static const struct holder {
	struct db_statement drop;
	const char *target_type; /* in the journal */
	int change;              /* what is stale then, or NO_CHANGE */
} holders[FILE_HOLDERS] = {
	[FILE_OF_PROJECT] = { { HOLDER("core_projet", "image"), &id_row }, "projet", CHANGE_PROJECT },
	[FILE_OF_CONTENT] = { { HOLDER("core_educationalcontent", "file"), &id_row }, "educational_content", CHANGE_CONTENT },
	[FILE_OF_MESSAGE] = { { HOLDER("core_chatmessage", "attachment"), &id_row }, "chat_message", NO_CHANGE },
	[FILE_OF_PROFILE] = { { HOLDER("core_profile", "avatar"), &id_row }, "profile", NO_CHANGE },
};

int file_drop(struct db_conn *db, struct arena *arena, struct str path, const char *action, struct json_text metadata,
              struct file_rows *ret_rows)
{
	int r = 0;

	for (size_t i = 0; i < FILE_HOLDERS && r == 0; i++) {
		struct db_rows rows = { NULL, 0 };
		const int64_t *id;

		r = db_select(db, &holders[i].drop, DB_PARAMS(DB_TEXT(path)), arena, &rows);
		id = rows.items;
		for (size_t k = 0; k < rows.n && r == 0; k++)
			r = audit_write(db, NULL_INT, action, holders[i].target_type, id[k], metadata);
		ret_rows->of[i] = rows;
	}
	return r;
}

size_t file_rows_count(const struct file_rows *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < FILE_HOLDERS; i++)
		n += rows->of[i].n;
	return n;
}

void file_dropped(struct cache *cache, struct redis_budget *budget, const struct file_rows *rows)
{
	for (size_t i = 0; i < FILE_HOLDERS && cache; i++) {
		const int64_t *id = rows->of[i].items;

		for (size_t k = 0; k < rows->of[i].n && holders[i].change != NO_CHANGE; k++)
			stale_after(cache, budget, (enum change)holders[i].change, id[k]);
	}
}

int file_is_named(struct db_conn *db, struct str path, bool *ret_named)
{
	static const char sql[] = "SELECT (SELECT count(*) FROM core_projet WHERE image = $1) + (SELECT count(*) FROM "
	                          "core_educationalcontent WHERE file = $1 OR audio_file = $1) + (SELECT count(*) FROM core_chatmessage "
	                          "WHERE attachment = $1) + (SELECT count(*) FROM core_profile WHERE avatar = $1)";
	int64_t n;
	int r = db_select_int(db, sql, DB_PARAMS(DB_TEXT(path)), &n);

	if (r == 0)
		*ret_named = n > 0;
	return r;
}
