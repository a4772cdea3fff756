#include "domain/cagnotte.h"

#include "tests/unit/domain/fixture.h"

static void fill(struct fixture *f)
{
	write_rows(f,
	           "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
	           "saka_supporters_count, active_oracles) VALUES (8, 'P', '', '2026-01-01 00:00:00', 0, 'DONATION', 0, 0, 0, '[]')");
	write_rows(f, "INSERT INTO core_cagnotte (id, titre, description, montant_cible, montant_collecte, created_at, projet_id) VALUES "
	              "(1, 'Un', 'a', 100, 0, '2026-01-05 00:00:00', NULL), (2, 'Deux', 'b', 1500.5, 20.25, '2026-01-07 00:00:00', 8), "
	              "(3, 'Trois', 'c', 0, 0, '2026-01-05 00:00:00', NULL)");
}

static void test_cagnotte__newest_first(void **state)
{
	struct fixture *f = *state;
	const struct cagnotte *c;
	struct db_rows rows;

	fill(f);
	assert_ok(cagnotte_list(f->conn, &f->arena, 20, 0, &rows));
	c = rows.items;
	assert_int_equal(rows.n, 3);
	assert_int_equal(c[0].id, 2);
	assert_int_equal(c[1].id, 3);
	assert_int_equal(c[2].id, 1);
	assert_text(c[0].titre, "Deux");
	assert_text(c[0].description, "b");
	assert_true(c[0].montant_cible == 1500.5 && c[0].montant_collecte == 20.25);
	assert_true(c[0].created_at.us == january(7));
	assert_int_equal(c[0].projet_id, 8);
	assert_true(c[1].projet_id == NULL_INT);
}

static void test_cagnotte__pages(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;
	int64_t n;

	assert_ok(cagnotte_count(f->conn, &n));
	assert_int_equal(n, 0);
	fill(f);
	assert_ok(cagnotte_count(f->conn, &n));
	assert_int_equal(n, 3);
	assert_ok(cagnotte_list(f->conn, &f->arena, 2, 2, &rows));
	assert_int_equal(rows.n, 1);
	assert_int_equal(((const struct cagnotte *)rows.items)->id, 1);
	assert_ok(cagnotte_list(f->conn, &f->arena, 2, 4, &rows));
	assert_int_equal(rows.n, 0);
}

static void test_cagnotte__failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;
	int64_t n = 5;

	fill(f);
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(cagnotte_count(f->conn, &n) < 0);
	assert_true(cagnotte_list(f->conn, &f->arena, 1, 0, &rows) < 0);
	assert_int_equal(n, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_cagnotte__newest_first),
		CASE(test_cagnotte__pages),
		CASE(test_cagnotte__failures_are_told),
	};

	return RUN_ON_BOTH(tests);
}
