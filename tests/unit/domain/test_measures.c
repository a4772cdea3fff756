#include "domain/measures.h"

#include <pthread.h>

#include "base/metrics.h"
#include "tests/unit/domain/fixture.h"

static struct measures *measures;

static int clean(void **state)
{
	struct fixture *f = *state;
	struct error err;
	int r = begin(state);

	write_rows(f, "DELETE FROM monitoring_performance_metric; DELETE FROM monitoring_alert");
	assert_int_equal(measures_create(f->db, &measures, &err), 0);
	assert_int_equal(measures_start(measures, &err), 0);
	return r;
}

static int finish(void **state)
{
	fault_disarm_all();
	measures_destroy(measures);
	measures = NULL;
	return end(state);
}

static int64_t dropped(void)
{
	return metric_value(metric_series(METRIC_MEASURES, "outcome=\"dropped\""));
}

static struct metric_report metric_from(const char *address)
{
	return (struct metric_report){
		"LCP",
		1.5,
		{ .address = str_of(address), .user_id = NULL_INT, .timestamp = { january(5) }, .metadata = { STR("{\"page\": \"x\"}") } }
	};
}

static int64_t add(const char *address)
{
	const struct metric_report m = metric_from(address);
	int64_t id = -1;

	assert_int_equal(measures_add_metric(measures, &m, &id), 0);
	return id;
}

static int64_t count(struct fixture *f)
{
	int64_t n = -1;

	assert_ok(db_select_int(f->conn, "SELECT count(*) FROM monitoring_performance_metric", DB_NO_PARAMS, &n));
	return n;
}

static void test_measures__an_id_is_the_rows_own(void **state)
{
	struct fixture *f = *state;
	struct alert_report alert = { "error", TEXT("texte"), metric_from("192.0.2.1").from };
	int64_t first = add("192.0.2.1"), second = add("192.0.2.1"), alert_id = -1, n = 0;

	assert_true(second == first + 1);
	assert_int_equal(measures_add_alert(measures, &alert, &alert_id), 0);
	assert_true(alert_id > 0);
	measures_settle(measures, 10 * US_PER_S);
	assert_ok(db_select_int(f->conn, "SELECT id FROM monitoring_performance_metric ORDER BY id LIMIT 1", DB_NO_PARAMS, &n));
	assert_int_equal(n, first);
	assert_ok(db_select_int(f->conn, "SELECT id FROM monitoring_alert WHERE message = 'texte' AND level = 'error'", DB_NO_PARAMS, &n));
	assert_int_equal(n, alert_id);
	assert_int_equal(count(f), 2);
}

static void test_measures__the_surplus_of_an_address_is_dropped(void **state)
{
	struct fixture *f = *state;
	int64_t before = dropped(), taken = 0, id;

	for (int i = 0; i < 100; i++) {
		id = add("192.0.2.7");
		assert_true(id >= 0);
		taken += id > 0;
	}
	assert_in_range(taken, MEASURES_PER_SECOND, 3 * MEASURES_PER_SECOND); /* a slow machine may need two seconds */
	assert_int_equal(dropped() - before, 100 - taken);
	assert_true(add("192.0.2.8") > 0);
	measures_settle(measures, 10 * US_PER_S);
	assert_int_equal(count(f), taken + 1);
}

static void test_measures__an_orderly_end_loses_nothing(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++)
		add("192.0.2.1");
	measures_destroy(measures);
	measures = NULL;
	assert_int_equal(count(f), 10);
}

static void test_measures__reports_wait_while_the_database_fails(void **state)
{
	struct fixture *f = *state;

	add("192.0.2.1");
	measures_settle(measures, 10 * US_PER_S);
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(add("192.0.2.1") > 0); /* ids are there, so nobody waits */
	measures_settle(measures, 300 * US_PER_MS);
	fault_disarm_all();
	measures_settle(measures, 10 * US_PER_S);
	assert_int_equal(count(f), 2);
}

static void test_measures__without_ids_there_is_an_error(void **state)
{
	const struct metric_report m = metric_from("192.0.2.1");
	int64_t id = 7;

	(void)state;
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(measures_add_metric(measures, &m, &id) < 0);
	assert_int_equal(id, 7);
	fault_disarm_all();
	clock_advance_for_tests(2 * US_PER_S);
	assert_int_equal(measures_add_metric(measures, &m, &id), 0);
	assert_true(id > 0 && id != 7);
}

static void test_measures__one_that_cannot_be_written_harms_no_other(void **state)
{
	struct fixture *f = *state;
	struct metric_report wrong = metric_from("192.0.2.1");
	int64_t before = dropped(), id;

	wrong.from.metadata.text = TEXT("this is no JSON");
	add("192.0.2.1");
	assert_int_equal(measures_add_metric(measures, &wrong, &id), 0);
	add("192.0.2.1");
	measures_settle(measures, 10 * US_PER_S);
	assert_int_equal(count(f), 2);
	assert_int_equal(dropped() - before, 1);
}

static void *add_some(void *arg)
{
	const char *address = arg;
	int64_t taken = 0;

	for (int i = 0; i < MEASURES_PER_SECOND; i++) {
		const struct metric_report m = metric_from(address);
		int64_t id = 0;

		taken += measures_add_metric(measures, &m, &id) == 0 && id > 0;
	}
	return (void *)(intptr_t)taken;
}

static void test_measures__eight_threads(void **state)
{
	static char addresses[8][16];
	struct fixture *f = *state;
	pthread_t threads[8];
	intptr_t sum = 0;
	void *taken;

	for (int i = 0; i < 8; i++) {
		snprintf(addresses[i], sizeof(addresses[i]), "192.0.2.%d", i);
		assert_int_equal(pthread_create(&threads[i], NULL, add_some, addresses[i]), 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &taken);
		sum += (intptr_t)taken;
	}
	assert_int_equal(sum, 8 * MEASURES_PER_SECOND);
	measures_settle(measures, 10 * US_PER_S);
	assert_int_equal(count(f), sum);
}

static void test_measures__old_rows_go_each_hour(void **state)
{
	struct fixture *f = *state;

	add("192.0.2.1"); /* of January */
	measures_settle(measures, 10 * US_PER_S);
	clock_advance_for_tests(INT64_C(91) * 86400 * US_PER_S);
	for (int i = 0; i < 1000 && count(f) > 0; i++)
		usleep(10000);
	assert_int_equal(count(f), 0);
	assert_true(measures_pulse_age_us(measures) < 60 * US_PER_S);
}

#define CLEAN(name) cmocka_unit_test_setup_teardown(name, clean, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLEAN(test_measures__an_id_is_the_rows_own),
		CLEAN(test_measures__the_surplus_of_an_address_is_dropped),
		CLEAN(test_measures__an_orderly_end_loses_nothing),
		CLEAN(test_measures__reports_wait_while_the_database_fails),
		CLEAN(test_measures__without_ids_there_is_an_error),
		CLEAN(test_measures__one_that_cannot_be_written_harms_no_other),
		CLEAN(test_measures__eight_threads),
		CLEAN(test_measures__old_rows_go_each_hour),
	};

	return RUN_ON_BOTH(tests);
}
