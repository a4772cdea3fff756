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
	FIELD(struct help_request, "project", project_id, REFERENCE, .flags = FIELD_NULLABLE),
	FIELD(struct help_request, "anonymity", anonymity, CHOICE, .choices = anonymities),
	FIELD(struct help_request, "status", status, TEXT, .flags = FIELD_READ_ONLY),
	FIELD(struct help_request, "created_at", created_at, TIME, .flags = FIELD_READ_ONLY),
};
const struct fields help_request_fields = FIELDS(struct help_request, help_request_field_list);

static const struct field help_request_query_list[] = {
	PAGE_PARAMETER,
	SHAPE("status", TEXT, .flags = FIELD_BLANK, .meaning = "Statut exact ; une valeur inconnue donne une page vide."),
};
const struct fields help_request_query = SHAPES(help_request_query_list);

void help_requests_list(struct request *req)
{
	struct query query;
	struct str status;
	struct page page;
	struct db_rows rows;
	int64_t count = 0;
	int r;

	if (!query_or_reply(req, &query))
		return;
	status = query_get_nonempty(&query, "status");
	r = help_request_count(req->worker->db, status, &count);
	if (!page_or_reply(req, r, &query, 0, count, &page))
		return;
	r = help_request_list(req->worker->db, &req->arena, status, page.size, page_offset(&page), &rows);
	reply_page(req, r, &query, &page, &help_request_fields, &rows);
}
