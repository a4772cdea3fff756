#include "domain/impact.h"

#include "domain/project.h"
#include "tests/unit/domain/fixture.h"

/* What one closure does. */
struct computing {
	int64_t project;
	const struct oracle_scores *oracles;
	bool pending;
};

static int do_recompute(struct db_conn *conn, void *arg)
{
	struct computing *c = arg;

	return impact_recompute(conn, c->project, c->oracles, &c->pending);
}

static int recompute(struct fixture *f, int64_t project, const struct oracle_scores *oracles, bool *ret_pending)
{
	struct computing c = { project, oracles, false };
	int r = db_write(f->conn, do_recompute, &c);

	if (ret_pending)
		*ret_pending = c.pending;
	return r;
}

static void add_project(struct fixture *f, const char *impact_score, int saka_score, int supporters, const char *oracles)
{
	char sql[600];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_projet (id, titre, description, impact_score, created_at, donation_goal, funding_type, investment_goal, "
	         "saka_score, saka_supporters_count, active_oracles) VALUES (1, 't', '0123456789', %s, '2026-01-05 00:00:00', 0, "
	         "'DONATION', 0, %d, %d, '%s')",
	         impact_score, saka_score, supporters, oracles);
	write_rows(f, sql);
}

static struct project scores_of(struct fixture *f)
{
	struct project p = { .id = 0 };

	assert_ok(project_find(f->conn, &f->arena, 1, &p));
	return p;
}

static void assert_scores_(struct fixture *f, double p1, int64_t p2, int64_t p3, int64_t p4, const char *file, int line)
{
	struct project p = scores_of(f);

	if (p.p1_financier == p1 && p.p2_saka == p2 && p.p3_social == p3 && p.p4_sens == p4)
		return;
	print_error("got %f %lld %lld %lld\n", p.p1_financier, (long long)p.p2_saka, (long long)p.p3_social, (long long)p.p4_sens);
	_fail(file, line);
}
#define assert_scores(p1, p2, p3, p4) assert_scores_(f, p1, p2, p3, p4, __FILE__, __LINE__)

static void test_impact__of_a_new_project(void **state)
{
	struct fixture *f = *state;
	struct instant before = clock_now();
	bool pending = true;

	add_project(f, "30", 0, 0, "[]");
	assert_ok(recompute(f, 1, NULL, &pending));
	assert_false(pending);
	assert_scores(0, 0, 30, 0);
	assert_true(scores_of(f).impact_updated_at.us >= before.us);
}

static void test_impact__of_what_was_given_and_planted(void **state)
{
	struct fixture *f = *state;

	add_project(f, "NULL", 45, 3, "[]");
	write_rows(
	        f,
	        "INSERT INTO core_cagnotte (id, titre, description, montant_cible, montant_collecte, created_at, projet_id) VALUES "
	        "(1, 'a', '', 1, 0, '2026-01-05 00:00:00', 1), (2, 'b', '', 1, 0, '2026-01-05 00:00:00', 1), "
	        "(3, 'c', '', 1, 0, '2026-01-05 00:00:00', NULL);"
	        "INSERT INTO core_contribution (montant, created_at, cagnotte_id, user_id) VALUES (10.1, '2026-01-05 00:00:00', 1, NULL), "
	        "(20.2, '2026-01-05 00:00:00', 1, NULL), (5, '2026-01-05 00:00:00', 2, NULL), (99, '2026-01-05 00:00:00', 3, NULL);"
	        "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
	        "first_name) VALUES (1, '', false, 'u', '', '', false, true, '2026-01-01 00:00:00', '');"
	        "INSERT INTO finance_userwallet (id, balance, created_at, updated_at, user_id) VALUES (1, 0, '2026-01-01 00:00:00', "
	        "'2026-01-01 00:00:00', 1);"
	        "INSERT INTO finance_wallettransaction (id, amount, transaction_type, description, created_at, wallet_id) VALUES "
	        "(1, 1, 'x', '', '2026-01-01 00:00:00', 1), (2, 1, 'x', '', '2026-01-01 00:00:00', 1), "
	        "(3, 1, 'x', '', '2026-01-01 00:00:00', 1);"
	        "INSERT INTO finance_escrowcontract (amount, created_at, project_id, user_id, pledge_transaction_id, status) VALUES "
	        "(100.25, '2026-01-01 00:00:00', 1, 1, 1, 'LOCKED'), (50, '2026-01-01 00:00:00', 1, 1, 2, 'RELEASED'), "
	        "(1000, '2026-01-01 00:00:00', 1, 1, 3, 'REFUNDED')");
	assert_ok(recompute(f, 1, NULL, &(bool){ false }));
	assert_scores(185.55, 45, 0, 40);
}

static void test_impact__with_oracles(void **state)
{
	static const struct oracle_scores oracles = { .co2_avoided_kg = 480.5, .social_impact_score = 6, .purpose_alignment = 0.0325 };
	struct fixture *f = *state;
	bool pending = false;

	add_project(f, "10", 7, 1, "[\"social_impact\"]");
	assert_ok(recompute(f, 1, NULL, &pending));
	assert_true(pending);
	assert_true(scores_of(f).impact_updated_at.us == NULL_TIME.us);
	assert_ok(recompute(f, 1, &oracles, NULL));
	assert_scores(0, 7, 20, 11);
}

