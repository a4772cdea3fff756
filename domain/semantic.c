/*
 * Vectors are read from their JSON in an arena of its own, for fifty of them are larger than an answer may be; what is found is
 * copied out of it.
 */
#include "domain/semantic.h"

#include <math.h>

#include "base/json_out.h"
#include "db/outbox.h"
#include "domain/content.h"
#include "domain/like_impl.h"

#define SCRATCH_BYTES  ((size_t)64 * 1024 * 1024) /* at most; 50 vectors of 1536 numbers as JSON, and read, are 3 MiB */
#define NEAR           0.3                        /* suggestions are more similar than this */
#define CANDIDATES_MAX 50

/* A row that may be near. */
struct candidate {
	int64_t id;
	struct str title, description, slug;
	struct json_text embedding; /* may be null */
};

static const struct db_column project_columns[] = {
	DB_COLUMN(struct candidate, id, INT, "p.id"),
	DB_COLUMN(struct candidate, title, TEXT, "p.titre"),
	DB_COLUMN(struct candidate, description, TEXT, "SUBSTR(p.description, 1, 200)"),
	DB_COLUMN(struct candidate, embedding, JSON, "p.embedding"),
};
static const struct db_row project_row = DB_ROW(struct candidate, project_columns);

static const struct db_column content_columns[] = {
	DB_COLUMN(struct candidate, id, INT, "c.id"),
	DB_COLUMN(struct candidate, title, TEXT, "c.title"),
	DB_COLUMN(struct candidate, description, TEXT, "SUBSTR(c.description, 1, 200)"),
	DB_COLUMN(struct candidate, slug, TEXT, "c.slug"),
	DB_COLUMN(struct candidate, embedding, JSON, "c.embedding"),
};
static const struct db_row content_row = DB_ROW(struct candidate, content_columns);

#define PROJECTS            "SELECT $cols FROM core_projet p WHERE "
#define CONTENTS            "SELECT $cols FROM core_educationalcontent c WHERE c.status = 'published' AND "
#define NEWEST(table, most) " ORDER BY " table ".created_at DESC, " table ".id DESC LIMIT " most

/* ---- vectors ---- */

/* 0 when one of them has no length. */
static double cosine(struct semantic_vector a, struct semantic_vector b)
{
	double product = 0, square_a = 0, square_b = 0, c;

	for (size_t i = 0; i < a.n; i++) {
		product += a.values[i] * b.values[i];
		square_a += a.values[i] * a.values[i];
		square_b += b.values[i] * b.values[i];
	}
	if (square_a == 0 || square_b == 0)
		return 0;
	c = product / (sqrt(square_a) * sqrt(square_b));
	return isfinite(c) ? c : 0;
}

/* ---- hits ---- */

/* Puts it where it belongs: equals stay in the order in which they came. */
static void insert(struct semantic_hit *hits, size_t n, struct semantic_hit hit)
{
	for (; n > 0 && hits[n - 1].similarity < hit.similarity; n--)
		hits[n] = hits[n - 1];
	hits[n] = hit;
}

struct collection {
	struct arena *arena; /* of the answer */
	struct arena scratch;
	struct semantic_vector query;
	double unknown; /* similarity of what cannot be compared … */
	double above;   /* … and what hits must have more than */
	bool described;
	struct semantic_hit *hits;
	size_t n, room;
};

static int collection_init(struct collection *c, struct arena *arena, size_t room)
{
	*c = (struct collection){ .arena = arena, .room = room };
	arena_init(&c->scratch, SCRATCH_BYTES);
	c->hits = arena_alloc(arena, room * sizeof(*c->hits));
	return c->hits ? 0 : ERR_NOMEM;
}

static int collect_one(struct collection *c, const struct candidate *candidate, bool is_content)
{
	struct semantic_hit hit = { .is_content = is_content, .id = candidate->id, .similarity = c->unknown };
	struct semantic_vector vector = { NULL, 0 };
	int r = c->query.n ? embedding_vector(&c->scratch, candidate->embedding, &vector) : 0;

	if (r < 0)
		return r;
	if (vector.n && vector.n == c->query.n)
		hit.similarity = cosine(c->query, vector);
	if (!(hit.similarity > c->above) || c->n == c->room)
		return 0;
	hit.title = arena_str(c->arena, candidate->title);
	hit.slug = is_content ? arena_str(c->arena, candidate->slug) : (struct str){ NULL, 0 };
	hit.description = c->described ? arena_str(c->arena, candidate->description) : (struct str){ NULL, 0 };
	if (!hit.title.s || (is_content && !hit.slug.s) || (c->described && !hit.description.s))
		return ERR_NOMEM;
	insert(c->hits, c->n++, hit);
	return 0;
}

static int collect(struct collection *c, int r, const struct db_rows *found, bool is_content)
{
	const struct candidate *candidates = found->items;

	for (size_t i = 0; r == 0 && i < found->n; i++)
		r = collect_one(c, &candidates[i], is_content);
	return r;
}

