/* Series live as long as the process, so each test takes labels of its own. */
#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "tests/lib/test.h"

static void assert_has(struct str text, const char *line)
{
	if (!memmem(text.s, text.len, line, strlen(line)))
		fail_msg("no %s in\n%.*s", line, STR_ARG(text));
}

static void assert_shown(const char *line)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	metrics_render(&b);
	assert_false(b.failed);
	assert_has(buf_view(&b), line);
}

static void test_metrics__the_same_labels_give_the_same_series(void **state)
{
	struct metric *m = metric_series(METRIC_REDIS_ERRORS, "usage=\"same\"");

	assert_ptr_equal(metric_series(METRIC_REDIS_ERRORS, "usage=\"same\""), m);
	assert_ptr_equal(metric_seriesf(METRIC_REDIS_ERRORS, "usage=\"%s\"", "same"), m);
	assert_ptr_not_equal(metric_series(METRIC_REDIS_ERRORS, "usage=\"other\""), m);
	assert_ptr_not_equal(metric_series(METRIC_REDIS_FALLBACKS, "usage=\"same\""), m);
}

static void test_metrics__a_counter_counts(void **state)
{
	struct metric *m = metric_series(METRIC_HTTP_REFUSED, "reason=\"counter\"");

	metric_add(m, 1);
	metric_add(m, 41);
	assert_int_equal(metric_value(m), 42);
	assert_shown("\n# TYPE egoejo_http_refused_total counter\n");
	assert_shown("\negoejo_http_refused_total{reason=\"counter\"} 42\n");
}

static void test_metrics__a_gauge_goes_up_and_down(void **state)
{
	struct metric *m = metric_series(METRIC_HTTP_CONNECTIONS, "");

	metric_set(m, 10);
	metric_add(m, -3);
	assert_int_equal(metric_value(m), 7);
	assert_shown("# HELP egoejo_http_connections Open client connections\n# TYPE egoejo_http_connections "
	             "gauge\negoejo_http_connections 7\n");
}

static void test_metrics__seconds_are_shown_as_seconds(void **state)
{
	struct metric *m = metric_series(METRIC_REDIS_DOWNTIME, "usage=\"seconds\"");

	metric_add_us(m, 1500000);
	metric_add_us(m, 1);
	assert_shown("egoejo_redis_downtime_seconds_total{usage=\"seconds\"} 1.500001\n");
}

static void test_metrics__a_histogram_is_cumulative(void **state)
{
	struct metric *m = metric_series(METRIC_REDIS_SECONDS, "usage=\"h\"");

	metric_observe_us(m, 0);
	metric_observe_us(m, 1000); /* a limit belongs to its bucket */
	metric_observe_us(m, 1001);
	metric_observe_us(m, 499999);
	metric_observe_us(m, 500001); /* beyond the last limit */
	assert_int_equal(metric_value(m), 5);
	assert_shown("# TYPE egoejo_redis_seconds histogram\n");
	assert_shown("egoejo_redis_seconds_bucket{usage=\"h\",le=\"0.001\"} 2\n"
	             "egoejo_redis_seconds_bucket{usage=\"h\",le=\"0.002\"} 3\n"
	             "egoejo_redis_seconds_bucket{usage=\"h\",le=\"0.005\"} 3\n"
	             "egoejo_redis_seconds_bucket{usage=\"h\",le=\"0.01\"} 3\n"
	             "egoejo_redis_seconds_bucket{usage=\"h\",le=\"0.025\"} 3\n"
	             "egoejo_redis_seconds_bucket{usage=\"h\",le=\"0.05\"} 3\n"
	             "egoejo_redis_seconds_bucket{usage=\"h\",le=\"0.1\"} 3\n"
	             "egoejo_redis_seconds_bucket{usage=\"h\",le=\"0.25\"} 3\n"
	             "egoejo_redis_seconds_bucket{usage=\"h\",le=\"0.5\"} 4\n"
	             "egoejo_redis_seconds_bucket{usage=\"h\",le=\"+Inf\"} 5\n"
	             "egoejo_redis_seconds_sum{usage=\"h\"} 1.002001\n"
	             "egoejo_redis_seconds_count{usage=\"h\"} 5\n");
}

static void test_metrics__a_histogram_without_labels(void **state)
{
	struct metric *m = metric_series(METRIC_HTTP_SECONDS, "");

	metric_observe_us(m, 60);
	assert_shown("egoejo_http_request_duration_seconds_bucket{le=\"5e-05\"} 0\n"
	             "egoejo_http_request_duration_seconds_bucket{le=\"0.0001\"} 1\n");
	assert_shown("egoejo_http_request_duration_seconds_bucket{le=\"+Inf\"} 1\n"
	             "egoejo_http_request_duration_seconds_sum 0.000060\n"
	             "egoejo_http_request_duration_seconds_count 1\n");
}

static void test_metrics__an_observation_of_a_counter_changes_nothing(void **state)
{
	struct metric *m = metric_series(METRIC_HTTP_REFUSED, "reason=\"observe\"");

	metric_observe_us(m, 5);
	assert_int_equal(metric_value(m), 0);
}

