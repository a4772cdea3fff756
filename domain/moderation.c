/*
 * Each write is one closure, which may run twice: the row, the row as it then is for the answer, and the journal. A change is one
 * statement, in which an absent text stands for what is there, so that two at once need no lock.
 */
#include "domain/moderation.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "domain/audit.h"

#define TARGET_TYPE "moderation_report"

static const struct db_column report_columns[] = {
	DB_COLUMN(struct moderation_report, id, INT, "r.id"),
	PERSON_COLUMNS(struct moderation_report, reporter, "u"),
	PERSON_COLUMNS(struct moderation_report, resolver, "v"),
	DB_COLUMN(struct moderation_report, report_type, TEXT, "r.report_type"),
	DB_COLUMN(struct moderation_report, target_id, TEXT, "r.target_id"),
	DB_COLUMN(struct moderation_report, status, TEXT, "r.status"),
	DB_COLUMN(struct moderation_report, reason, TEXT, "r.reason"),
	DB_COLUMN(struct moderation_report, resolution, TEXT, "r.resolution"),
	DB_COLUMN(struct moderation_report, created_at, TIME, "r.created_at"),
	DB_COLUMN(struct moderation_report, updated_at, TIME, "r.updated_at"),
};
static const struct db_row report_row = DB_ROW(struct moderation_report, report_columns);

#define WITH_PEOPLE                                                                                \
	"SELECT $cols FROM core_moderationreport r LEFT JOIN auth_user u ON u.id = r.reporter_id " \
	"LEFT JOIN auth_user v ON v.id = r.resolved_by_id "

int moderation_count(struct db_conn *db, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) FROM core_moderationreport", DB_NO_PARAMS, ret_count);
}

int moderation_list(struct db_conn *db, struct arena *arena, int64_t limit, int64_t offset, struct db_rows *ret_reports)
{
	static const struct db_statement newest_first = { WITH_PEOPLE "ORDER BY r.created_at DESC, r.id DESC LIMIT $1 OFFSET $2",
		                                          &report_row };

	return db_select(db, &newest_first, DB_PARAMS(DB_INT(limit), DB_INT(offset)), arena, ret_reports);
}

int moderation_find(struct db_conn *db, struct arena *arena, int64_t id, struct moderation_report *ret_report)
{
	static const struct db_statement by_id = { WITH_PEOPLE "WHERE r.id = $1", &report_row };

	return db_select_one(db, &by_id, DB_PARAMS(DB_INT(id)), arena, ret_report);
}

/* ---- writing ---- */

/* One write of a report: who does it, to which, with what, and what comes out. */
struct writing {
	struct arena *arena;
	const struct account *caller;
	int64_t id;
	const struct moderation_report *in;
	struct moderation_report row;
};

/* Takes the buffer's text as the metadata. */
static int note(struct db_conn *db, const struct writing *w, const char *action, const struct buf *metadata)
{
	if (metadata->failed)
		return ERR_NOMEM;
	return audit_write(db, w->caller->id, action, TARGET_TYPE, w->id, (struct json_text){ buf_view(metadata) });
}

static int note_creation(struct db_conn *db, const struct writing *w)
{
	struct buf metadata CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&metadata, "{\"type\":");
	json_add_str(&metadata, w->row.report_type);
	buf_add_text(&metadata, ",\"target_id\":");
	json_add_str(&metadata, w->row.target_id);
	buf_add_char(&metadata, '}');
	return note(db, w, "moderation_report_create", &metadata);
}

static int create(struct db_conn *db, void *arg)
{
	static const char insert[] = "INSERT INTO core_moderationreport (report_type, target_id, status, reason, resolution, reporter_id, "
	                             "created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING id";
	struct writing *w = arg;
	const struct moderation_report *in = w->in;
	int r = db_select_int(db, insert,
	                      DB_PARAMS(DB_TEXT(in->report_type), DB_TEXT(in->target_id), DB_TEXT(in->status), DB_TEXT(in->reason),
	                                DB_TEXT(in->resolution), DB_INT(w->caller->id), DB_TIME(clock_now())),
	                      &w->id);

	if (r == 0)
		r = moderation_find(db, w->arena, w->id, &w->row);
	return r < 0 ? r : note_creation(db, w);
}

int moderation_create(struct db_conn *db, struct arena *arena, const struct account *reporter, const struct moderation_report *report,
                      struct moderation_report *ret_report)
{
	struct writing w = { .arena = arena, .caller = reporter, .in = report };
	int r = db_write(db, create, &w);

	if (r == 0)
		*ret_report = w.row;
	return r;
}

static int note_update(struct db_conn *db, const struct writing *w)
{
	struct buf metadata CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&metadata, "{\"status\":");
	json_add_str(&metadata, w->row.status);
	buf_add_char(&metadata, '}');
	return note(db, w, "moderation_report_update", &metadata);
}

static int update(struct db_conn *db, void *arg)
{
	static const struct db_statement change = {
		"UPDATE core_moderationreport SET "
		"resolved_by_id = CASE WHEN COALESCE(CAST($2 AS text), status) <> 'pending' THEN $7 ELSE resolved_by_id END, "
		"status = COALESCE($2, status), resolution = COALESCE($3, resolution), reason = COALESCE($4, reason), "
		"report_type = COALESCE($5, report_type), target_id = COALESCE($6, target_id), updated_at = $8 WHERE id = $1"
	};
	struct writing *w = arg;
	const struct moderation_report *in = w->in;
	int64_t changed;
	int r = db_execute(db, &change,
	                   DB_PARAMS(DB_INT(w->id), DB_TEXT(in->status), DB_TEXT(in->resolution), DB_TEXT(in->reason),
	                             DB_TEXT(in->report_type), DB_TEXT(in->target_id), DB_INT(w->caller->id), DB_TIME(clock_now())),
	                   &changed);

	if (r == 0 && !changed)
		r = ERR_NOT_FOUND;
	if (r == 0)
		r = moderation_find(db, w->arena, w->id, &w->row);
	return r < 0 ? r : note_update(db, w);
}

int moderation_update(struct db_conn *db, struct arena *arena, const struct account *staff, int64_t id,
                      const struct moderation_report *change, struct moderation_report *ret_report)
{
	struct writing w = { .arena = arena, .caller = staff, .id = id, .in = change };
	int r = db_write(db, update, &w);

	if (r == 0)
		*ret_report = w.row;
	return r;
}

static int delete (struct db_conn *db, void *arg)
{
	static const struct db_statement gone = { "DELETE FROM core_moderationreport WHERE id = $1" };
	const struct writing *w = arg;
	int64_t changed;
	int r = db_execute(db, &gone, DB_PARAMS(DB_INT(w->id)), &changed);

	if (r == 0 && !changed)
		r = ERR_NOT_FOUND;
	return r < 0 ? r
	             : audit_write(db, w->caller->id, "moderation_report_delete", TARGET_TYPE, w->id, (struct json_text){ { NULL, 0 } });
}

int moderation_delete(struct db_conn *db, const struct account *staff, int64_t id)
{
	struct writing w = { .caller = staff, .id = id };

	return db_write(db, delete, &w);
}
