#include "domain/mycelium.h"

#include <math.h>

#include "domain/semantic.h"
#include "tests/unit/domain/vectors.h"

#define BOTH (SEMANTIC_PROJECTS | SEMANTIC_CONTENTS)

static bool never(void *arg)
{
	return false;
}

static bool counted(void *left)
{
	return --*(int *)left < 0;
}

/* Reduces and stores; how many places there were. */
static size_t reduce(struct fixture *f, unsigned kinds, size_t left_out)
{
	struct mycelium m;
	size_t n;

	assert_ok(mycelium_work_out(f->conn, kinds, never, NULL, &m));
	assert_ok(mycelium_store(f->conn, &m, never, NULL));
	assert_int_equal(m.left_out, left_out);
	n = m.n;
	mycelium_finish(&m);
	return n;
}

static const struct semantic_point *points_of(struct fixture *f, enum semantic_kind kind, size_t n)
{
	struct db_rows points = { NULL, 0 };

	assert_ok(semantic_points(f->conn, &f->arena, kind, &points));
	assert_int_equal(points.n, n);
	return points.items;
}

static void assert_point(const struct semantic_point *p, int64_t id, double x, double y, double z)
{
	assert_int_equal(p->id, id);
	assert_true(p->x == x && p->y == y && p->z == z);
}

/* (3, 0), (-3, 0), (0, 2) and (0, -2), the last two shorter or longer: x along the first axis, y along the second. */
static void test_mycelium__places_what_has_a_vector(void **state)
{
	struct fixture *f = *state;
	const struct semantic_point *p;

	add_project(f, 1, "a", "", EMBEDDING("[3]"));
	add_project(f, 2, "b", "", EMBEDDING("[-3, 0]"));
	add_project(f, 3, "c", "", "NULL");
	add_content(f, 4, "published", "d", EMBEDDING("[0, 2, 0]"));
	add_content(f, 5, "published", "e", EMBEDDING("[0, -2]"));
	add_content(f, 6, "pending", "f", EMBEDDING("[9, 9]"));
	assert_int_equal(reduce(f, BOTH, 0), 4);
	p = points_of(f, SEMANTIC_PROJECTS, 2);
	assert_point(&p[0], 2, -10, 0, 0);
	assert_point(&p[1], 1, 10, 0, 0);
	p = points_of(f, SEMANTIC_CONTENTS, 2);
	assert_point(&p[0], 5, 0, -6.666667, 0);
	assert_point(&p[1], 4, 0, 6.666667, 0);
	assert_int_equal(reduce(f, SEMANTIC_CONTENTS, 0), 2); /* alone they differ in one direction */
	assert_point(&points_of(f, SEMANTIC_CONTENTS, 2)[0], 5, -10, 0, 0);
	assert_point(&points_of(f, SEMANTIC_PROJECTS, 2)[1], 1, 10, 0, 0);
}

static void test_mycelium__keeps_the_vector(void **state)
{
	struct fixture *f = *state;
	json_t *embedding;

	add_project(f, 1, "a", "", EMBEDDING("[0.1, 2]"));
	assert_int_equal(reduce(f, BOTH, 0), 1);
	embedding = embedding_in(f, SEMANTIC_PROJECTS, 1);
	assert_int_equal(json_object_size(embedding), 4);
	assert_string_equal(json_string_value(json_object_get(embedding, "model")), "m");
	assert_true(json_real_value(json_array_get(json_object_get(embedding, "vector"), 0)) == 0.1);
	json_decref(embedding);
	assert_point(points_of(f, SEMANTIC_PROJECTS, 1), 1, 0, 0, 0);
}

static void test_mycelium__of_none(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(reduce(f, BOTH, 0), 0);
	add_project(f, 1, "a", "", "NULL");
	add_content(f, 2, "draft", "b", EMBEDDING("[1]"));
	assert_int_equal(reduce(f, BOTH, 0), 0);
}

/* Rows that are no vectors are left out, and stay as they are. */
static void test_mycelium__what_is_no_vector_is_left_out(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_EMPTY;

	add_project(f, 1, "a", "", EMBEDDING("[1, 0]"));
	add_project(f, 2, "b", "", EMBEDDING("[0, 1]"));
	add_project(f, 3, "c", "", EMBEDDING("[1, null]"));
	add_project(f, 4, "d", "", EMBEDDING("[1e200, 0]"));
	add_project(f, 5, "e", "", EMBEDDING("[]"));
	add_project(f, 6, "f", "", "'[1, 2]'");
	add_project(f, 7, "g", "", "'null'");
	buf_add_text(&b, "'{\"vector\": [0");
	for (size_t i = 0; i < COMPONENTS_DIMENSIONS_MAX; i++)
		buf_add_text(&b, ", 0");
	buf_add_text(&b, "]}'");
	add_project(f, 8, "h", "", b.data);
	buf_finish(&b);
	buf_addf(&b, "'{\"vector\": [1], \"more\": \"%0300000d\"}'", 0);
	add_project(f, 9, "i", "", b.data);
	buf_finish(&b);
	assert_int_equal(reduce(f, BOTH, 7), 2);
	points_of(f, SEMANTIC_PROJECTS, 2);
}

/* Twice as many projects, alike. */
static void double_projects(struct fixture *f)
{
	write_rows(f, "INSERT INTO core_projet (titre, description, created_at, saka_score, saka_supporters_count, active_oracles, "
	              "funding_type, donation_goal, investment_goal, id, embedding) SELECT titre, description, created_at, 0, 0, '[]', "
	              "'DONATION', 0, 0, id + (SELECT COUNT(*) FROM core_projet), embedding FROM core_projet");
}

