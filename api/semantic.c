/* /api/projets/semantic-…/ and /api/mycelium/: projects.md 3 and 4. */
#include "domain/semantic.h"

#include "api/handlers_impl.h"
#include "api/reply.h"

#define SUGGESTIONS 5

/* ---- hits, written by hand: a project's title is called otherwise than a content's ---- */

#define HIT_START                                                                         \
	SHAPE("type", TEXT, .meaning = "projet ou content."), SHAPE("id", INT),           \
	        SHAPE("titre", TEXT, .flags = FIELD_OPTIONAL, .meaning = "D'un projet."), \
	        SHAPE("title", TEXT, .flags = FIELD_OPTIONAL, .meaning = "D'un contenu.")
#define HIT_END SHAPE("similarity", FLOAT), SHAPE("url", TEXT)

static const struct field hit_shape_list[] = { HIT_START, SHAPE("description", TEXT, .meaning = "Ses 200 premiers caractères."), HIT_END };
static const struct fields hit_shape = SHAPES(hit_shape_list);

static const struct field found_shape_list[] = {
	SHAPE("query", TEXT),
	SHAPE("type", TEXT),
	SHAPE("results", LIST, .each = EACH(OBJECT, .of = &hit_shape), .meaning = "Du plus semblable au moins semblable."),
};
const struct fields semantic_found_shape = SHAPES(found_shape_list);

static const struct field suggestion_shape_list[] = { HIT_START, HIT_END };
static const struct fields suggestion_shape = SHAPES(suggestion_shape_list);

static const struct field suggestions_shape_list[] = {
	SHAPE("suggestions", LIST, .each = EACH(OBJECT, .of = &suggestion_shape), .meaning = "Du plus proche au moins proche."),
};
const struct fields suggestions_shape = SHAPES(suggestions_shape_list);

static void add_url(struct buf *b, const struct semantic_hit *hit)
{
	if (hit->is_content)
		buf_addf(b, "\"/contenus/%.*s\"", STR_ARG(hit->slug));
	else
		buf_addf(b, "\"/projets/%lld\"", (long long)hit->id);
}

static void add_hit(struct buf *b, const struct semantic_hit *hit)
{
	buf_addf(b, "{\"type\":\"%s\",\"id\":%lld,", hit->is_content ? "content" : "projet", (long long)hit->id);
	json_add_key(b, hit->is_content ? "title" : "titre");
	json_add_str(b, hit->title);
	if (hit->description.s) {
		buf_add_text(b, ",\"description\":");
		json_add_str(b, hit->description);
	}
	buf_add_text(b, ",\"similarity\":");
	json_add_float(b, hit->similarity);
	buf_add_text(b, ",\"url\":");
	add_url(b, hit);
	buf_add_char(b, '}');
}

static void add_hits(struct buf *b, const struct db_rows *hits)
{
	const struct semantic_hit *list = hits->items;

	buf_add_char(b, '[');
	for (size_t i = 0; i < hits->n; i++) {
		if (i)
			buf_add_char(b, ',');
		add_hit(b, &list[i]);
	}
	buf_add_text(b, "]}");
}

/* ---- search ---- */

static const struct field semantic_query_list[] = {
	SHAPE("q", TEXT, .flags = FIELD_REQUIRED,
	      .pattern = "^[" FIELD_WHITE "]*[^" FIELD_WHITE "\\x00][^\\x00]*[^" FIELD_WHITE "\\x00][" FIELD_WHITE "]*$",
	      .meaning = "Ce qui est cherché, deux caractères au moins."),
	SHAPE("type", TEXT, .flags = FIELD_BLANK,
	      .meaning = "projet, content ou both, ce qu'il est sans lui ; autre chose ne trouve rien."),
};
const struct fields semantic_query = SHAPES(semantic_query_list);

static unsigned kinds_of(struct str type)
{
	if (str_is(type, "both"))
		return SEMANTIC_PROJECTS | SEMANTIC_CONTENTS;
	return str_is(type, "projet") ? SEMANTIC_PROJECTS : str_is(type, "content") ? SEMANTIC_CONTENTS : 0;
}

