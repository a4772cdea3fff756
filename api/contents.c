/* /api/contents/: content.md 1. */
#include "domain/content.h"

#include "api/handlers_impl.h"
#include "api/reply.h"

#define PAGE_SIZE_MAX 100

static const char *const content_types[] = { "podcast", "video", "pdf", "article", "poeme", "chanson", "autre", NULL };

static const struct field content_field_list[] = {
	FIELD(struct content, "id", id, INT, .flags = FIELD_READ_ONLY),
	FIELD(struct content, "title", title, TEXT, .flags = FIELD_REQUIRED, .max_chars = 255),
	FIELD(struct content, "slug", slug, SLUG, .flags = FIELD_REQUIRED, .max_chars = 255),
	FIELD(struct content, "type", type, CHOICE, .choices = content_types),
	FIELD(struct content, "status", status, TEXT, .flags = FIELD_READ_ONLY),
	FIELD(struct content, "description", description, TEXT, .flags = FIELD_BLANK),
	FIELD(struct content, "external_url", external_url, URL, .flags = FIELD_BLANK, .max_chars = 200),
	FIELD(struct content, "file", file, FILE, .flags = FIELD_NULLABLE),
	FIELD(struct content, "created_at", created_at, TIME, .flags = FIELD_READ_ONLY),
	FIELD(struct content, "likes_count", likes_count, INT, .flags = FIELD_READ_ONLY),
	FIELD(struct content, "comments_count", comments_count, INT, .flags = FIELD_READ_ONLY),
};
const struct fields content_fields = FIELDS(struct content, content_field_list);

static const struct field content_query_list[] = {
	PAGE_PARAMETER,
	SHAPE("page_size", TEXT, .flags = FIELD_BLANK,
	      .meaning = "Taille des pages, de 1 à 100 ; toute autre valeur est la taille ordinaire. Avec « page » ou « page_size », "
	                 "la réponse est une page, sinon un tableau."),
	SHAPE("status", TEXT, .flags = FIELD_BLANK, .meaning = "Statut exact ; vide : tous ceux que l'appelant voit."),
	SHAPE("category", TEXT, .flags = FIELD_BLANK, .meaning = "Catégorie exacte."),
};
const struct fields content_query = SHAPES(content_query_list);

/* The bare array: neither page nor page_size, and no status but "published" (an empty status is a filter that was lifted). */
static bool wants_array(const struct query *query)
{
	struct str status = query_get(query, "status");

	return !query_get_nonempty(query, "page").s && !query_get_nonempty(query, "page_size").s &&
	       (!status.s || str_is(status, "published"));
}

bool contents_list_is_shared(const struct request *req)
{
	/* The cached array serves the two plain forms; anything else is worked out from the parsed query. */
	return req->query.len == 0 || str_is(req->query, "status=published");
}

/* ?page_size= within 1..PAGE_SIZE_MAX; 0, the ordinary size, for anything else (content.md 11.4). */
static int64_t page_size(const struct query *query)
{
	int64_t size;

	if (!str_to_int(str_trim_unicode(query_get(query, "page_size")), &size) || size < 1)
		return 0;
	return size > PAGE_SIZE_MAX ? PAGE_SIZE_MAX : size;
}

static void reply_array(struct request *req, const struct content_filter *filter)
{
	struct db_rows rows;
	int r = content_list(req->worker->db, &req->arena, filter, -1, 0, &rows);

	reply_rows(req, r, &content_fields, &rows);
}

static void reply_contents_page(struct request *req, const struct query *query, const struct content_filter *filter)
{
	struct page page;
	struct db_rows rows;
	int64_t count = 0;
	int r = content_count(req->worker->db, filter, &count);

	if (!page_or_reply(req, r, query, page_size(query), count, &page))
		return;
	r = content_list(req->worker->db, &req->arena, filter, page.size, page_offset(&page), &rows);
	reply_page(req, r, query, &page, &content_fields, &rows);
}

void contents_list(struct request *req)
{
	struct content_filter filter;
	struct query query;

	if (!query_or_reply(req, &query))
		return;
	filter = (struct content_filter){ query_get_nonempty(&query, "status"), query_get_nonempty(&query, "category") };
	if (wants_array(&query))
		reply_array(req, &filter);
	else
		reply_contents_page(req, &query, &filter);
}

void contents_detail(struct request *req)
{
	struct content content;
	int64_t id;
	int r = str_to_uint(req->params[0], &id) ? content_find(req->worker->db, &req->arena, id, &content) : ERR_NOT_FOUND;

	reply_found(req, r, &content_fields, &content);
}
