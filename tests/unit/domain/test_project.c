#include "domain/project.h"

#include "tests/unit/domain/fixture.h"

#define COLUMNS                                                                                                                    \
	"INSERT INTO core_projet (id, titre, description, categorie, impact_score, image, created_at, embedding, coordinates_3d, " \
	"donation_goal, funding_type, investment_goal, share_price, total_shares, valuation_pre_money, saka_score, "               \
	"saka_supporters_count, community_id, active_oracles) VALUES "

/* One row of the columns above, the rest empty. */
static void add_project(struct fixture *f, int id, const char *titre, const char *description, int day, int saka_score)
{
	char sql[2000];

	snprintf(sql, sizeof(sql),
	         COLUMNS
	         "(%d, '%s', '%s', NULL, NULL, NULL, '2026-01-%02d 00:00:00', NULL, NULL, 0, 'DONATION', 0, NULL, NULL, NULL, %d, 0, "
	         "NULL, '[]')",
	         id, titre, description, day, saka_score);
	write_rows(f, sql);
}

/* "3 1 2": the ids of the rows. */
static const char *ids(struct fixture *f, const struct db_rows *rows)
{
	const struct project *p = rows->items;
	struct buf b = BUF_EMPTY;
	char *text;

	for (size_t i = 0; i < rows->n; i++)
		buf_addf(&b, "%s%lld", i ? " " : "", (long long)p[i].id);
	text = arena_strndup(&f->arena, b.len ? b.data : "", b.len);
	buf_finish(&b);
	return text;
}

static void test_project__newest_first_then_highest_id(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;

	add_project(f, 1, "a", "", 5, 0);
	add_project(f, 2, "b", "", 7, 0);
	add_project(f, 3, "c", "", 5, 0);
	assert_ok(project_list(f->conn, &f->arena, PROJECT_BY_DATE, &rows));
	assert_string_equal(ids(f, &rows), "2 3 1");
}

static void test_project__highest_saka_score_first(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;

	add_project(f, 1, "a", "", 5, 10);
	add_project(f, 2, "b", "", 7, 0);
	add_project(f, 3, "c", "", 6, 10);
	add_project(f, 4, "d", "", 6, 10);
	assert_ok(project_list(f->conn, &f->arena, PROJECT_BY_SAKA, &rows));
	assert_string_equal(ids(f, &rows), "4 3 1 2");
}

static void test_project__no_rows(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows = { &rows, 9 };
	struct project project = { .id = 77 };

	assert_ok(project_list(f->conn, &f->arena, PROJECT_BY_DATE, &rows));
	assert_int_equal(rows.n, 0);
	assert_int_equal(project_find(f->conn, &f->arena, 1, &project), ERR_NOT_FOUND);
	assert_int_equal(project_find(f->conn, &f->arena, INT64_MAX, &project), ERR_NOT_FOUND);
	assert_int_equal(project_known(f->conn, 1), ERR_NOT_FOUND);
	assert_int_equal(project.id, 77);
}

static void test_project__every_column(void **state)
{
	struct fixture *f = *state;
	struct project p;

	write_rows(f, "INSERT INTO core_community (id, name, slug, description, is_active, created_at, updated_at) VALUES "
	              "(4, 'C', 'c', NULL, true, '2026-01-01 00:00:00', '2026-01-01 00:00:00')");
	write_rows(f, COLUMNS "(9, 'Élan', 'Une \"idée\"', 'eau', 42, 'projets/a.png', '2026-01-05 09:00:00.25', '[0.5, 1]', '{\"x\": 1}', "
	                      "1234.50, 'HYBRID', 99999999.99, 10.05, 1000, 5000000.00, 7, 3, 4, '[\"co2\"]')");
	write_rows(f,
	           "INSERT INTO project_impact_4p (id, financial_score, saka_score, social_score, purpose_score, updated_at, created_at, "
	           "project_id) VALUES (1, 12.75, 5, 60, 70, '2026-01-06 00:00:00', '2026-01-06 00:00:00', 9)");
	assert_ok(project_known(f->conn, 9));
	assert_ok(project_find(f->conn, &f->arena, 9, &p));
	assert_text(p.titre, "Élan");
	assert_text(p.description, "Une \"idée\"");
	assert_text(p.categorie, "eau");
	assert_int_equal(p.impact_score, 42);
	assert_text(p.image, "projets/a.png");
	assert_text(p.embedding.text, "[0.5, 1]");
	assert_text(p.coordinates_3d.text, "{\"x\": 1}");
	assert_text(p.funding_type, "HYBRID");
	assert_int_equal(p.donation_goal.cents, 123450);
	assert_int_equal(p.investment_goal.cents, 9999999999);
	assert_int_equal(p.share_price.cents, 1005);
	assert_int_equal(p.total_shares, 1000);
	assert_int_equal(p.valuation_pre_money.cents, 500000000);
	assert_true(p.created_at.us == january(5) + 9 * 3600 * US_PER_S + 250000);
	assert_int_equal(p.saka_score, 7);
	assert_int_equal(p.saka_supporters_count, 3);
	assert_int_equal(p.community_id, 4);
	assert_text(p.active_oracles.text, "[\"co2\"]");
	assert_true(p.p1_financier == 12.75);
	assert_int_equal(p.p2_saka, 5);
	assert_int_equal(p.p3_social, 60);
	assert_int_equal(p.p4_sens, 70);
	assert_true(p.impact_updated_at.us == january(6));
}