static int collection_finish(struct collection *c, int r, size_t limit, struct db_rows *ret_hits)
{
	arena_finish(&c->scratch);
	if (r == 0)
		*ret_hits = (struct db_rows){ c->hits, c->n < limit ? c->n : limit };
	return r;
}

/* ---- search ---- */

#define HOLDS_SQLITE(a, b)     a " LIKE $1 ESCAPE '\\' OR " b " LIKE $1 ESCAPE '\\'"
#define HOLDS_POSTGRESQL(a, b) "UPPER(" a ") LIKE UPPER($1) OR UPPER(" b ") LIKE UPPER($1)"

static int search_projects(struct db_conn *db, struct arena *arena, struct str pattern, struct db_rows *ret_found)
{
	static const struct db_statement holding = {
		.row = &project_row,
		.sqlite = PROJECTS HOLDS_SQLITE("p.titre", "p.description") NEWEST("p", "10"),
		.postgresql = PROJECTS HOLDS_POSTGRESQL("p.titre", "p.description") NEWEST("p", "10"),
	};

	return db_select(db, &holding, DB_PARAMS(DB_TEXT(pattern)), arena, ret_found);
}

static int search_contents(struct db_conn *db, struct arena *arena, struct str pattern, struct db_rows *ret_found)
{
	static const struct db_statement holding = {
		.row = &content_row,
		.sqlite = CONTENTS "(" HOLDS_SQLITE("c.title", "c.description") ")" NEWEST("c", "10"),
		.postgresql = CONTENTS "(" HOLDS_POSTGRESQL("c.title", "c.description") ")" NEWEST("c", "10"),
	};

	return db_select(db, &holding, DB_PARAMS(DB_TEXT(pattern)), arena, ret_found);
}

int semantic_search(struct db_conn *db, struct arena *arena, struct str text, unsigned kinds, struct semantic_vector query,
                    struct db_rows *ret_hits)
{
	struct str pattern = like_contains(arena, text);
	struct db_rows found = { NULL, 0 };
	struct collection c;
	int r = collection_init(&c, arena, 20);

	c.query = query;
	c.unknown = SEMANTIC_UNKNOWN;
	c.above = -INFINITY;
	c.described = true;
	if (!pattern.s)
		r = ERR_NOMEM;
	if (r == 0 && kinds & SEMANTIC_PROJECTS)
		r = collect(&c, search_projects(db, &c.scratch, pattern, &found), &found, false);
	if (r == 0 && kinds & SEMANTIC_CONTENTS)
		r = collect(&c, search_contents(db, &c.scratch, pattern, &found), &found, true);
	return collection_finish(&c, r, c.n, ret_hits);
}

/* ---- what is near ---- */

/* The vector of one row, as the query; none is no error. */
static int take_query(struct collection *c, struct db_conn *db, const struct db_statement *by_id, int64_t id)
{
	struct candidate origin;
	int r = db_select_one(db, by_id, DB_PARAMS(DB_INT(id)), &c->scratch, &origin);

	return r == ERR_NOT_FOUND ? 0 : r < 0 ? r : embedding_vector(&c->scratch, origin.embedding, &c->query);
}

static int near(struct db_conn *db, struct arena *arena, const struct db_statement *by_id, int64_t id,
                const struct db_statement *candidates, bool are_contents, size_t limit, struct db_rows *ret_hits)
{
	struct db_rows found = { NULL, 0 };
	struct collection c;
	int r = collection_init(&c, arena, CANDIDATES_MAX);

	c.above = NEAR;
	if (r == 0)
		r = take_query(&c, db, by_id, id);
	if (r == 0 && c.query.n)
		r = collect(&c, db_select(db, candidates, DB_NO_PARAMS, &c.scratch, &found), &found, are_contents);
	return collection_finish(&c, r, limit, ret_hits);
}

static const struct db_statement project_by_id = { PROJECTS "p.id = $1", &project_row };
static const struct db_statement content_by_id = { "SELECT $cols FROM core_educationalcontent c WHERE c.id = $1", &content_row };

int semantic_near_project(struct db_conn *db, struct arena *arena, int64_t project_id, size_t limit, struct db_rows *ret_hits)
{
	static const struct db_statement contents = { CONTENTS "c.embedding IS NOT NULL" NEWEST("c", "50"), &content_row };

	return near(db, arena, &project_by_id, project_id, &contents, true, limit, ret_hits);
}

int semantic_near_content(struct db_conn *db, struct arena *arena, const struct account *viewer, int64_t content_id, size_t limit,
                          struct db_rows *ret_hits)
{
	static const struct db_statement projects = { PROJECTS "p.embedding IS NOT NULL" NEWEST("p", "50"), &project_row };
	struct content content;
	int r = content_find(db, arena, viewer, content_id, &content);

	if (r == ERR_NOT_FOUND) {
		*ret_hits = (struct db_rows){ NULL, 0 };
		return 0;
	}
	return r < 0 ? r : near(db, arena, &content_by_id, content_id, &projects, false, limit, ret_hits);
}

/* ---- points ---- */

