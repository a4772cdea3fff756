/* /api/contents/, reading and proposing: content.md 1. What editors do is in content_actions.c, exports in content_exports.c. */
#include <inttypes.h>

#include "api/handlers_impl.h"
#include "api/reply.h"
#include "domain/content.h"
#include "domain/stale.h"

#define PAGE_SIZE_MAX 100

static const char *const content_types[] = { "podcast", "video", "pdf", "article", "poeme", "chanson", "autre", NULL };

static const char *title_stays(const struct fields_input *in, const void *member, int *ret_error)
{
	struct str clean;
	int r = content_clean_title(in->arena, *(const struct str *)member, &clean);

	if (r == ERR_INVALID)
		return "Ce champ ne peut être vide.";
	*ret_error = r;
	return NULL;
}

static const char slug_taken[] = "Un contenu avec ce slug existe déjà.";

static const char *slug_is_free(const struct fields_input *in, const void *member, int *ret_error)
{
	bool exists = false;

	*ret_error = content_slug_exists(in->db, *(const struct str *)member, &exists);
	return exists ? slug_taken : NULL;
}

static const struct field content_field_list[] = {
	FIELD(struct content, "id", id, INT, .flags = FIELD_READ_ONLY),
	FIELD(struct content, "title", title, TEXT, .flags = FIELD_REQUIRED, .max_chars = CONTENT_TITLE_CHARS, .check = title_stays),
	FIELD(struct content, "slug", slug, SLUG, .flags = FIELD_REQUIRED, .max_chars = 255, .check = slug_is_free),
	FIELD(struct content, "type", type, CHOICE, .choices = content_types),
	FIELD(struct content, "status", status, TEXT, .flags = FIELD_READ_ONLY),
	FIELD(struct content, "description", description, TEXT, .flags = FIELD_BLANK),
	FIELD(struct content, "external_url", external_url, URL, .flags = FIELD_BLANK, .max_chars = 200),
	FIELD(struct content, "file", file, FILE, .flags = FIELD_NULLABLE | FIELD_SCANNED, .accept = UPLOAD_DOCUMENT,
	      .folder = "educational_contents"),
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

/* ?page_size= within 1..PAGE_SIZE_MAX; 0, the ordinary size, for anything else (content.md 11.4). */
static int64_t page_size(const struct query *query)
{
	int64_t size;

	if (!str_to_int(str_trim_unicode(query_get(query, "page_size")), &size) || size < 1)
		return 0;
	return size > PAGE_SIZE_MAX ? PAGE_SIZE_MAX : size;
}

/* ---- what is cached ---- */

/*
 * The parameters of a page that is cached. A page holds links that repeat its parameters, so two requests share one only when
 * they say the same in the same words; and what anybody may ask for without end (unknown categories) is not kept.
 */
static bool is_number_up_to(struct str text, int64_t max)
{
	int64_t n;

	return text.len && text.s[0] != '0' && str_to_uint(text, &n) && n <= max;
}

static bool is_category(struct str text)
{
	static const char *const categories[] = { "ressources", "guides", "videos", "racines-philosophie", "autres" };

	for (size_t i = 0; i < N_ELEMENTS(categories); i++)
		if (str_is(text, categories[i]))
			return true;
	return false;
}

static bool is_plain(const struct query_param *p)
{
	if (str_is(p->name, "status"))
		return str_is(p->value, "published");
	if (str_is(p->name, "category"))
		return is_category(p->value);
	if (str_is(p->name, "page"))
		return is_number_up_to(p->value, 1000000);
	return str_is(p->name, "page_size") && is_number_up_to(p->value, PAGE_SIZE_MAX);
}

/* Every parameter is one of the four, once. */
static bool is_plain_query(const struct query *query)
{
	for (size_t i = 0; i < query->n; i++) {
		if (!is_plain(&query->params[i]))
			return false;
		for (size_t k = 0; k < i; k++)
			if (str_equal(query->params[k].name, query->params[i].name))
				return false;
	}
	return true;
}

/* educational_contents:<generation>:<status>:<category>:<page>:<page_size> */
static const char *page_key(struct request *req)
{
	struct query query;
	struct str page;
	int64_t generation;

	if (!str_is(req->raw_path, "/api/contents/") || query_parse(req->query, &req->arena, &query) < 0 || !is_plain_query(&query) ||
	    wants_array(&query))
		return NULL;
	page = query_get(&query, "page");
	generation = cache_generation(req->worker->front, &req->budget, "educational_contents");
	return arena_printf(&req->arena, "educational_contents:%" PRId64 ":%.*s:%.*s:%.*s:%.*s", generation,
	                    STR_ARG(query_get(&query, "status")), STR_ARG(query_get(&query, "category")),
	                    STR_ARG(page.s ? page : (struct str)STR("1")), STR_ARG(query_get(&query, "page_size")));
}

const char *contents_key(struct request *req, const char *key)
{
	/* The array is the same for everybody; pages are shared by those who are nobody in particular. */
	if (req->query.len == 0 || str_is(req->query, "status=published"))
		return key;
	return req->caller ? NULL : page_key(req);
}

/* ---- lists and details ---- */

/* What is published, for whoever asks. */
static void reply_array(struct request *req, struct str category)
{
	const struct content_filter published = { STR("published"), category };
	struct db_rows rows;
	int r = content_list(req->worker->db, &req->arena, NULL, &published, -1, 0, &rows);

	reply_rows(req, r, &content_fields, &rows);
}

static void reply_contents_page(struct request *req, const struct query *query, const struct content_filter *filter)
{
	struct page page;
	struct db_rows rows;
	int64_t count = 0;
	int r = content_count(req->worker->db, req->caller, filter, &count);

	if (!page_or_reply(req, r, query, page_size(query), count, &page))
		return;
	r = content_list(req->worker->db, &req->arena, req->caller, filter, page.size, page_offset(&page), &rows);
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
		reply_array(req, filter.category);
	else
		reply_contents_page(req, &query, &filter);
}

void contents_detail(struct request *req)
{
	struct content content;
	int64_t id;
	int r = str_to_uint(req->params[0], &id) ? content_find(req->worker->db, &req->arena, req->caller, id, &content) : ERR_NOT_FOUND;

	reply_found(req, r, &content_fields, &content);
}

/* ---- proposing ---- */

void contents_create(struct request *req)
{
	struct content in = { .type = STR("article"), .description = STR(""), .external_url = STR("") }, content;
	int r;

	if (!request_read_or_reply(req, &content_fields, &in))
		return;
	r = content_create(req->worker->db, &req->arena, req->caller, &in, &content);
	if (r == ERR_CONFLICT) {
		reply_field_error(req, "slug", slug_taken); /* somebody was quicker */
	} else if (r < 0) {
		reply_error(req, r);
	} else {
		stale_after(req->worker->context->cache, &req->budget, CHANGE_CONTENT, content.id);
		reply_with(req, 201, &content_fields, &content);
	}
}
