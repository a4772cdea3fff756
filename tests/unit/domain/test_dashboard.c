#include "domain/dashboard.h"

#include "tests/unit/domain/fixture.h"

static struct redis *redis;
static struct cache *cache;

/* Without Redis, in this process: as one that runs alone. */
static void open_cache(void)
{
	const struct redis_config config = { .connect_timeout_us = 1000, .command_timeout_us = 1000, .retry_us = 1000, .pool_size = 1 };

	redis = redis_create(&config);
	cache = cache_create(&(struct cache_config){ .max_bytes = 1 << 20, .max_entries = 100, .redis = redis });
	assert_non_null(cache);
}

static void close_cache(void)
{
	cache_destroy(cache);
	redis_destroy(redis);
}

static struct dashboard read_it(struct fixture *f)
{
	struct dashboard d = { .projects_supported = -1 };
	struct redis_budget budget = { 1000000 };

	assert_ok(dashboard_read(f->conn, cache, &budget, 1, &d));
	return d;
}

static int64_t tasks(struct fixture *f)
{
	int64_t n;

	assert_ok(db_select_int(f->conn, "SELECT COUNT(*) FROM egoejo_outbox WHERE name = '" DASHBOARD_REFRESH_TASK "'", DB_NO_PARAMS, &n));
	return n;
}

static void add_people(struct fixture *f)
{
	write_rows(f, "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
	              "first_name) VALUES (1, '', false, 'a', '', 'a@example.org', false, true, '2026-01-01 00:00:00', ''),"
	              "(2, '', false, 'b', '', 'b@example.org', false, true, '2026-01-01 00:00:00', '');"
	              "INSERT INTO core_cagnotte (id, titre, description, montant_cible, montant_collecte, created_at, projet_id) VALUES "
	              "(1, 'x', '', 10, 0, '2026-01-01 00:00:00', NULL), (2, 'y', '', 10, 0, '2026-01-01 00:00:00', NULL)");
}

static void test_dashboard__what_somebody_brought_about(void **state)
{
	struct fixture *f = *state;
	struct dashboard d;

	add_people(f);
	open_cache();
	d = read_it(f);
	assert_true(d.total_contributions == 0 && d.projects_supported == 0 && d.cagnottes_contributed == 0 && d.intentions_submitted == 0);
	write_rows(f,
	           "DELETE FROM impact_dashboard;"
	           "INSERT INTO core_contribution (montant, created_at, cagnotte_id, user_id) VALUES (10.25, '2026-01-01 00:00:00', 1, 1),"
	           "(2.5, '2026-01-01 00:00:00', 2, 1), (7, '2026-01-01 00:00:00', 2, 2);"
	           "INSERT INTO core_intent (nom, email, profil, created_at) VALUES ('n', 'a@example.org', '', '2026-01-01 00:00:00'),"
	           "('n', 'A@example.org', '', '2026-01-01 00:00:00'), ('n', 'a@example.org', '', '2026-01-01 00:00:00')");
	d = read_it(f);
	assert_true(d.total_contributions == 12.75);
	assert_int_equal(d.projects_supported, 1); /* none, twice, counts as one */
	assert_int_equal(d.cagnottes_contributed, 2);
	assert_int_equal(d.intentions_submitted, 2);
	close_cache();
}

static void test_dashboard__it_is_at_most_an_hour_old_and_a_task_asked_once_a_minute(void **state)
{
	struct fixture *f = *state;
	struct dashboard first, later;
	int64_t moved_us = 0;

	add_people(f);
	open_cache();
	first = read_it(f);
	read_it(f);
	assert_int_equal(tasks(f), 0);
	for (int i = 0; i < 3; i++) {
		clock_advance_for_tests(61 * US_PER_S);
		moved_us += 61 * US_PER_S;
		for (int k = 0; k < 3; k++) {
			later = read_it(f);
			assert_true(later.last_updated.us == first.last_updated.us);
			assert_int_equal(tasks(f), i + 1);
		}
	}
	clock_advance_for_tests(3600 * US_PER_S);
	moved_us += 3600 * US_PER_S;
	later = read_it(f);
	assert_true(later.last_updated.us > first.last_updated.us + 3600 * US_PER_S);
	assert_int_equal(tasks(f), 3);
	clock_advance_for_tests(-moved_us);
	close_cache();
}

static void test_dashboard__that_no_task_can_be_asked_changes_no_answer(void **state)
{
	struct fixture *f = *state;
	struct dashboard first, later = { .projects_supported = -1 };
	struct redis_budget budget = { 1000000 };

	add_people(f);
	open_cache();
	first = read_it(f);
	clock_advance_for_tests(61 * US_PER_S);
	fault_arm(FAULT_SQL_STEP, 2, true); /* the row is read, and nothing can be written */
	assert_ok(dashboard_read(f->conn, cache, &budget, 1, &later));
	fault_disarm_all();
	assert_true(later.last_updated.us == first.last_updated.us);
	assert_int_equal(later.projects_supported, first.projects_supported);
	assert_true(later.asking < 0);
	assert_int_equal(tasks(f), 0);
	clock_advance_for_tests(61 * US_PER_S);
	read_it(f);
	assert_int_equal(tasks(f), 1);
	clock_advance_for_tests(-122 * US_PER_S);
	close_cache();
}

static void test_dashboard__what_no_column_holds_is_cut(void **state)
{
	struct fixture *f = *state;

	add_people(f);
	open_cache();
	write_rows(f,
	           "INSERT INTO core_contribution (montant, created_at, cagnotte_id, user_id) VALUES (5e11, '2026-01-01 00:00:00', 1, 1)");
	assert_true(read_it(f).total_contributions == 99999999.99);
	close_cache();
}

static void test_dashboard__three_messages(void **state)
{
	const struct dashboard supports = { .projects_supported = 1, .intentions_submitted = 1 }, intends = { .intentions_submitted = 1 };
	const struct dashboard begins = { .total_contributions = 0 };

	assert_string_not_equal(dashboard_message(&supports), dashboard_message(&intends));
	assert_string_not_equal(dashboard_message(&intends), dashboard_message(&begins));
}

static int refresh(struct db_conn *db, void *ret_dashboard)
{
	return dashboard_refresh(db, 77, ret_dashboard);
}

static void test_dashboard__nobody_has_none(void **state)
{
	struct fixture *f = *state;
	struct dashboard d;

	assert_int_equal(db_write(f->conn, refresh, &d), ERR_NOT_FOUND);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_dashboard__what_somebody_brought_about),
		CASE(test_dashboard__it_is_at_most_an_hour_old_and_a_task_asked_once_a_minute),
		CASE(test_dashboard__that_no_task_can_be_asked_changes_no_answer),
		CASE(test_dashboard__what_no_column_holds_is_cut),
		CASE(test_dashboard__three_messages),
		CASE(test_dashboard__nobody_has_none),
	};

	return RUN_ON_BOTH(tests);
}
