/*
 * One statement reads reports, with who looks as its parameters, so that counting, listing and finding cannot disagree. The
 * unique index on message and reporter decides between two reports at once.
 */
#include "domain/chat_report.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "domain/audit.h"
#include "domain/chat.h"

static const struct db_column report_columns[] = {
	DB_COLUMN(struct chat_report, id, INT, "r.id"),
	DB_COLUMN(struct chat_report, message_id, INT, "r.message_id"),
	PERSON_COLUMNS(struct chat_report, reporter, "u"),
	DB_COLUMN(struct chat_report, reason, TEXT, "r.reason"),
	DB_COLUMN(struct chat_report, status, TEXT, "r.status"),
	PERSON_COLUMNS(struct chat_report, reviewer, "v"),
	DB_COLUMN(struct chat_report, reviewed_at, TIME, "r.reviewed_at"),
	DB_COLUMN(struct chat_report, created_at, TIME, "r.created_at"),
	DB_COLUMN(struct chat_report, updated_at, TIME, "r.updated_at"),
};
static const struct db_row report_row = DB_ROW(struct chat_report, report_columns);

/* What the viewer sees: $1 is staff, $2 his id. */
#define VISIBLE "FROM core_chatmessagereport r WHERE ($1 OR r.reporter_id = $2) "
#define VISIBLE_WITH_PEOPLE                                                                         \
	"SELECT $cols FROM core_chatmessagereport r LEFT JOIN auth_user u ON u.id = r.reporter_id " \
	"LEFT JOIN auth_user v ON v.id = r.reviewed_by_id WHERE ($1 OR r.reporter_id = $2) "

int chat_report_count(struct db_conn *db, const struct account *viewer, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) " VISIBLE, DB_PARAMS(DB_BOOL(viewer->is_staff), DB_INT(viewer->id)), ret_count);
}

int chat_report_list(struct db_conn *db, struct arena *arena, const struct account *viewer, int64_t limit, int64_t offset,
                     struct db_rows *ret_reports)
{
	static const struct db_statement newest_first = { VISIBLE_WITH_PEOPLE "ORDER BY r.created_at DESC, r.id DESC LIMIT $3 OFFSET $4",
		                                          &report_row };

	return db_select(db, &newest_first, DB_PARAMS(DB_BOOL(viewer->is_staff), DB_INT(viewer->id), DB_INT(limit), DB_INT(offset)), arena,
	                 ret_reports);
}

int chat_report_find(struct db_conn *db, struct arena *arena, const struct account *viewer, int64_t id, struct chat_report *ret_report)
{
	static const struct db_statement by_id = { VISIBLE_WITH_PEOPLE "AND r.id = $3", &report_row };

	return db_select_one(db, &by_id, DB_PARAMS(DB_BOOL(viewer->is_staff), DB_INT(viewer->id), DB_INT(id)), arena, ret_report);
}

/* The thread of a message. */
static int find_thread(struct db_conn *db, int64_t message_id, int64_t *ret_thread_id)
{
	return db_select_int(db, "SELECT thread_id FROM core_chatmessage WHERE id = $1", DB_PARAMS(DB_INT(message_id)), ret_thread_id);
}

int chat_report_message_known(struct db_conn *db, int64_t message_id)
{
	int64_t thread_id;

	return find_thread(db, message_id, &thread_id);
}

/* ---- writing ---- */

/* One write of a report: whoever does it, of what, and what comes out. */
struct writing {
	struct arena *arena;
	const struct account *caller;
	int64_t id;
	int64_t message_id;
	struct str reason, status;
	struct chat_report row;
};

/* metadata {"name": value}, or {} without a name. */
static int note(struct db_conn *db, const struct writing *w, const char *action, const char *name, int64_t number, struct str text)
{
	struct buf metadata CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_char(&metadata, '{');
	if (name)
		json_add_key(&metadata, name);
	if (name && text.s)
		json_add_str(&metadata, text);
	else if (name)
		json_add_int(&metadata, number);
	buf_add_char(&metadata, '}');
	if (metadata.failed)
		return ERR_NOMEM;
	return audit_write(db, w->caller->id, action, "chat_report", w->id, (struct json_text){ buf_view(&metadata) });
}

static int note_plain(struct db_conn *db, const struct writing *w, const char *action)
{
	return note(db, w, action, NULL, 0, (struct str){ NULL, 0 });
}

