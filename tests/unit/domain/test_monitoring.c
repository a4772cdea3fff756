#include "domain/monitoring.h"

#include "tests/unit/domain/fixture.h"

#define HOUR (3600 * US_PER_S)

static int clean(void **state)
{
	int r = begin(state);

	write_rows(*state, "DELETE FROM monitoring_performance_metric; DELETE FROM monitoring_alert");
	return r;
}

/* What one closure does: reserves n ids, and writes a row under each of `rows`. */
struct order {
	struct fixture *f;
	enum report_kind kind;
	size_t n;
	int64_t ids[300];
	const struct metric_report *metrics;
	const struct alert_report *alerts;
	size_t rows;
};

static int carry_out(struct db_conn *db, void *arg)
{
	struct order *o = arg;
	int r = monitoring_reserve_ids(db, o->kind, &o->f->arena, o->n, o->ids);

	for (size_t i = 0; i < o->rows && r == 0; i++)
		r = o->kind == REPORT_METRIC ? monitoring_write_metric(db, o->ids[i], &o->metrics[i])
		                             : monitoring_write_alert(db, o->ids[i], &o->alerts[i]);
	return r;
}

static struct report_origin origin_at(int64_t us)
{
	return (struct report_origin){ .user_id = NULL_INT, .timestamp = { us }, .metadata = { STR("{}") } };
}

static void write_metrics(struct fixture *f, struct order *o, const struct metric_report *metrics, size_t n)
{
	*o = (struct order){ .f = f, .kind = REPORT_METRIC, .n = n, .metrics = metrics, .rows = n };
	assert_ok(db_write(f->conn, carry_out, o));
}

static void write_alerts(struct fixture *f, struct order *o, const struct alert_report *alerts, size_t n)
{
	*o = (struct order){ .f = f, .kind = REPORT_ALERT, .n = n, .alerts = alerts, .rows = n };
	assert_ok(db_write(f->conn, carry_out, o));
}

static void test_monitoring__names_of_metrics_and_levels(void **state)
{
	(void)state;
	assert_string_equal(monitoring_metric_type(TEXT("LCP")), "LCP");
	assert_string_equal(monitoring_metric_type(TEXT("API_Duration")), "API_Duration");
	assert_string_equal(monitoring_metric_type(TEXT("lcp")), "Custom");
	assert_string_equal(monitoring_metric_type(NOTHING), "Custom");
	assert_string_equal(monitoring_alert_level(TEXT("critical")), "critical");
	assert_string_equal(monitoring_alert_level(TEXT("performance")), "performance");
	assert_string_equal(monitoring_alert_level(TEXT("Critical")), "info");
	assert_string_equal(monitoring_alert_level(NOTHING), "info");
}

static void test_monitoring__ids_are_nobody_elses(void **state)
{
	struct fixture *f = *state;
	struct order first = { .f = f, .kind = REPORT_METRIC, .n = 300 }, second = { .f = f, .kind = REPORT_METRIC, .n = 2 };
	int64_t max = 0;

	assert_ok(db_write(f->conn, carry_out, &first));
	for (size_t i = 1; i < 300; i++)
		assert_true(first.ids[i] > first.ids[i - 1]);
	write_rows(f, "INSERT INTO monitoring_performance_metric (metric_type, value, metadata, timestamp) VALUES ('LCP', 1, '{}', "
	              "'2026-01-05 00:00:00')"); /* as Django inserts */
	assert_ok(db_select_int(f->conn, "SELECT max(id) FROM monitoring_performance_metric", DB_NO_PARAMS, &max));
	assert_true(max > first.ids[299]);
	assert_ok(db_write(f->conn, carry_out, &second));
	assert_true(second.ids[0] > max);
}

