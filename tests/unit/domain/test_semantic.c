#include "domain/semantic.h"

#include "tests/unit/domain/fixture.h"
#include "tests/unit/domain/messages.h"
#include "tests/unit/domain/vectors.h"

static const double query_values[] = { 1, 0 };
static const struct semantic_vector query = { query_values, 2 }, no_query = { NULL, 0 };

static const struct semantic_hit *hits_of(struct fixture *f, const char *text, unsigned kinds, struct semantic_vector vector, size_t n)
{
	struct db_rows hits = { NULL, 0 };

	assert_ok(semantic_search(f->conn, &f->arena, str_of(text), kinds, vector, &hits));
	assert_int_equal(hits.n, n);
	return hits.items;
}

static void test_semantic__text_is_found_in_both_kinds(void **state)
{
	struct fixture *f = *state;
	const struct semantic_hit *h;

	add_project(f, 1, "Le sol", "vivant", "NULL");
	add_project(f, 2, "Forêt", "du SOL au ciel", EMBEDDING("[1, 0]"));
	add_project(f, 3, "Autre", "50% de rien", "NULL");
	add_content(f, 4, "published", "Sols", "NULL");
	add_content(f, 5, "pending", "Sols", "NULL");
	h = hits_of(f, "sol", SEMANTIC_PROJECTS | SEMANTIC_CONTENTS, no_query, 3);
	assert_true(h[0].id == 2 && h[1].id == 1 && h[2].id == 4 && h[2].is_content && !h[1].is_content);
	assert_true(h[0].similarity == SEMANTIC_UNKNOWN && h[2].similarity == SEMANTIC_UNKNOWN);
	assert_text(h[2].title, "Sols");
	assert_text(h[2].slug, "slug-4");
	assert_text(h[1].description, "vivant");
	assert_int_equal(hits_of(f, "sol", SEMANTIC_CONTENTS, no_query, 1)[0].id, 4);
	hits_of(f, "sol", 0, no_query, 0);
	hits_of(f, "0%", SEMANTIC_PROJECTS, no_query, 1);
	hits_of(f, "_", SEMANTIC_PROJECTS, no_query, 0);
}

static void test_semantic__the_newest_ten_of_each(void **state)
{
	struct fixture *f = *state;
	const struct semantic_hit *h;

	for (int i = 1; i <= 12; i++) {
		add_project(f, i, "sol", "", "NULL");
		add_content(f, i, "published", "sol", "NULL");
	}
	h = hits_of(f, "sol", SEMANTIC_PROJECTS | SEMANTIC_CONTENTS, no_query, 20);
	assert_true(h[0].id == 12 && h[9].id == 3 && !h[9].is_content && h[10].id == 12 && h[10].is_content);
}

static void test_semantic__vectors_are_compared_where_they_can_be(void **state)
{
	static const char *const embeddings[] = {
		EMBEDDING("[3, 4]"),         /* 0.6 */
		EMBEDDING("[-1, 0]"),        /* -1 */
		EMBEDDING("[0, 0]"),         /* no length: 0 */
		EMBEDDING("[1, 0, 0]"),      /* another length: unknown */
		EMBEDDING("[\"a\", 1]"),     /* not numbers: unknown */
		EMBEDDING("\"x\""),          /* no list */
		"'[1, 0]'",                  /* no object */
		EMBEDDING("[1e308, 1e308]"), /* beyond what can be squared: 0 */
		EMBEDDING("[2, 0]"),         /* 1 */
	};
	static const struct {
		int64_t id;
		double similarity;
	} expected[] = { { 9, 1 }, { 1, 0.6 }, { 7, 0.5 }, { 6, 0.5 }, { 5, 0.5 }, { 4, 0.5 }, { 8, 0 }, { 3, 0 }, { 2, -1 } };
	struct fixture *f = *state;
	const struct semantic_hit *h;

	for (size_t i = 0; i < N_ELEMENTS(embeddings); i++)
		add_project(f, (int)i + 1, "sol", "", embeddings[i]);
	h = hits_of(f, "sol", SEMANTIC_PROJECTS, query, N_ELEMENTS(expected));
	for (size_t i = 0; i < N_ELEMENTS(expected); i++) {
		assert_int_equal(h[i].id, expected[i].id);
		assert_true(h[i].similarity > expected[i].similarity - 1e-9 && h[i].similarity < expected[i].similarity + 1e-9);
	}
}

static size_t near_project(struct fixture *f, int64_t id, size_t limit, const struct semantic_hit **ret_hits)
{
	struct db_rows hits = { NULL, 7 };

	assert_ok(semantic_near_project(f->conn, &f->arena, id, limit, &hits));
	*ret_hits = hits.items;
	return hits.n;
}

static size_t near_content(struct fixture *f, const struct account *viewer, int64_t id)
{
	struct db_rows hits = { NULL, 7 };

	assert_ok(semantic_near_content(f->conn, &f->arena, viewer, id, 5, &hits));
	return hits.n;
}