/* Each line is a comment or "name[{labels}] number"; a family is announced once, before its samples. */
static void test_metrics__the_text_is_well_formed(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	char family[100] = "";
	struct str rest, line;
	int samples = 0;

	metric_series(METRIC_CACHE_HITS, "backend=\"memory\"");
	metrics_render(&b);
	rest = buf_view(&b);
	while (str_split(&rest, '\n', &line) && rest.s) {
		double value;
		ptrdiff_t space;

		if (str_starts(line, "# HELP ")) {
			assert_int_equal(sscanf(line.s, "# HELP %99s", family), 1);
			assert_true(strncmp(family, "egoejo_", 7) == 0);
			continue;
		}
		if (str_starts(line, "# TYPE "))
			continue;
		assert_true(str_starts(line, family));
		for (space = (ptrdiff_t)line.len - 1; line.s[space] != ' '; space--)
			assert_true(space > 0);
		assert_true(str_to_double((struct str){ line.s + space + 1, line.len - (size_t)space - 1 }, &value));
		samples++;
	}
	assert_true(samples > 10);
	assert_int_equal(line.len, 0); /* ends with a line feed */
}

static void test_metrics__a_family_is_announced_once(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	const char *first;

	metric_series(METRIC_DB_ERRORS, "kind=\"a\"");
	metric_series(METRIC_DB_ERRORS, "kind=\"b\"");
	metrics_render(&b);
	first = strstr(b.data, "# TYPE egoejo_db_errors_total");
	assert_non_null(first);
	assert_null(strstr(first + 1, "# TYPE egoejo_db_errors_total"));
}

static void test_metrics__names_follow_the_conventions(void **state)
{
	enum { COUNTER, GAUGE, HISTOGRAM_HTTP, HISTOGRAM_REDIS, HISTOGRAM_TASK };
	static const struct {
		const char *name;
		int type;
	} all[] = {
#define METRIC(id, name, type, help) { name, type },
#include "base/metrics.def"
#undef METRIC
	};

	for (size_t i = 0; i < N_ELEMENTS(all); i++) {
		size_t n = strlen(all[i].name);
		bool total = n > 6 && strcmp(all[i].name + n - 6, "_total") == 0;

		assert_true(strncmp(all[i].name, "egoejo_", 7) == 0);
		assert_int_equal(total, all[i].type == COUNTER);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(all[i].name, all[k].name);
	}
}

static void collect_gauge(void *arg)
{
	metric_set(metric_series(METRIC_THREADS, "role=\"collected\""), ++*(int *)arg);
}

static void test_metrics__collectors_run_before_each_rendering(void **state)
{
	int calls = 0;

	metrics_on_collect(collect_gauge, &calls);
	assert_shown("egoejo_threads{role=\"collected\"} 1\n");
	assert_shown("egoejo_threads{role=\"collected\"} 2\n");
	metrics_off_collect(&calls);
	assert_shown("egoejo_threads{role=\"collected\"} 2\n");
	assert_int_equal(calls, 2);
}

static void test_metrics__without_memory_a_series_is_not_shown(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	for (int n = 1; n <= 2; n++) {
		struct metric *m;

		fault_arm(FAULT_ALLOC, n, false);
		m = metric_series(METRIC_REDIS_POOL, "state=\"lost\"");
		fault_disarm_all();
		assert_non_null(m);
		metric_set(m, 987654);
		metric_observe_us(m, 1);
		metric_add(m, 1);
	}
	metrics_render(&b);
	assert_null(strstr(b.data, "lost"));
	assert_null(strstr(b.data, "987654"));
	metric_series(METRIC_REDIS_POOL, "state=\"lost\"");
	assert_shown("egoejo_redis_pool{state=\"lost\"} 0\n"); /* the next one finds memory again */
}

static void test_metrics__labels_that_do_not_fit_are_not_cut(void **state)
{
	struct metric *m = metric_seriesf(METRIC_REDIS_POOL, "state=\"%0300d\"", 1);
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	assert_non_null(m);
	metric_add(m, 1);
	metrics_render(&b);
	assert_null(strstr(b.data, "00000000000000000000"));
}

static void *count_often(void *arg)
{
	for (int i = 0; i < 10000; i++) {
		metric_add(metric_series(METRIC_REDIS_TRANSITIONS, "usage=\"threads\""), 1);
		metric_observe_us(metric_series(METRIC_REDIS_SECONDS, "usage=\"threads\""), i);
	}
	return NULL;
}

static void test_metrics__nothing_is_lost_across_threads(void **state)
{
	pthread_t threads[4];
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_often, NULL), 0);
	for (int i = 0; i < 50; i++) {
		buf_clear(&b);
		metrics_render(&b);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metric_value(metric_series(METRIC_REDIS_TRANSITIONS, "usage=\"threads\"")), 40000);
	assert_int_equal(metric_value(metric_series(METRIC_REDIS_SECONDS, "usage=\"threads\"")), 40000);
	assert_shown("egoejo_redis_seconds_bucket{usage=\"threads\",le=\"0.001\"} 4004\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metrics__the_same_labels_give_the_same_series),
		cmocka_unit_test(test_metrics__a_counter_counts),
		cmocka_unit_test(test_metrics__a_gauge_goes_up_and_down),
		cmocka_unit_test(test_metrics__seconds_are_shown_as_seconds),
		cmocka_unit_test(test_metrics__a_histogram_is_cumulative),
		cmocka_unit_test(test_metrics__a_histogram_without_labels),
		cmocka_unit_test(test_metrics__an_observation_of_a_counter_changes_nothing),
		cmocka_unit_test(test_metrics__the_text_is_well_formed),
		cmocka_unit_test(test_metrics__a_family_is_announced_once),
		cmocka_unit_test(test_metrics__names_follow_the_conventions),
		cmocka_unit_test(test_metrics__collectors_run_before_each_rendering),
		cmocka_unit_test(test_metrics__without_memory_a_series_is_not_shown),
		cmocka_unit_test(test_metrics__labels_that_do_not_fit_are_not_cut),
		cmocka_unit_test(test_metrics__nothing_is_lost_across_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