static void test_monitoring__every_column_of_a_metric(void **state)
{
	struct fixture *f = *state;
	const struct metric_report m[] = {
		{ "LCP", 1.25, { TEXT("/a"), TEXT("agent"), TEXT("2001:db8::1"), 7, { january(5) }, { STR("{\"a\": [1]}") } } },
		{ "FID", -2, { NOTHING, NOTHING, NOTHING, 99, { january(5) }, { STR("{}") } } },
	};
	struct order o;
	int64_t n = 0;

	write_rows(f, "INSERT INTO auth_user (id, password, is_superuser, is_staff, is_active, username, last_name, email, date_joined, "
	              "first_name) VALUES (7, '', FALSE, FALSE, TRUE, 'ana', '', '', '2026-01-05 00:00:00', '')");
	write_metrics(f, &o, m, 2);
	assert_ok(db_write(f->conn, carry_out, &(struct order){ .f = f, .kind = REPORT_METRIC })); /* nothing at all */
	assert_ok(db_select_int(
	        f->conn,
	        "SELECT count(*) FROM monitoring_performance_metric WHERE metric_type = 'LCP' AND value = 1.25 AND url = '/a' "
	        "AND user_agent = 'agent' AND user_id = 7 AND timestamp = '2026-01-05 00:00:00'",
	        DB_NO_PARAMS, &n));
	assert_int_equal(n, 1);
	/* an account that is gone is nobody */
	assert_ok(
	        db_select_int(f->conn,
	                      "SELECT count(*) FROM monitoring_performance_metric WHERE metric_type = 'FID' AND url IS NULL AND user_agent "
	                      "IS NULL AND ip_address IS NULL AND user_id IS NULL",
	                      DB_NO_PARAMS, &n));
	assert_int_equal(n, 1);
	assert_ok(db_select_int(f->conn, "SELECT count(*) FROM monitoring_performance_metric WHERE ip_address IS NOT NULL", DB_NO_PARAMS,
	                        &n));
	assert_int_equal(n, 1);
}

static int write_again(struct db_conn *db, void *arg)
{
	const struct order *o = arg;

	return monitoring_write_alert(db, o->ids[0], &o->alerts[0]);
}

static void test_monitoring__a_row_is_written_once(void **state)
{
	struct fixture *f = *state;
	const struct alert_report alert = { "info", TEXT("x"), origin_at(january(5)) };
	struct order o;
	int64_t n = 0;

	write_alerts(f, &o, &alert, 1);
	assert_ok(db_write(f->conn, write_again, &o));
	assert_ok(db_select_int(f->conn, "SELECT count(*) FROM monitoring_alert", DB_NO_PARAMS, &n));
	assert_int_equal(n, 1);
}

static void test_monitoring__stats_by_type(void **state)
{
	struct fixture *f = *state;
	const struct metric_report m[] = {
		{ "Custom", 4, origin_at(january(5)) }, { "CLS", 0, origin_at(january(5)) },   { "CLS", 3, origin_at(january(6)) },
		{ "CLS", 100, origin_at(january(1)) },  { "LCP", 2.5, origin_at(january(5)) },
	};
	struct instant since = { january(5) };
	const struct metric_stats *stats;
	struct db_rows rows;
	struct order o;

	write_metrics(f, &o, m, N_ELEMENTS(m));
	assert_ok(monitoring_stats(f->conn, &f->arena, since, NOTHING, &rows));
	assert_int_equal(rows.n, 3);
	stats = rows.items;
	assert_text(stats[0].type, "LCP");
	assert_text(stats[0].name, "Largest Contentful Paint");
	assert_text(stats[1].type, "CLS");
	assert_int_equal(stats[1].count, 2);
	assert_true(stats[1].avg == 1.5 && stats[1].min == 0 && stats[1].max == 3);
	assert_text(stats[2].type, "Custom");
	assert_ok(monitoring_stats(f->conn, &f->arena, since, TEXT("CLS"), &rows));
	assert_int_equal(rows.n, 1);
	assert_ok(monitoring_stats(f->conn, &f->arena, since, TEXT("nothing"), &rows));
	assert_int_equal(rows.n, 0);
}