static void reply_found_hits(struct request *req, struct str text, struct str type, const struct db_rows *hits)
{
	struct buf b = BUF_EMPTY;

	buf_add_text(&b, "{\"query\":");
	json_add_str(&b, text);
	buf_add_text(&b, ",\"type\":");
	json_add_str(&b, type);
	buf_add_text(&b, ",\"results\":");
	add_hits(&b, hits);
	reply_json_take(req, 200, &b);
}

static struct semantic_vector embed_query(struct request *req, unsigned kinds, struct str text)
{
	const struct semantic_embedder *embedder = req->worker->context->embedder;

	return embedder && kinds ? embedder->embed(embedder->arg, &req->budget, text, &req->arena) : (struct semantic_vector){ NULL, 0 };
}

void semantic_find(struct request *req)
{
	struct db_rows hits = { NULL, 0 };
	struct query query;
	struct str text, type;
	int r;

	if (!query_or_reply(req, &query))
		return;
	text = str_trim_unicode(query_get(&query, "q"));
	type = query_get(&query, "type");
	if (!type.s)
		type = (struct str)STR("both");
	if (str_count_chars(text) < 2) {
		reply_hand_error(req, 400, "Le paramètre « q » doit compter au moins deux caractères.");
		return;
	}
	r = semantic_search(req->worker->db, &req->arena, text, kinds_of(type), embed_query(req, kinds_of(type), text), &hits);
	if (r < 0)
		reply_error(req, r);
	else
		reply_found_hits(req, text, type, &hits);
}

/* ---- suggestions ---- */

static const struct field suggestion_query_list[] = {
	SHAPE("projet_id", INT, .min = -INT64_MAX, .max = INT64_MAX, .meaning = "Un projet ; il passe avant content_id."),
	SHAPE("content_id", INT, .min = -INT64_MAX, .max = INT64_MAX, .meaning = "Un contenu."),
	SHAPE("limit", INT, .min = 1, .max = INT32_MAX, .meaning = "Combien au plus ; 5 sans lui, jamais plus de 50."),
};
const struct fields suggestion_query = SHAPES(suggestion_query_list);

/* An absent or empty parameter leaves the value; one of more than 64 bits is as good as the largest. False: it is no integer. */
static bool read_whole(const struct query *query, const char *name, int64_t *value)
{
	struct str text = str_trim_unicode(query_get_nonempty(query, name));

	if (!text.s)
		return true;
	if (!str_is_whole_number(text))
		return false;
	if (!str_to_int(text, value))
		*value = *text.s == '-' ? -INT64_MAX : INT64_MAX;
	return true;
}

static void suggest(struct request *req, int64_t project_id, int64_t content_id, size_t limit)
{
	struct db_conn *db = req->worker->db;
	struct db_rows hits = { NULL, 0 };
	struct buf b = BUF_EMPTY;
	int r = project_id != NULL_INT ? semantic_near_project(db, &req->arena, project_id, limit, &hits)
	                               : semantic_near_content(db, &req->arena, req->caller, content_id, limit, &hits);

	if (r < 0) {
		reply_error(req, r);
		return;
	}
	buf_add_text(&b, "{\"suggestions\":");
	add_hits(&b, &hits);
	reply_json_take(req, 200, &b);
}

void semantic_suggest(struct request *req)
{
	int64_t project_id = NULL_INT, content_id = NULL_INT, limit = SUGGESTIONS;
	struct query query;

	if (!query_or_reply(req, &query))
		return;
	if (!read_whole(&query, "projet_id", &project_id) || !read_whole(&query, "content_id", &content_id) ||
	    !read_whole(&query, "limit", &limit) || limit < 1)
		reply_hand_error(req, 400, "« projet_id », « content_id » et « limit » doivent être des entiers, et « limit » au moins 1.");
	else if (project_id == NULL_INT && content_id == NULL_INT)
		reply_hand_error(req, 400, "Il faut « projet_id » ou « content_id ».");
	else
		suggest(req, project_id, content_id, limit < SEMANTIC_LIMIT_MAX ? (size_t)limit : SEMANTIC_LIMIT_MAX);
}

/* ---- mycelium ---- */