static void test_impact__every_score_stays_within_its_column(void **state)
{
	static const struct {
		const char *impact, *montant;
		int saka, supporters;
		double p1;
		int64_t p3, p4;
	} table[] = {
		{ "150", "1", 0, 0, 1, 100, 5 },
		{ "-5", "-3", 0, 0, -3, 0, 5 },
		{ "2147483647", "1e11", 2147483647, 2147483647, 9999999999.99, 100, 2147483647 },
		{ "-2147483648", "-1e11", 0, 0, -9999999999.99, 0, 5 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(table); i++) {
		char sql[300];

		write_rows(f, empty_all_tables);
		add_project(f, table[i].impact, table[i].saka, table[i].supporters, "[]");
		snprintf(
		        sql, sizeof(sql),
		        "INSERT INTO core_cagnotte (id, titre, description, montant_cible, montant_collecte, created_at, projet_id) VALUES "
		        "(1, 'a', '', 1, 0, '2026-01-05 00:00:00', 1);"
		        "INSERT INTO core_contribution (montant, created_at, cagnotte_id) VALUES (%s, '2026-01-05 00:00:00', 1)",
		        table[i].montant);
		write_rows(f, sql);
		assert_ok(recompute(f, 1, NULL, &(bool){ false }));
		assert_scores(table[i].p1, table[i].saka, table[i].p3, table[i].p4);
	}
}

static void test_impact__what_is_no_number_counts_nothing(void **state)
{
	struct fixture *f = *state;

	add_project(f, "3", 0, 0, "[]");
	write_rows(f, "INSERT INTO core_cagnotte (id, titre, description, montant_cible, montant_collecte, created_at, projet_id) VALUES "
	              "(1, 'a', '', 1, 0, '2026-01-05 00:00:00', 1)");
	if (f->engine == DB_POSTGRESQL)
		write_rows(
		        f,
		        "INSERT INTO core_contribution (montant, created_at, cagnotte_id) VALUES ('NaN', '2026-01-05 00:00:00', 1), "
		        "('Infinity', '2026-01-05 00:00:00', 1), (1e308, '2026-01-05 00:00:00', 1), (1.7e308, '2026-01-05 00:00:00', 1)");
	else
		write_rows(f, "INSERT INTO core_contribution (montant, created_at, cagnotte_id) VALUES (9e999, '2026-01-05 00:00:00', 1), "
		              "(-9e999, '2026-01-05 00:00:00', 1)");
	assert_ok(recompute(f, 1, NULL, &(bool){ false }));
	assert_scores(0, 0, 3, 5);
}

static void test_impact__again_keeps_one_row(void **state)
{
	struct fixture *f = *state;
	int64_t n;

	add_project(f, "3", 0, 0, "[]");
	assert_ok(recompute(f, 1, NULL, &(bool){ false }));
	write_rows(f, "UPDATE project_impact_4p SET created_at = '2026-01-05 00:00:00'; UPDATE core_projet SET impact_score = 4");
	assert_ok(recompute(f, 1, NULL, &(bool){ false }));
	assert_scores(0, 0, 4, 0);
	assert_ok(db_select_int(f->conn, "SELECT COUNT(*) FROM project_impact_4p WHERE created_at = '2026-01-05 00:00:00'", DB_NO_PARAMS,
	                        &n));
	assert_int_equal(n, 1);
	assert_int_equal(recompute(f, 2, NULL, &(bool){ false }), ERR_NOT_FOUND);
}

static void test_impact__a_refresh_asks_the_oracles(void **state)
{
	const struct redis_config config = { .connect_timeout_us = 1000, .command_timeout_us = 1000, .retry_us = 1000, .pool_size = 1 };
	struct fixture *f = *state;
	struct redis *redis = redis_create(&config);
	struct cache *cache = cache_create(&(struct cache_config){ .max_bytes = 1 << 20, .max_entries = 100, .redis = redis });
	struct redis_budget budget = { 1000000 };
	struct blob *kept;

	add_project(f, "10", 0, 0, "[\"co2_avoided\"]");
	assert_ok(impact_refresh(f->conn, cache, &budget, 1));
	assert_true(scores_of(f).p3_social >= 10); /* 0.8 to 1.2 */
	assert_true(scores_of(f).impact_updated_at.us != NULL_TIME.us);
	kept = safe_cache_get(cache, &budget, "oracle_data:project:1");
	assert_non_null(kept);
	blob_unref(kept);
	assert_int_equal(impact_refresh(f->conn, cache, &budget, 2), ERR_NOT_FOUND);
	cache_destroy(cache);
	redis_destroy(redis);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_impact__of_a_new_project),
		CASE(test_impact__of_what_was_given_and_planted),
		CASE(test_impact__with_oracles),
		CASE(test_impact__every_score_stays_within_its_column),
		CASE(test_impact__what_is_no_number_counts_nothing),
		CASE(test_impact__again_keeps_one_row),
		CASE(test_impact__a_refresh_asks_the_oracles),
	};

	return RUN_ON_BOTH(tests);
}