static int insert(struct db_conn *db, struct writing *w)
{
	static const char sql[] = "INSERT INTO core_chatmessagereport (message_id, reporter_id, reason, status, created_at, updated_at) "
	                          "VALUES ($1, $2, $3, 'pending', $4, $4) ON CONFLICT (message_id, reporter_id) DO NOTHING RETURNING id";
	int r = db_select_int(db, sql, DB_PARAMS(DB_INT(w->message_id), DB_INT(w->caller->id), DB_TEXT(w->reason), DB_TIME(clock_now())),
	                      &w->id);

	return r == ERR_NOT_FOUND ? ERR_CONFLICT : r;
}

static int create(struct db_conn *db, void *arg)
{
	struct writing *w = arg;
	int64_t thread_id;
	int r = find_thread(db, w->message_id, &thread_id);

	if (r < 0)
		return r;
	r = chat_takes_part(db, thread_id, w->caller->id);
	if (r <= 0)
		return r < 0 ? r : ERR_FORBIDDEN;
	r = insert(db, w);
	if (r == 0)
		r = note(db, w, "chat_report_create", "message", w->message_id, (struct str){ NULL, 0 });
	return r < 0 ? r : chat_report_find(db, w->arena, w->caller, w->id, &w->row);
}

int chat_report_create(struct db_conn *db, struct arena *arena, const struct account *reporter, int64_t message_id, struct str reason,
                       struct chat_report *ret_report)
{
	struct writing w = { .arena = arena, .caller = reporter, .message_id = message_id, .reason = reason };
	int r = db_write(db, create, &w);

	if (r == 0)
		*ret_report = w.row;
	return r;
}

static int set_settled(struct db_conn *db, void *arg)
{
	static const struct db_statement sql = {
		"UPDATE core_chatmessagereport SET status = $2, reviewed_by_id = $3, reviewed_at = $4, updated_at = $4 WHERE id = $1"
	};
	const struct writing *w = arg;
	int64_t changed;
	int r = db_execute(db, &sql, DB_PARAMS(DB_INT(w->id), DB_TEXT(w->status), DB_INT(w->caller->id), DB_TIME(clock_now())), &changed);

	if (r == 0 && !changed)
		r = ERR_NOT_FOUND;
	return r < 0 ? r : note_plain(db, w, str_is(w->status, "reviewed") ? "chat_report_review" : "chat_report_dismiss");
}

int chat_report_settle(struct db_conn *db, const struct account *staff, int64_t id, const char *status)
{
	struct writing w = { .caller = staff, .id = id, .status = str_of(status) };

	return db_write(db, set_settled, &w);
}

/* Only what moves it out of pending names a reviewer; he stays when it goes back. */
static int change(struct db_conn *db, void *arg)
{
	static const struct db_statement sql = {
		"UPDATE core_chatmessagereport SET "
		"reviewed_by_id = CASE WHEN status = 'pending' AND COALESCE(CAST($2 AS text), status) <> 'pending' THEN $4 ELSE "
		"reviewed_by_id END, "
		"reviewed_at = CASE WHEN status = 'pending' AND COALESCE(CAST($2 AS text), status) <> 'pending' THEN $5 ELSE reviewed_at "
		"END, "
		"status = COALESCE($2, status), reason = COALESCE($3, reason), updated_at = $5 WHERE id = $1"
	};
	struct writing *w = arg;
	int64_t changed;
	int r = db_execute(db, &sql,
	                   DB_PARAMS(DB_INT(w->id), DB_TEXT(w->status), DB_TEXT(w->reason), DB_INT(w->caller->id), DB_TIME(clock_now())),
	                   &changed);

	if (r == 0 && !changed)
		r = ERR_NOT_FOUND;
	if (r == 0)
		r = chat_report_find(db, w->arena, w->caller, w->id, &w->row);
	return r < 0 ? r : note(db, w, "chat_report_update", "status", 0, w->row.status);
}

int chat_report_update(struct db_conn *db, struct arena *arena, const struct account *staff, int64_t id,
                       const struct chat_report_change *wanted, struct chat_report *ret_report)
{
	struct writing w = { .arena = arena, .caller = staff, .id = id, .status = wanted->status, .reason = wanted->reason };
	int r = db_write(db, change, &w);

	if (r == 0)
		*ret_report = w.row;
	return r;
}

static int delete (struct db_conn *db, void *arg)
{
	static const struct db_statement sql = { "DELETE FROM core_chatmessagereport WHERE id = $1" };
	const struct writing *w = arg;
	int64_t changed;
	int r = db_execute(db, &sql, DB_PARAMS(DB_INT(w->id)), &changed);

	if (r == 0 && !changed)
		r = ERR_NOT_FOUND;
	return r < 0 ? r : note_plain(db, w, "chat_report_delete");
}

int chat_report_delete(struct db_conn *db, const struct account *staff, int64_t id)
{
	struct writing w = { .caller = staff, .id = id };

	return db_write(db, delete, &w);
}