#define POINT_END                                                                                                                     \
	FIELD(struct place, "x", point.x, FLOAT), FIELD(struct place, "y", point.y, FLOAT), FIELD(struct place, "z", point.z, FLOAT), \
	        FIELD(struct place, "url", url, TEXT)

struct place {
	struct semantic_point point;
	struct str url;
};

static const struct field project_place_list[] = {
	FIELD(struct place, "id", point.id, INT),
	FIELD(struct place, "titre", point.title, TEXT),
	FIELD(struct place, "description", point.description, TEXT, .meaning = "Ses 200 premiers caractères."),
	POINT_END,
};
static const struct fields project_place_fields = FIELDS(struct place, project_place_list);

static const struct field content_place_list[] = {
	FIELD(struct place, "id", point.id, INT),
	FIELD(struct place, "title", point.title, TEXT),
	FIELD(struct place, "description", point.description, TEXT, .meaning = "Ses 200 premiers caractères."),
	FIELD(struct place, "type", point.type, TEXT),
	POINT_END,
};
static const struct fields content_place_fields = FIELDS(struct place, content_place_list);

struct mycelium {
	struct db_rows projects, contents; /* of struct place */
};

static const struct field mycelium_field_list[] = {
	FIELD(struct mycelium, "projets", projects, ROWS, .of = &project_place_fields),
	FIELD(struct mycelium, "contenus", contents, ROWS, .of = &content_place_fields),
};
const struct fields mycelium_fields = FIELDS(struct mycelium, mycelium_field_list);

static int read_places(struct request *req, enum semantic_kind kind, struct db_rows *ret_places)
{
	struct db_rows points = { NULL, 0 };
	const struct semantic_point *list;
	struct place *places;
	int r = semantic_points(req->worker->db, &req->arena, kind, &points);

	if (r < 0)
		return r;
	list = points.items;
	places = arena_alloc(&req->arena, (points.n + 1) * sizeof(*places));
	for (size_t i = 0; places && i < points.n; i++) {
		places[i].point = list[i];
		places[i].url = kind == SEMANTIC_CONTENTS ? str_of(arena_printf(&req->arena, "/contenus/%.*s", STR_ARG(list[i].slug)))
		                                          : str_of(arena_printf(&req->arena, "/projets/%lld", (long long)list[i].id));
	}
	*ret_places = (struct db_rows){ places, places ? points.n : 0 };
	return places ? 0 : ERR_NOMEM;
}

void mycelium_data(struct request *req)
{
	struct mycelium all = { { NULL, 0 }, { NULL, 0 } };
	int r = read_places(req, SEMANTIC_PROJECTS, &all.projects);

	if (r == 0)
		r = read_places(req, SEMANTIC_CONTENTS, &all.contents);
	reply_found(req, r, &mycelium_fields, &all);
}

struct reduction {
	struct str task_id, content_type, method;
};

/* Passed on as they are: the task says what it makes of them. */
static const struct field reduction_in_list[] = {
	FIELD(struct reduction, "content_type", content_type, TEXT, .flags = FIELD_BLANK, .max_chars = 100,
	      .meaning = "projet, educational_content ou both, ce qu'il est sans lui."),
	FIELD(struct reduction, "method", method, TEXT, .flags = FIELD_BLANK, .max_chars = 100,
	      .meaning = "umap, ce qu'elle est sans elle, ou tsne."),
};
const struct fields reduction_in = FIELDS(struct reduction, reduction_in_list);

static const struct field reduction_field_list[] = {
	FIELD_CONSTANT("success", "true"),
	FIELD(struct reduction, "task_id", task_id, TEXT),
	FIELD(struct reduction, "content_type", content_type, TEXT),
	FIELD(struct reduction, "method", method, TEXT),
};
const struct fields reduction_fields = FIELDS(struct reduction, reduction_field_list);

void mycelium_reduce(struct request *req)
{
	struct reduction reduction = { .content_type = STR("both"), .method = STR("umap") };
	char id[UUID_TEXT_SIZE];
	int r;

	if (!request_read_or_reply(req, &reduction_in, &reduction))
		return;
	r = semantic_ask_points(req->worker->db, reduction.content_type, reduction.method, id);
	reduction.task_id = str_of(id);
	reply_found(req, r, &reduction_fields, &reduction);
}