static void test_project__what_is_null(void **state)
{
	struct fixture *f = *state;
	struct project p;

	add_project(f, 1, "a", "", 5, 0);
	assert_ok(project_find(f->conn, &f->arena, 1, &p));
	assert_text(p.description, "");
	assert_null(p.categorie.s);
	assert_null(p.image.s);
	assert_null(p.embedding.text.s);
	assert_null(p.coordinates_3d.text.s);
	assert_true(p.impact_score == NULL_INT && p.total_shares == NULL_INT && p.community_id == NULL_INT);
	assert_true(p.share_price.cents == NULL_DECIMAL.cents && p.valuation_pre_money.cents == NULL_DECIMAL.cents);
	assert_true(p.p1_financier == 0 && p.p2_saka == 0 && p.p3_social == 0 && p.p4_sens == 0);
	assert_true(p.impact_updated_at.us == NULL_TIME.us);
}

static void assert_found_(struct fixture *f, const char *text, const char *expected, const char *file, int line)
{
	struct db_rows rows;
	bool simple = false;

	assert_ok_(f, project_search(f->conn, &f->arena, str_of(text), &rows, &simple), file, line);
	assert_true(simple);
	_assert_string_equal(ids(f, &rows), expected, file, line);
}
#define assert_found(text, expected) assert_found_(f, text, expected, __FILE__, __LINE__)

static void test_project__simple_search(void **state)
{
	struct fixture *f = *state;

	add_project(f, 1, "Jardin partagé", "Des légumes", 5, 0);
	add_project(f, 2, "Verger", "Un JARDIN de fruits", 7, 0);
	add_project(f, 3, "Four à pain", "Du bois", 6, 0);
	assert_found("jardin", "2 1");
	assert_found("JARD", "2 1");
	assert_found("pain", "3");
	assert_found("légumes", "1");
	assert_found("absent", "");
	assert_found("' OR 1=1 --", "");
}

static void test_project__search_takes_wildcards_as_they_are(void **state)
{
	struct fixture *f = *state;

	add_project(f, 1, "100% local", "", 5, 0);
	add_project(f, 2, "100 locaux", "", 6, 0);
	add_project(f, 3, "a_b", "", 7, 0);
	add_project(f, 4, "axb", "", 8, 0);
	add_project(f, 5, "back\\slash", "", 9, 0);
	assert_found("0%", "1");
	assert_found("%%", "");
	assert_found("a_b", "3");
	assert_found("k\\s", "5");
	assert_found("\\\\", "");
}

static void test_project__search_folds_accents_as_the_engine_does(void **state)
{
	struct fixture *f = *state;
	int64_t folds; /* PostgreSQL by its locale; SQLite folds ASCII only */

	add_project(f, 1, "ÉOLE", "", 5, 0);
	assert_ok(db_select_int(f->conn, "SELECT CASE WHEN UPPER('é') = 'É' THEN 1 ELSE 0 END", DB_NO_PARAMS, &folds));
	assert_found("éole", folds ? "1" : "");
	assert_found("École", "");
	assert_found("Éole", "1");
}

static void test_project__search_is_bounded(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;
	bool simple;

	for (int i = 1; i <= PROJECT_SEARCH_MAX + 5; i++)
		add_project(f, i, "same", "", 1 + i % 28, 0);
	assert_ok(project_search(f->conn, &f->arena, TEXT("same"), &rows, &simple));
	assert_int_equal(rows.n, PROJECT_SEARCH_MAX);
}

static void test_project__search_by_similarity_where_the_extension_is(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;
	bool simple = true;

	if (f->engine != DB_POSTGRESQL)
		skip();
	add_project(f, 1, "Un jardin partagé pour tous", "", 5, 0);
	add_project(f, 2, "Jardin partagé", "", 4, 0);
	add_project(f, 3, "Boulangerie", "Le jardin partagé", 9, 0);
	add_project(f, 4, "Atelier de vélos", "Réparer", 8, 0);
	add_project(f, 5, "Jardins partager", "", 7, 0); /* near, without the words */
	write_rows(f, "CREATE EXTENSION pg_trgm");
	assert_ok(project_search(f->conn, &f->arena, TEXT("jardin partagé"), &rows, &simple));
	write_rows(f, "DROP EXTENSION pg_trgm");
	assert_false(simple);
	assert_int_equal(rows.n, 4);
	assert_string_equal(ids(f, &rows), "2 5 1 3");
}

static void test_project__failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct arena small;
	struct db_rows rows;
	struct project p;
	bool simple;

	add_project(f, 1, "a title", "", 5, 0);
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(project_list(f->conn, &f->arena, PROJECT_BY_DATE, &rows) < 0);
	assert_true(project_find(f->conn, &f->arena, 1, &p) < 0);
	assert_true(project_search(f->conn, &f->arena, TEXT("title"), &rows, &simple) < 0);
	fault_disarm_all();
	arena_init(&small, 16);
	assert_true(project_list(f->conn, &small, PROJECT_BY_DATE, &rows) < 0);
	assert_int_equal(project_search(f->conn, &small, TEXT("a title that is long"), &rows, &simple), ERR_NOMEM);
	arena_finish(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_project__newest_first_then_highest_id),
		CASE(test_project__highest_saka_score_first),
		CASE(test_project__no_rows),
		CASE(test_project__every_column),
		CASE(test_project__what_is_null),
		CASE(test_project__simple_search),
		CASE(test_project__search_takes_wildcards_as_they_are),
		CASE(test_project__search_folds_accents_as_the_engine_does),
		CASE(test_project__search_is_bounded),
		CASE(test_project__search_by_similarity_where_the_extension_is),
		CASE(test_project__failures_are_told),
	};

	return RUN_ON_BOTH(tests);
}
