/* /api/moderation/reports/: realtime.md 6. One table reads all bodies: only staff set status and resolution. */
#include "domain/moderation.h"

#include "api/handlers_impl.h"
#include "api/person.h"
#include "api/reply.h"

static const char *const types[] = { "message", "user", "poll", "project", NULL };
static const char *const statuses[] = { "pending", "accepted", "rejected", NULL };

static const struct field report_field_list[] = {
	FIELD(struct moderation_report, "id", id, INT, .flags = FIELD_READ_ONLY),
	FIELD_PERSON(struct moderation_report, "reporter", reporter),
	FIELD_PERSON(struct moderation_report, "resolved_by", resolver),
	FIELD(struct moderation_report, "report_type", report_type, CHOICE, .flags = FIELD_REQUIRED, .choices = types),
	FIELD(struct moderation_report, "target_id", target_id, TEXT, .flags = FIELD_REQUIRED, .max_chars = MODERATION_TARGET_CHARS,
	      .meaning = "L'identifiant de ce qui est signalé."),
	FIELD(struct moderation_report, "status", status, CHOICE, .flags = FIELD_STAFF, .choices = statuses),
	FIELD(struct moderation_report, "reason", reason, TEXT, .flags = FIELD_REQUIRED),
	FIELD(struct moderation_report, "resolution", resolution, TEXT, .flags = FIELD_STAFF | FIELD_BLANK),
	FIELD(struct moderation_report, "created_at", created_at, TIME, .flags = FIELD_READ_ONLY),
	FIELD(struct moderation_report, "updated_at", updated_at, TIME, .flags = FIELD_READ_ONLY),
};
const struct fields moderation_report_fields = FIELDS(struct moderation_report, report_field_list);

static const struct field report_query_list[] = { PAGE_PARAMETER };
const struct fields moderation_query = SHAPES(report_query_list);

void moderation_reports_list(struct request *req)
{
	struct query query;
	struct page page;
	struct db_rows rows;
	int64_t count = 0;
	int r;

	if (!query_or_reply(req, &query))
		return;
	r = moderation_count(req->worker->db, &count);
	if (!page_or_reply(req, r, &query, 0, count, &page))
		return;
	r = moderation_list(req->worker->db, &req->arena, page.size, page_offset(&page), &rows);
	reply_page(req, r, &query, &page, &moderation_report_fields, &rows);
}

/* The report that the path names. */
static int find_report(struct request *req, struct moderation_report *ret_report)
{
	int64_t id;

	return str_to_uint(req->params[0], &id) ? moderation_find(req->worker->db, &req->arena, id, ret_report) : ERR_NOT_FOUND;
}

void moderation_reports_detail(struct request *req)
{
	struct moderation_report report;

	reply_found(req, find_report(req, &report), &moderation_report_fields, &report);
}

void moderation_reports_create(struct request *req)
{
	struct moderation_report in = { .status = STR("pending"), .resolution = STR("") }, report;
	int r;

	if (!request_read_or_reply(req, &moderation_report_fields, &in))
		return;
	r = moderation_create(req->worker->db, &req->arena, req->caller, &in, &report);
	if (r < 0)
		reply_error(req, r);
	else
		reply_with(req, 201, &moderation_report_fields, &report);
}

/* What is not in the body stays absent, and so as it is. */
static void change_report(struct request *req, bool (*read_or_reply)(struct request *, const struct fields *, void *, uint64_t *))
{
	struct moderation_report in = { .id = 0 }, report;
	uint64_t present;
	int r = find_report(req, &report);

	if (r == 0 && !read_or_reply(req, &moderation_report_fields, &in, &present))
		return;
	if (r == 0)
		r = moderation_update(req->worker->db, &req->arena, req->caller, report.id, &in, &report);
	reply_found(req, r, &moderation_report_fields, &report);
}

void moderation_reports_replace(struct request *req)
{
	change_report(req, request_replace_or_reply);
}

void moderation_reports_change(struct request *req)
{
	change_report(req, request_read_part_or_reply);
}

void moderation_reports_delete(struct request *req)
{
	int64_t id;
	int r = str_to_uint(req->params[0], &id) ? moderation_delete(req->worker->db, req->caller, id) : ERR_NOT_FOUND;

	if (r < 0)
		reply_error(req, r);
	else
		reply_empty(req, 204);
}
