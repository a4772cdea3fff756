/* /api/help-requests/: content.md 3. */
#include "domain/help_request.h"

#include "api/handlers_impl.h"
#include "api/reply.h"

static const char *const help_types[] = { "financier", "humain", "materiel", "autre", NULL };
static const char *const urgencies[] = { "low", "medium", "high", NULL };
static const char *const anonymities[] = { "pseudo", "team_only", NULL };

static const struct field help_request_field_list[] = {
	FIELD(struct help_request, "id", id, INT, .flags = FIELD_READ_ONLY),
	FIELD(struct help_request, "title", title, TEXT, .flags = FIELD_REQUIRED, .max_chars = 255),
	FIELD(struct help_request, "description", description, TEXT, .flags = FIELD_REQUIRED),
	FIELD(struct help_request, "help_type", help_type, CHOICE, .choices = help_types),
	FIELD(struct help_request, "urgency", urgency, CHOICE, .choices = urgencies),
	FIELD(struct help_request, "is_linked_to_project", is_linked_to_project, BOOL),
	FIELD(struct help_request, "project", project_id, REFERENCE, .flags = FIELD_NULLABLE, .known = help_request_project_known),
	FIELD(struct help_request, "anonymity", anonymity, CHOICE, .choices = anonymities),
	FIELD(struct help_request, "status", status, TEXT, .flags = FIELD_READ_ONLY),
	FIELD(struct help_request, "created_at", created_at, TIME, .flags = FIELD_READ_ONLY),
};
const struct fields help_request_fields = FIELDS(struct help_request, help_request_field_list);

static const struct field help_request_query_list[] = {
	PAGE_PARAMETER,
	SHAPE("status", TEXT, .flags = FIELD_BLANK, .meaning = "Statut exact ; une valeur inconnue donne une page vide."),
	SHAPE("mine", TEXT, .flags = FIELD_BLANK, .meaning = "1, true ou yes : celles de l'appelant seulement."),
};
const struct fields help_request_query = SHAPES(help_request_query_list);

static const struct field help_request_accept_query_list[] = {
	SHAPE("status", TEXT, .flags = FIELD_BLANK, .meaning = "La demande doit avoir ce statut."),
	SHAPE("mine", TEXT, .flags = FIELD_BLANK, .meaning = "1, true ou yes : la demande doit être de l'appelant."),
};
const struct fields help_request_accept_query = SHAPES(help_request_accept_query_list);

static struct help_request_filter read_filter(const struct query *query)
{
	struct str mine = query_get(query, "mine");

	return (struct help_request_filter){ .status = query_get_nonempty(query, "status"),
		                             .mine = str_is(mine, "1") || str_is(mine, "true") || str_is(mine, "yes") };
}

void help_requests_list(struct request *req)
{
	struct help_request_filter filter;
	struct query query;
	struct page page;
	struct db_rows rows;
	int64_t count = 0;
	int r;

	if (!query_or_reply(req, &query))
		return;
	filter = read_filter(&query);
	r = help_request_count(req->worker->db, req->caller, &filter, &count);
	if (!page_or_reply(req, r, &query, 0, count, &page))
		return;
	r = help_request_list(req->worker->db, &req->arena, req->caller, &filter, page.size, page_offset(&page), &rows);
	reply_page(req, r, &query, &page, &help_request_fields, &rows);
}

void help_requests_create(struct request *req)
{
	struct help_request in = {
		.help_type = STR("financier"), .urgency = STR("medium"), .anonymity = STR("pseudo"), .project_id = NULL_INT
	};
	int r;

	if (!request_read_or_reply(req, &help_request_fields, &in))
		return;
	r = help_request_create(req->worker->db, req->caller, &in);
	if (r < 0)
		reply_error(req, r);
	else
		reply_with(req, 201, &help_request_fields, &in);
}

void help_requests_accept(struct request *req)
{
	struct help_request request;
	struct help_request_filter filter;
	struct query query;
	int64_t id;
	int r = ERR_NOT_FOUND;

	if (!query_or_reply(req, &query))
		return;
	filter = read_filter(&query);
	if (str_to_uint(req->params[0], &id))
		r = help_request_accept(req->worker->db, &req->arena, req->caller, &filter, id, &request);
	reply_found(req, r, &help_request_fields, &request);
}
