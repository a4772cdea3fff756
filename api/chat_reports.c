/* /api/chat/reports/: realtime.md 3. */
#include "api/handlers_impl.h"
#include "api/person.h"
#include "api/reply.h"
#include "domain/chat_report.h"

static const char *const statuses[] = { "pending", "reviewed", "dismissed", NULL };

static const struct field report_field_list[] = {
	FIELD(struct chat_report, "id", id, INT, .flags = FIELD_READ_ONLY),
	FIELD(struct chat_report, "message", message_id, REFERENCE, .flags = FIELD_REQUIRED, .known = chat_report_message_known),
	FIELD_PERSON(struct chat_report, "reporter", reporter),
	FIELD(struct chat_report, "reason", reason, TEXT, .flags = FIELD_BLANK),
	FIELD(struct chat_report, "status", status, CHOICE, .flags = FIELD_READ_ONLY, .choices = statuses),
	FIELD_PERSON(struct chat_report, "reviewed_by", reviewer),
	FIELD(struct chat_report, "reviewed_at", reviewed_at, TIME, .flags = FIELD_READ_ONLY | FIELD_NULLABLE),
	FIELD(struct chat_report, "created_at", created_at, TIME, .flags = FIELD_READ_ONLY),
	FIELD(struct chat_report, "updated_at", updated_at, TIME, .flags = FIELD_READ_ONLY),
};
const struct fields chat_report_fields = FIELDS(struct chat_report, report_field_list);

/* What staff change. */
static const struct field report_change_list[] = {
	FIELD(struct chat_report_change, "status", status, CHOICE, .choices = statuses),
	FIELD(struct chat_report_change, "reason", reason, TEXT, .flags = FIELD_BLANK),
};
const struct fields chat_report_change_fields = FIELDS(struct chat_report_change, report_change_list);

static const struct field report_query_list[] = { PAGE_PARAMETER };
const struct fields chat_report_query = SHAPES(report_query_list);

static const struct field reviewed_list[] = { FIELD_CONSTANT("status", "\"reviewed\"") };
const struct fields chat_report_reviewed = SHAPES(reviewed_list);

static const struct field dismissed_list[] = { FIELD_CONSTANT("status", "\"dismissed\"") };
const struct fields chat_report_dismissed = SHAPES(dismissed_list);

void chat_reports_list(struct request *req)
{
	struct query query;
	struct page page;
	struct db_rows rows;
	int64_t count = 0;
	int r;

	if (!query_or_reply(req, &query))
		return;
	r = chat_report_count(req->worker->db, req->caller, &count);
	if (!page_or_reply(req, r, &query, 0, count, &page))
		return;
	r = chat_report_list(req->worker->db, &req->arena, req->caller, page.size, page_offset(&page), &rows);
	reply_page(req, r, &query, &page, &chat_report_fields, &rows);
}

void chat_reports_detail(struct request *req)
{
	struct chat_report report;
	int64_t id;
	int r = ERR_NOT_FOUND;

	if (str_to_uint(req->params[0], &id))
		r = chat_report_find(req->worker->db, &req->arena, req->caller, id, &report);
	reply_found(req, r, &chat_report_fields, &report);
}

void chat_reports_create(struct request *req)
{
	struct chat_report in = { .reason = STR("") }, report;
	int r;

	if (!request_read_or_reply(req, &chat_report_fields, &in))
		return;
	r = chat_report_create(req->worker->db, &req->arena, req->caller, in.message_id, in.reason, &report);
	if (r == ERR_NOT_FOUND)
		reply_field_error(req, "message", "Ce message n'existe plus."); /* it went while the body was read */
	else if (r == ERR_CONFLICT)
		reply_field_error(req, "non_field_errors", "Vous avez déjà signalé ce message.");
	else if (r < 0)
		reply_error(req, r);
	else
		reply_with(req, 201, &chat_report_fields, &report);
}

/* The report that the path names is looked for before the body is judged. */
static void change_report(struct request *req, bool (*read_or_reply)(struct request *, const struct fields *, void *, uint64_t *))
{
	struct chat_report_change change = { .status = { NULL, 0 } };
	struct chat_report report;
	uint64_t present;
	int64_t id;
	int r = ERR_NOT_FOUND;

	if (str_to_uint(req->params[0], &id))
		r = chat_report_find(req->worker->db, &req->arena, req->caller, id, &report);
	if (r == 0 && !read_or_reply(req, &chat_report_change_fields, &change, &present))
		return;
	if (r == 0)
		r = chat_report_update(req->worker->db, &req->arena, req->caller, id, &change, &report);
	reply_found(req, r, &chat_report_fields, &report);
}

void chat_reports_replace(struct request *req)
{
	change_report(req, request_replace_or_reply);
}

void chat_reports_change(struct request *req)
{
	change_report(req, request_read_part_or_reply);
}

void chat_reports_delete(struct request *req)
{
	int64_t id;
	int r = str_to_uint(req->params[0], &id) ? chat_report_delete(req->worker->db, req->caller, id) : ERR_NOT_FOUND;

	if (r < 0)
		reply_error(req, r);
	else
		reply_empty(req, 204);
}

static void settle(struct request *req, const char *status, const struct fields *fields)
{
	int64_t id;
	int r = str_to_uint(req->params[0], &id) ? chat_report_settle(req->worker->db, req->caller, id, status) : ERR_NOT_FOUND;

	reply_found(req, r, fields, &id); /* constants alone */
}

void chat_reports_review(struct request *req)
{
	settle(req, "reviewed", &chat_report_reviewed);
}

void chat_reports_dismiss(struct request *req)
{
	settle(req, "dismissed", &chat_report_dismissed);
}