/* More rows than are read at a time, of both kinds: each is placed once, and the same again. */
static void test_mycelium__of_many(void **state)
{
	struct fixture *f = *state;
	struct mycelium first, second;
	char vector[100];

	for (int i = 1; i <= 31; i++) {
		snprintf(vector, sizeof(vector), "'{\"vector\": [%d, %d, %d]}'", i, i * i % 17, i * 7 % 13);
		add_project(f, i, "p", "", vector);
		add_content(f, i, "published", "c", vector);
	}
	for (int i = 0; i < 3; i++)
		double_projects(f);
	assert_ok(mycelium_work_out(f->conn, BOTH, never, NULL, &first));
	assert_ok(mycelium_work_out(f->conn, BOTH, never, NULL, &second));
	assert_int_equal(first.n, 31 * 8 + 31);
	assert_int_equal(second.n, first.n);
	for (size_t i = 0; i < first.n; i++) {
		assert_memory_equal(&first.places[i].place, &second.places[i].place, sizeof(struct place3));
		assert_true(first.places[i].kind == (i < 31 * 8 ? SEMANTIC_PROJECTS : SEMANTIC_CONTENTS));
		assert_true(i == 0 || i == 31 * 8 || first.places[i].id > first.places[i - 1].id);
		assert_memory_equal(&first.places[i].place, &first.places[i % 31].place, sizeof(struct place3)); /* equal vectors */
	}
	mycelium_finish(&first);
	mycelium_finish(&second);
}

static void test_mycelium__ends_when_it_is_late(void **state)
{
	struct fixture *f = *state;
	struct mycelium m;
	int steps;

	add_project(f, 1, "a", "", EMBEDDING("[1, 0]"));
	add_project(f, 2, "b", "", EMBEDDING("[0, 1]"));
	for (int left = 0; left < 4; left++) {
		steps = left;
		assert_int_equal(mycelium_work_out(f->conn, BOTH, counted, &steps, &m), ERR_TIMEOUT);
		mycelium_finish(&m);
	}
	assert_ok(mycelium_work_out(f->conn, BOTH, never, NULL, &m));
	steps = 0;
	assert_int_equal(mycelium_store(f->conn, &m, counted, &steps), ERR_TIMEOUT);
	mycelium_finish(&m);
	points_of(f, SEMANTIC_PROJECTS, 0);
}

/* In small transactions: one for so many that who changes a project meanwhile would be refused is none of them. */
static void test_mycelium__is_stored_in_parts(void **state)
{
	static const char placed[] = "SELECT COUNT(*) FROM core_projet WHERE CAST(embedding AS text) LIKE '%coordinates_3d%'";
	struct fixture *f = *state;
	struct mycelium m;
	int steps = 2;

	for (int id = 1; id <= 25; id++)
		add_project(f, id, "a", "", EMBEDDING("[1, 0]"));
	for (int i = 0; i < 3; i++)
		double_projects(f);
	assert_ok(mycelium_work_out(f->conn, BOTH, never, NULL, &m));
	assert_int_equal(mycelium_store(f->conn, &m, counted, &steps), ERR_TIMEOUT);
	assert_int_equal(count_of(f, placed), 128);
	assert_ok(mycelium_store(f->conn, &m, never, NULL));
	mycelium_finish(&m);
	assert_int_equal(count_of(f, placed), 200);
}

/* What was gone, or had lost its embedding, when the places were written. */
static void test_mycelium__what_changes_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct mycelium m;

	add_project(f, 1, "a", "", EMBEDDING("[1, 0]"));
	add_project(f, 2, "b", "", EMBEDDING("[0, 1]"));
	add_project(f, 3, "c", "", EMBEDDING("[0, 2]"));
	assert_ok(mycelium_work_out(f->conn, BOTH, never, NULL, &m));
	write_rows(f, "DELETE FROM core_projet WHERE id = 1; UPDATE core_projet SET embedding = NULL WHERE id = 2");
	assert_ok(mycelium_store(f->conn, &m, never, NULL));
	mycelium_finish(&m);
	assert_int_equal(points_of(f, SEMANTIC_PROJECTS, 1)->id, 3);
	assert_int_equal(count_of(f, "SELECT COUNT(*) FROM core_projet WHERE embedding IS NULL"), 1);
}

static void test_mycelium__without_memory(void **state)
{
	struct fixture *f = *state;
	int failures = 0;

	add_project(f, 1, "a", "", EMBEDDING("[1, 0]"));
	for (int n = 1; n < 200; n++) {
		struct mycelium m;
		int r;

		fault_arm(FAULT_ALLOC, n, false);
		r = mycelium_work_out(f->conn, BOTH, never, NULL, &m);
		fault_disarm_all();
		failures += r < 0;
		assert_true(r == 0 ? m.n == 1 : r == ERR_NOMEM || r == ERR_LIMIT);
		mycelium_finish(&m);
	}
	assert_true(failures > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_mycelium__places_what_has_a_vector),
		CASE(test_mycelium__keeps_the_vector),
		CASE(test_mycelium__of_none),
		CASE(test_mycelium__what_is_no_vector_is_left_out),
		CASE(test_mycelium__of_many),
		CASE(test_mycelium__ends_when_it_is_late),
		CASE(test_mycelium__is_stored_in_parts),
		CASE(test_mycelium__what_changes_meanwhile),
		CASE(test_mycelium__without_memory),
	};

	return RUN_ON_BOTH(tests);
}
