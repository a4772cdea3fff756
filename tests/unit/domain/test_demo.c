/* The demonstration data: what they hold, that they refuse what is not empty, and that they are written whole or not at all. */
#include "domain/demo.h"

#include "domain/content.h"
#include "domain/project.h"
#include "tests/unit/domain/fixture.h"

static int64_t number(struct fixture *f, const char *sql)
{
	int64_t n = -1;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}

static int fill(struct fixture *f, struct demo_counts *ret_counts, struct error *err)
{
	struct instant now = { january(20) };

	return demo_fill(f->conn, now, ret_counts, err);
}

static void fill_ok(struct fixture *f)
{
	struct demo_counts counts;
	struct error err = { 0 };

	if (fill(f, &counts, &err) < 0)
		fail_msg("%s: %s", err.text, db_error(f->conn));
}

static void test_demo__counts_are_those_of_the_tables(void **state)
{
	struct fixture *f = *state;
	struct demo_counts counts;
	struct error err = { 0 };

	assert_ok(fill(f, &counts, &err));
	assert_int_equal(counts.projects, 8);
	assert_int_equal(counts.contents, 12);
	assert_int_equal(counts.communities, 3);
	assert_int_equal(counts.cagnottes, 4);
	assert_int_equal(counts.help_requests, 4);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_projet"), counts.projects);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_educationalcontent"), counts.contents);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_community"), counts.communities);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_cagnotte"), counts.cagnottes);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_helprequest"), counts.help_requests);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM auth_user"), 0);
}

static void test_demo__rows_find_what_they_refer_to(void **state)
{
	struct fixture *f = *state;

	fill_ok(f);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_projet WHERE community_id IS NOT NULL"), 7);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_cagnotte WHERE projet_id IS NULL"), 0);
	assert_int_equal(number(f, "SELECT COUNT(DISTINCT projet_id) FROM core_cagnotte"), 4);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_educationalcontent WHERE project_id IS NOT NULL"), 8);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_helprequest WHERE is_linked_to_project <> (project_id IS NOT NULL)"), 0);
}

static void test_demo__every_status_of_a_content(void **state)
{
	struct fixture *f = *state;

	fill_ok(f);
	assert_int_equal(number(f, "SELECT COUNT(DISTINCT status) FROM core_educationalcontent"), 5);
	assert_int_equal(number(f, "SELECT COUNT(DISTINCT type) FROM core_educationalcontent"), 7);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_educationalcontent WHERE status = 'published' AND published_at IS NULL"), 0);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_educationalcontent WHERE status IN ('draft', 'pending', 'rejected') "
	                           "AND published_at IS NOT NULL"),
	                 0);
	/* A published content has a source, as the charter wants */
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_educationalcontent WHERE status = 'published' AND external_url = ''"), 0);
}

static void test_demo__scores_follow_from_the_rows(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;

	fill_ok(f);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_cagnotte k WHERE montant_collecte <> "
	                           "(SELECT SUM(montant) FROM core_contribution c WHERE c.cagnotte_id = k.id)"),
	                 0);
	assert_ok(project_list(f->conn, &f->arena, PROJECT_BY_SAKA, &rows));
	assert_int_equal(rows.n, 8);
	const struct project *first = rows.items; /* the solar roof: 865 euros, 210 grains from 11, one cagnotte */
	assert_true(first->p1_financier == 865.0);
	assert_int_equal(first->p2_saka, 210);
	assert_int_equal(first->p3_social, 75);
	assert_int_equal(first->p4_sens, 115);
}

static void test_demo__times_are_before_now(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;

	fill_ok(f);
	assert_ok(project_list(f->conn, &f->arena, PROJECT_BY_DATE, &rows));
	const struct project *projects = rows.items;
	assert_true(projects[0].created_at.us == january(15));
	for (size_t i = 1; i < rows.n; i++)
		assert_true(projects[i].created_at.us < projects[i - 1].created_at.us);
}

static void test_demo__refuses_rows_of_any_kind(void **state)
{
	static const char *const one_row[] = {
		"INSERT INTO core_community (name, slug, is_active, created_at, updated_at) VALUES ('x', 'x', TRUE, '2026-01-01', "
		"'2026-01-01')",
		"INSERT INTO core_cagnotte (titre, description, montant_cible, montant_collecte, created_at) VALUES ('x', '', 1, 0, "
		"'2026-01-01')",
		"INSERT INTO auth_user (password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, first_name) "
		"VALUES ('!', FALSE, 'ana', '', '', FALSE, TRUE, '2026-01-01', '')",
	};
	struct fixture *f = *state;
	struct demo_counts counts;

	for (size_t i = 0; i < N_ELEMENTS(one_row); i++) {
		struct error err = { 0 };

		write_rows(f, one_row[i]);
		assert_int_equal(fill(f, &counts, &err), ERR_CONFLICT);
		assert_non_null(strstr(err.text, "empty database"));
		assert_int_equal(number(f, "SELECT COUNT(*) FROM core_projet"), 0);
		write_rows(f, "DELETE FROM core_community; DELETE FROM core_cagnotte; DELETE FROM auth_user");
	}
	fill_ok(f);
}

static void test_demo__whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	struct demo_counts counts;
	int r = ERR_INTERNAL, n;

	for (n = 1; r < 0 && n < 500; n++) {
		struct error err = { 0 };

		fault_arm(FAULT_SQL_STEP, n, false);
		r = fill(f, &counts, &err);
		fault_disarm_all();
		if (r < 0) {
			assert_true(err.text[0] != '\0');
			assert_int_equal(number(f, "SELECT COUNT(*) FROM core_projet"), 0);
			assert_int_equal(number(f, "SELECT COUNT(*) FROM core_community"), 0);
		}
	}
	assert_true(n > 40); /* a statement for each row, at least */
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_projet"), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_demo__counts_are_those_of_the_tables),
		CASE(test_demo__rows_find_what_they_refer_to),
		CASE(test_demo__every_status_of_a_content),
		CASE(test_demo__scores_follow_from_the_rows),
		CASE(test_demo__times_are_before_now),
		CASE(test_demo__refuses_rows_of_any_kind),
		CASE(test_demo__whole_or_not_at_all),
	};

	return RUN_ON_BOTH(tests);
}