struct point_row {
	struct semantic_point point;
	struct json_text place;
};

#define POINT_COLUMNS                                                                                                  \
	DB_COLUMN(struct point_row, point.id, INT, "o.id"), DB_COLUMN(struct point_row, point.title, TEXT, "o.title"), \
	        DB_COLUMN(struct point_row, point.description, TEXT, "o.description"), DB_COLUMN(struct point_row, place, JSON, "o.place")

static const struct db_column project_point_columns[] = { POINT_COLUMNS };
static const struct db_row project_point_row = DB_ROW(struct point_row, project_point_columns);
static const struct db_column content_point_columns[] = { POINT_COLUMNS, DB_COLUMN(struct point_row, point.type, TEXT, "o.type"),
	                                                  DB_COLUMN(struct point_row, point.slug, TEXT, "o.slug") };
static const struct db_row content_point_row = DB_ROW(struct point_row, content_point_columns);

#define PROJECT_POINTS(place)                                                                                                            \
	"SELECT $cols FROM (SELECT id, titre AS title, SUBSTR(description, 1, 200) AS description, created_at, " place " AS place FROM " \
	"core_projet WHERE embedding IS NOT NULL) o WHERE o.place IS NOT NULL ORDER BY o.created_at DESC, o.id DESC"
#define CONTENT_POINTS(place)                                                                                                       \
	"SELECT $cols FROM (SELECT id, title, SUBSTR(description, 1, 200) AS description, type, slug, created_at, " place           \
	" AS place FROM core_educationalcontent WHERE status = 'published' AND embedding IS NOT NULL) o WHERE o.place IS NOT NULL " \
	"ORDER BY o.created_at DESC, o.id DESC"
#define PLACE_SQLITE     "CASE JSON_TYPE(embedding, '$.coordinates_3d') WHEN 'object' THEN JSON_EXTRACT(embedding, '$.coordinates_3d') END"
#define PLACE_POSTGRESQL "CASE jsonb_typeof(embedding -> 'coordinates_3d') WHEN 'object' THEN embedding -> 'coordinates_3d' END"

static double coordinate(const json_t *place, const char *name)
{
	double value = json_number_value(json_object_get(place, name));

	return isfinite(value) ? value : 0;
}

/* False: it has no coordinates after all. */
static bool place_point(const struct point_row *row, struct semantic_point *ret_point)
{
	json_t *place = embedding_parse(row->place);
	bool placed = json_object_size(place) > 0;

	*ret_point = row->point;
	ret_point->x = coordinate(place, "x");
	ret_point->y = coordinate(place, "y");
	ret_point->z = coordinate(place, "z");
	json_decref(place);
	return placed;
}

int semantic_points(struct db_conn *db, struct arena *arena, enum semantic_kind kind, struct db_rows *ret_points)
{
	static const struct db_statement projects = { .row = &project_point_row,
		                                      .sqlite = PROJECT_POINTS(PLACE_SQLITE),
		                                      .postgresql = PROJECT_POINTS(PLACE_POSTGRESQL) };
	static const struct db_statement contents = { .row = &content_point_row,
		                                      .sqlite = CONTENT_POINTS(PLACE_SQLITE),
		                                      .postgresql = CONTENT_POINTS(PLACE_POSTGRESQL) };
	struct db_rows found = { NULL, 0 };
	const struct point_row *rows;
	struct semantic_point *points;
	size_t n = 0;
	int r = db_select(db, kind == SEMANTIC_PROJECTS ? &projects : &contents, DB_NO_PARAMS, arena, &found);

	if (r < 0)
		return r;
	rows = found.items;
	points = arena_alloc(arena, (found.n + 1) * sizeof(*points));
	if (!points)
		return ERR_NOMEM;
	for (size_t i = 0; i < found.n; i++)
		n += place_point(&rows[i], &points[n]);
	*ret_points = (struct db_rows){ points, n };
	return 0;
}

int semantic_put_reduction(struct db_conn *db, struct str content_type, struct str method, char ret_id[UUID_TEXT_SIZE])
{
	CLEANUP(buf_finish) struct buf args = BUF_EMPTY;
	struct outbox_task task = { .name = SEMANTIC_REDUCTION_TASK, .durable = true, .ret_id = ret_id };

	buf_add_char(&args, '[');
	json_add_str(&args, content_type);
	buf_add_text(&args, ", ");
	json_add_str(&args, method);
	buf_add_char(&args, ']');
	task.args.text = buf_view(&args);
	return args.failed ? ERR_NOMEM : outbox_put(db, &task);
}

struct reduction {
	struct str content_type, method;
	char *ret_id;
};

static int put_reduction(struct db_conn *db, void *arg)
{
	const struct reduction *reduction = arg;

	return semantic_put_reduction(db, reduction->content_type, reduction->method, reduction->ret_id);
}

int semantic_ask_points(struct db_conn *db, struct str content_type, struct str method, char ret_id[UUID_TEXT_SIZE])
{
	return db_write(db, put_reduction, &(struct reduction){ content_type, method, ret_id });
}
