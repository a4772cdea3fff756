/* /api/engagements/: content.md 4. */
#include "domain/engagement.h"

#include "api/handlers_impl.h"
#include "api/json_in.h"
#include "api/reply.h"

#define LIST_MAX 20
#define WORD_MAX 100 /* characters */

static const char *const scopes[] = { "local", "international", "both", NULL };
static const char *const anonymities[] = { "pseudo", "team_only", NULL };

#define WORDS_SCHEMA "{\"type\":\"array\",\"maxItems\":20,\"items\":{\"type\":\"string\",\"maxLength\":100,\"pattern\":\"^[^\\\\x00]*$\"}}"
/* In a form, as JSON. */
#define WORD          "\"[^\"\\\\\\x00-\\x1f]{0,100}\""
#define WORDS_PATTERN "^[\\t\\n\\r ]*\\[(?:" WORD "(?:," WORD "){0,19})?\\][\\t\\n\\r ]*$"

static const char *is_list_of_words(const struct fields_input *in, const void *member, int *ret_error)
{
	int r = json_check_texts(((const struct json_text *)member)->text, LIST_MAX, WORD_MAX);

	(void)in;
	if (r == ERR_INVALID)
		return "Une liste de 20 textes au plus, de 100 caractères au plus chacun, est attendue.";
	*ret_error = r;
	return NULL;
}

static const struct field engagement_field_list[] = {
	FIELD(struct engagement, "id", id, INT, .flags = FIELD_READ_ONLY),
	FIELD(struct engagement, "help_types", help_types, JSON, .check = is_list_of_words, .schema = WORDS_SCHEMA,
	      .pattern = WORDS_PATTERN),
	FIELD(struct engagement, "domains", domains, JSON, .check = is_list_of_words, .schema = WORDS_SCHEMA, .pattern = WORDS_PATTERN),
	FIELD(struct engagement, "availability", availability, TEXT, .flags = FIELD_BLANK),
	FIELD(struct engagement, "scope", scope, CHOICE, .choices = scopes),
	FIELD(struct engagement, "anonymity", anonymity, CHOICE, .choices = anonymities),
	FIELD(struct engagement, "notes", notes, TEXT, .flags = FIELD_BLANK),
	FIELD(struct engagement, "help_request", help_request_id, REFERENCE, .flags = FIELD_NULLABLE,
	      .known = engagement_help_request_known),
	FIELD(struct engagement, "status", status, TEXT, .flags = FIELD_READ_ONLY),
	FIELD(struct engagement, "created_at", created_at, TIME, .flags = FIELD_READ_ONLY),
};
const struct fields engagement_fields = FIELDS(struct engagement, engagement_field_list);

static const struct field engagement_query_list[] = {
	PAGE_PARAMETER,
	SHAPE("help_request", TEXT, .flags = FIELD_BLANK, .pattern = "^(?:[" FIELD_WHITE "]*[-+]?[0-9]+[" FIELD_WHITE "]*)?$",
	      .meaning = "Identifiant d'une demande d'aide."),
};
const struct fields engagement_query = SHAPES(engagement_query_list);

void engagements_list(struct request *req)
{
	struct query query;
	struct page page;
	struct db_rows rows;
	int64_t count = 0, help_request;
	int r;

	if (!query_or_reply(req, &query) || !query_id_or_reply(req, &query, "help_request", &help_request))
		return;
	r = engagement_count(req->worker->db, req->caller, help_request, &count);
	if (!page_or_reply(req, r, &query, 0, count, &page))
		return;
	r = engagement_list(req->worker->db, &req->arena, req->caller, help_request, page.size, page_offset(&page), &rows);
	reply_page(req, r, &query, &page, &engagement_fields, &rows);
}

void engagements_create(struct request *req)
{
	struct engagement in = { .help_types = { STR("[]") },
		                 .domains = { STR("[]") },
		                 .availability = STR(""),
		                 .scope = STR("both"),
		                 .anonymity = STR("pseudo"),
		                 .notes = STR(""),
		                 .help_request_id = NULL_INT };
	int r;

	if (!request_read_or_reply(req, &engagement_fields, &in))
		return;
	r = engagement_create(req->worker->db, req->caller, &in);
	if (r < 0)
		reply_error(req, r);
	else
		reply_with(req, 201, &engagement_fields, &in);
}