static void test_semantic__contents_near_a_project(void **state)
{
	struct fixture *f = *state;
	const struct semantic_hit *h;

	add_project(f, 1, "sol", "", EMBEDDING("[1, 0]"));
	add_project(f, 2, "sol", "", "NULL");
	add_content(f, 1, "published", "a", EMBEDDING("[3, 4]"));
	add_content(f, 2, "published", "b", EMBEDDING("[1, 0]"));
	add_content(f, 3, "published", "c", EMBEDDING("[0.3, 1]")); /* 0.287 */
	add_content(f, 4, "pending", "d", EMBEDDING("[1, 0]"));
	add_content(f, 5, "published", "e", "NULL");
	assert_int_equal(near_project(f, 1, 5, &h), 2);
	assert_true(h[0].id == 2 && h[1].id == 1 && h[0].is_content);
	assert_text(h[0].slug, "slug-2");
	assert_null(h[0].description.s);
	assert_int_equal(near_project(f, 1, 1, &h), 1);
	assert_int_equal(near_project(f, 2, 5, &h), 0);
	assert_int_equal(near_project(f, 99, 5, &h), 0);
}

static void test_semantic__a_content_that_is_not_shown_is_near_nothing(void **state)
{
	const struct account editor = { .id = 9, .is_editor = true };
	struct fixture *f = *state;

	add_project(f, 1, "sol", "", EMBEDDING("[1, 0]"));
	add_content(f, 1, "published", "a", EMBEDDING("[1, 0]"));
	add_content(f, 2, "pending", "b", EMBEDDING("[1, 0]"));
	assert_int_equal(near_content(f, NULL, 1), 1);
	assert_int_equal(near_content(f, NULL, 2), 0);
	assert_int_equal(near_content(f, &editor, 2), 1);
	assert_int_equal(near_content(f, NULL, 99), 0);
}

#define PLACED(place) "'{\"coordinates_3d\": " place "}'"

static void test_semantic__points_are_what_has_coordinates(void **state)
{
	struct fixture *f = *state;
	struct db_rows points = { NULL, 0 };
	const struct semantic_point *p;

	add_project(f, 1, "a", "", PLACED("{\"x\": 1.5, \"y\": -2, \"z\": 3}"));
	add_project(f, 2, "b", "", PLACED("{}"));
	add_project(f, 3, "c", "", PLACED("[1, 2, 3]"));
	add_project(f, 4, "d", "", "'[1]'");
	add_project(f, 5, "e", "", PLACED("{\"x\": \"far\", \"z\": 4}"));
	add_project(f, 6, "f", "", "NULL");
	add_content(f, 1, "published", "g", PLACED("{\"x\": 1}"));
	add_content(f, 2, "pending", "h", PLACED("{\"x\": 1}"));
	assert_ok(semantic_points(f->conn, &f->arena, SEMANTIC_PROJECTS, &points));
	assert_int_equal(points.n, 2);
	p = points.items;
	assert_true(p[0].id == 5 && p[0].x == 0 && p[0].y == 0 && p[0].z == 4);
	assert_true(p[1].id == 1 && p[1].x == 1.5 && p[1].y == -2 && p[1].z == 3);
	assert_ok(semantic_points(f->conn, &f->arena, SEMANTIC_CONTENTS, &points));
	assert_int_equal(points.n, 1);
	p = points.items;
	assert_text(p[0].type, "article");
	assert_text(p[0].slug, "slug-1");
}

static void test_semantic__new_coordinates_are_asked_of_a_task(void **state)
{
	struct fixture *f = *state;
	char id[UUID_TEXT_SIZE] = "", pattern[UUID_TEXT_SIZE + 2];
	int64_t n;

	assert_ok(semantic_ask_points(f->conn, TEXT("pro\"jet"), TEXT("umap"), id));
	assert_text(args_of_last_message(f), "[\"pro\\\"jet\", \"umap\"]");
	snprintf(pattern, sizeof(pattern), "%%%s%%", id);
	assert_int_equal(strlen(id), 36);
	assert_ok(db_select_int(f->conn, "SELECT COUNT(*) FROM egoejo_outbox WHERE envelope LIKE $1", DB_PARAMS(DB_TEXT(str_of(pattern))),
	                        &n));
	assert_int_equal(n, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_semantic__text_is_found_in_both_kinds),
		CASE(test_semantic__the_newest_ten_of_each),
		CASE(test_semantic__vectors_are_compared_where_they_can_be),
		CASE(test_semantic__contents_near_a_project),
		CASE(test_semantic__a_content_that_is_not_shown_is_near_nothing),
		CASE(test_semantic__points_are_what_has_coordinates),
		CASE(test_semantic__new_coordinates_are_asked_of_a_task),
	};

	return RUN_ON_BOTH(tests);
}