static void test_monitoring__alerts_newest_first(void **state)
{
	struct fixture *f = *state;
	struct alert_report a[105];
	const struct monitoring_alert *found;
	struct db_rows rows;
	struct order o;
	int64_t n = 0;

	for (size_t i = 0; i < N_ELEMENTS(a); i++)
		a[i] = (struct alert_report){ i % 5 ? "info" : "error", TEXT("x"), origin_at(january(5) + (int64_t)(i / 2) * HOUR) };
	write_alerts(f, &o, a, N_ELEMENTS(a));
	assert_ok(monitoring_alerts(f->conn, &f->arena, (struct instant){ january(5) }, false, NOTHING, &rows, &n));
	assert_int_equal(n, 105);
	assert_int_equal(rows.n, MONITORING_LIST_MAX);
	found = rows.items;
	assert_int_equal(found[0].id, o.ids[104]);
	assert_int_equal(found[1].id, o.ids[103]); /* of two at a time the later id */
	assert_int_equal(found[2].id, o.ids[102]);
	assert_text(found[0].url, NULL);
	assert_text(found[0].metadata.text, "{}");
	assert_ok(monitoring_alerts(f->conn, &f->arena, (struct instant){ january(5) + 2 * HOUR }, false, TEXT("error"), &rows, &n));
	assert_int_equal(n, 20);
	assert_ok(monitoring_alerts(f->conn, &f->arena, (struct instant){ january(5) }, true, NOTHING, &rows, &n));
	assert_int_equal(n, 0);
	assert_ok(monitoring_resolve(f->conn, o.ids[7]));
	assert_ok(monitoring_alerts(f->conn, &f->arena, (struct instant){ january(5) }, true, NOTHING, &rows, &n));
	assert_int_equal(n, 1);
	assert_true(((const struct monitoring_alert *)rows.items)[0].resolved);
	assert_int_equal(monitoring_resolve(f->conn, o.ids[104] + 1000), ERR_NOT_FOUND);
}

static void test_monitoring__old_rows_are_purged_in_parts(void **state)
{
	struct fixture *f = *state;
	struct metric_report m[7];
	struct order o;
	int64_t n = 0;

	for (size_t i = 0; i < N_ELEMENTS(m); i++)
		m[i] = (struct metric_report){ "LCP", 1, origin_at(january((int)i + 1)) };
	write_metrics(f, &o, m, N_ELEMENTS(m));
	assert_int_equal(monitoring_purge(f->conn, REPORT_METRIC, (struct instant){ january(6) }, 3), 3);
	assert_int_equal(monitoring_purge(f->conn, REPORT_METRIC, (struct instant){ january(6) }, 3), 2);
	assert_int_equal(monitoring_purge(f->conn, REPORT_ALERT, (struct instant){ january(6) }, 3), 0);
	assert_ok(db_select_int(f->conn, "SELECT count(*) FROM monitoring_performance_metric", DB_NO_PARAMS, &n));
	assert_int_equal(n, 2);
}

static void test_monitoring__failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct order o = { .f = f, .kind = REPORT_ALERT, .n = 3 };
	struct db_rows rows;
	int64_t n = 5;

	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(db_write(f->conn, carry_out, &o) < 0);
	assert_true(monitoring_stats(f->conn, &f->arena, (struct instant){ 0 }, NOTHING, &rows) < 0);
	assert_true(monitoring_alerts(f->conn, &f->arena, (struct instant){ 0 }, false, NOTHING, &rows, &n) < 0);
	assert_true(monitoring_resolve(f->conn, 1) < 0);
	assert_true(monitoring_purge(f->conn, REPORT_ALERT, (struct instant){ 0 }, 1) < 0);
}

#define CLEAN(name) cmocka_unit_test_setup_teardown(name, clean, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLEAN(test_monitoring__names_of_metrics_and_levels),
		CLEAN(test_monitoring__ids_are_nobody_elses),
		CLEAN(test_monitoring__every_column_of_a_metric),
		CLEAN(test_monitoring__a_row_is_written_once),
		CLEAN(test_monitoring__stats_by_type),
		CLEAN(test_monitoring__alerts_newest_first),
		CLEAN(test_monitoring__old_rows_are_purged_in_parts),
		CLEAN(test_monitoring__failures_are_told),
	};

	return RUN_ON_BOTH(tests);
}
