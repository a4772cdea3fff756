/*
 * What others see: log lines word by word, what is suppressed, metrics, status; and no password anywhere.
 */
#include <signal.h>

#include "base/metrics.h"
#include "resilience/redis.h"
#include "resilience/redis_impl.h"
#include "tests/unit/resilience/core.h"

/* The line with what differs from run to run replaced: the port, and durations. */
static const char *normal(const char *line, int port)
{
	static char text[4096];
	char number[16];
	size_t n = 0;

	snprintf(number, sizeof(number), ":%d", port);
	for (const char *p = line; *p && n < sizeof(text) - 32; p++) {
		if (strncmp(p, number, strlen(number)) == 0) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, ":PORT");
			p += strlen(number) - 1;
		} else if (strncmp(p, "\"duration_ms\":", 14) == 0 || strncmp(p, "\"down_seconds\":", 15) == 0) {
			size_t name = strcspn(p, ":") + 1;

			n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*sN", (int)name, p);
			p += name + strspn(p + name, "0123456789.") - 1;
		} else {
			text[n++] = *p;
		}
	}
	text[n] = '\0';
	return text;
}

static void test_redis_report__an_outage_from_start_to_end(void **state)
{
	struct redis_config config;
	struct test_redis server;
	struct redis *r;

	test_redis_start(&server, 0, NULL, NULL);
	config = core_config_port(server.port);
	core_log_start();
	r = core_start(&config);
	assert_int_equal(core_log_count("\n"), 3);
	assert_string_equal(
	        core_log_line("redis.cache", 0),
	        "{\"level\":\"INFO\",\"logger\":\"redis.cache\",\"event\":\"redis.available\",\"message\":\"Redis is available for "
	        "cache\",\"usage\":\"cache\",\"backend\":\"RedisCache\",\"state\":\"closed\"}");
	assert_non_null(strstr(core_log_line("redis.channels", 0), "\"backend\":\"RedisChannelLayer\",\"state\":\"closed\"}"));
	assert_non_null(strstr(core_log_line("redis.tasks", 0), "\"backend\":\"RedisBroker\",\"state\":\"closed\"}"));

	core_log_start();
	test_redis_signal(&server, SIGKILL);
	assert_true(WAIT_FOR(ENOUGH_MS, core_log_count("redis.unavailable") == 3));
	assert_string_equal(
	        normal(core_log_line("redis.tasks", 0), server.port),
	        "{\"level\":\"ERROR\",\"logger\":\"redis.tasks\",\"event\":\"redis.unavailable\",\"message\":\"Redis is unavailable for "
	        "tasks: InProcess serves instead\",\"usage\":\"tasks\",\"backend\":\"RedisBroker\",\"state\":\"open\",\"error\":"
	        "\"redis://127.0.0.1:PORT/0: connect: Connection refused\",\"duration_ms\":N}");
	for (int i = 0; i < 3; i++)
		redis_report_fallback(r, REDIS_TASKS, LOG_WARNING, "tasks.sync_fallback", "run", "task", str_of("core.tasks.double"));
	assert_true(WAIT_FOR(ENOUGH_MS, metric_value(metric_series(METRIC_REDIS_TRANSITIONS, "usage=\"tasks\",to=\"half_open\"")) >= 2));

	core_log_start();
	test_redis_restart(&server);
	assert_true(WAIT_FOR(ENOUGH_MS, core_log_count("redis.available") == 3));
	assert_string_equal(
	        normal(core_log_line("redis.tasks", 0), server.port),
	        "{\"level\":\"INFO\",\"logger\":\"redis.tasks\",\"event\":\"redis.available\",\"message\":\"Redis is available again for "
	        "tasks\",\"usage\":\"tasks\",\"backend\":\"RedisBroker\",\"state\":\"closed\",\"down_seconds\":N,\"fallbacks\":3}");
	assert_int_equal(core_log_count("\n"), 3); /* the retries that failed wrote nothing */
	redis_destroy(r);
	test_redis_stop(&server);
}

static void test_redis_report__a_dead_server_at_start_is_told_once(void **state)
{
	struct metric *trials = metric_series(METRIC_REDIS_TRANSITIONS, "usage=\"cache\",to=\"half_open\"");
	struct redis_config config = core_config_port(test_free_port());
	int64_t before = metric_value(trials);
	struct redis *r;

	config.retry_us = 20 * US_PER_MS;
	core_log_start();
	r = core_start(&config);
	assert_true(WAIT_FOR(ENOUGH_MS, metric_value(trials) >= before + 10)); /* which all fail */
	assert_int_equal(core_log_count("redis.unavailable"), 3);
	assert_int_equal(core_log_count("\n"), 3);
	redis_destroy(r);
}

/* A core whose server is dead and will not be tried again in this test. */
static struct redis *start_dead(void)
{
	struct redis_config config = core_config_port(test_free_port());
	struct redis *r;

	config.retry_us = 3600 * US_PER_S;
	r = core_start(&config);
	core_log_start();
	return r;
}

static void report_get(struct redis *r, const char *key)
{
	redis_report_fallback(r, REDIS_CACHE, LOG_WARNING, "cache.fallback", "get", "key", str_of(key));
}

static void test_redis_report__a_fallback_names_its_key(void **state)
{
	struct redis *r = start_dead();
	char key[300], shown[128];

	report_get(r, "projets_list");
	assert_string_equal(
	        normal(core_log_line("cache.fallback", 0), r->servers[0].url.port),
	        "{\"level\":\"WARNING\",\"logger\":\"redis.cache\",\"event\":\"cache.fallback\",\"message\":\"Redis did not serve get of "
	        "cache: the fallback did\",\"usage\":\"cache\",\"backend\":\"RedisCache\",\"state\":\"open\",\"error\":"
	        "\"redis://127.0.0.1:PORT/0: connect: Connection refused\",\"key\":\"projets_list\"}");
	redis_report_fallback(r, REDIS_CHANNELS, LOG_ERROR, "channels.send_failed", "send", "group", str_of("chat_thread_7"));
	assert_non_null(strstr(core_log_line("channels.send_failed", 0), "\"level\":\"ERROR\""));
	assert_non_null(strstr(core_log_line("channels.send_failed", 0), "\"group\":\"chat_thread_7\"}"));
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	redis_report_fallback(r, REDIS_CACHE, LOG_WARNING, "an.event.of.its.own", "get", "key", str_of(key));
	snprintf(shown, sizeof(shown), "\"key\":\"%.100s\"}", key);
	assert_non_null(strstr(core_log_line("an.event", 0), shown));
	redis_destroy(r);
}

static void test_redis_report__at_most_one_line_per_event_usage_and_ten_seconds(void **state)
{
	struct redis *r = start_dead();

	for (int i = 0; i < 100; i++)
		report_get(r, "a");
	assert_int_equal(core_log_count("\n"), 1);
	assert_int_equal(core_log_count("suppressed"), 0);
	redis_report_fallback(r, REDIS_TASKS, LOG_WARNING, "cache.fallback", "get", "key", str_of("a"));       /* another usage */
	redis_report_fallback(r, REDIS_CACHE, LOG_WARNING, "tasks.sync_fallback", "run", "task", str_of("a")); /* another event */
	assert_int_equal(core_log_count("\n"), 3);
	clock_advance_for_tests(9 * US_PER_S);
	report_get(r, "b");
	assert_int_equal(core_log_count("\n"), 3);
	clock_advance_for_tests(2 * US_PER_S);
	report_get(r, "c");
	assert_int_equal(core_log_count("\n"), 4);
	assert_non_null(strstr(core_log_line("cache.fallback", 2), "\"key\":\"c\",\"suppressed\":100}"));
	clock_advance_for_tests(11 * US_PER_S);
	report_get(r, "d");
	assert_non_null(strstr(core_log_line("cache.fallback", 3), "\"key\":\"d\"}"));
	redis_destroy(r);
}

static void test_redis_report__a_new_outage_begins_with_a_line_of_its_own(void **state)
{
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	config.retry_us = 20 * US_PER_MS;
	r = core_start(&config);
	core_log_start();
	for (int i = 0; i < 3; i++) {
		redis_report_failure(r, REDIS_CACHE, "timeout", "only for the test");
		report_get(r, "k");
		report_get(r, "k");
		assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(r, REDIS_CACHE)));
	}
	assert_true(WAIT_FOR(ENOUGH_MS, core_log_count("redis.available") == 3));
	assert_int_equal(core_log_count("redis.unavailable"), 3); /* transitions are never suppressed */
	assert_int_equal(core_log_count("cache.fallback"), 3);
	assert_non_null(strstr(core_log_line("redis.unavailable", 0), "only for the test"));
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static void test_redis_report__a_failed_check_is_an_error_with_the_key(void **state)
{
	struct redis *r = start_dead();

	assert_false(check_redis_available(r));
	assert_int_equal(core_log_count("\n"), 0); /* the outage has just been told */
	clock_advance_for_tests(11 * US_PER_S);
	assert_false(check_redis_available(r));
	assert_non_null(strstr(core_log_line("redis.unavailable", 0), "\"level\":\"ERROR\",\"logger\":\"redis.cache\""));
	assert_non_null(strstr(core_log_line("redis.unavailable", 0), "Connection refused"));
	assert_non_null(strstr(core_log_line("redis.unavailable", 0), "\"suppressed\":1}"));
	redis_destroy(r);
}

/* ---- status and metrics ---- */

static void test_redis_report__status_of_each_state(void **state)
{
	struct redis_usage_status st;
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;
	int64_t start;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	config.retry_us = 3600 * US_PER_S;
	r = core_start(&config);
	st = core_status(r, REDIS_CACHE);
	assert_true(st.available && st.configured);
	assert_string_equal(st.state, "closed");
	assert_string_equal(st.backend, "RedisCache");
	assert_null(st.fallback);
	assert_string_equal(st.error, "");
	assert_string_equal(st.error_text, "");
	assert_true(st.latency_us >= 0);
	assert_int_equal(st.canary_us, -1);
	redis_note_canary(r, REDIS_CHANNELS, clock_monotonic_us() - 5000);
	assert_in_range(core_status(r, REDIS_CHANNELS).canary_us, 5000, ENOUGH_MS * 1000);

	fake_redis_set(&fake, FAKE_SILENT);
	redis_report_failure(r, REDIS_CACHE, "timeout", "a test");
	report_get(r, "k");
	start = clock_monotonic_us();
	st = core_status(r, REDIS_CACHE);
	assert_true(clock_monotonic_us() - start < 5 * US_PER_MS); /* whatever Redis does */
	assert_false(st.available);
	assert_string_equal(st.state, "open");
	assert_string_equal(st.backend, "RedisCache");
	assert_string_equal(st.fallback, "LocMemCache");
	assert_string_equal(st.error, "timeout");
	assert_non_null(strstr(st.error_text, "a test"));
	assert_int_equal(st.fallbacks, 1);
	assert_true(clock_now().us - st.since.us < US_PER_S);
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static bool has_metric(const char *line)
{
	struct buf b = BUF_EMPTY;
	bool found;

	metrics_render(&b);
	found = strstr(b.data, line);
	buf_finish(&b);
	return found;
}

static void test_redis_report__metrics_follow(void **state)
{
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;
	struct metric *down = metric_series(METRIC_REDIS_DOWNTIME, "usage=\"cache\"");
	struct metric *errors = metric_series(METRIC_REDIS_ERRORS, "usage=\"cache\",kind=\"oom\"");
	struct metric *fallbacks = metric_series(METRIC_REDIS_FALLBACKS, "usage=\"cache\",op=\"delete\"");
	struct metric *calls = metric_series(METRIC_REDIS_SECONDS, "usage=\"cache\",op=\"test\"");
	int64_t down_before = metric_value(down), errors_before = metric_value(errors), calls_before = metric_value(calls);

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	config.retry_us = 3600 * US_PER_S;
	r = core_start(&config);
	assert_int_equal(core_get(r, REDIS_CACHE), 0);
	assert_true(has_metric("egoejo_redis_up{usage=\"cache\"} 1\n"));
	assert_true(has_metric("egoejo_redis_breaker_state{usage=\"cache\",state=\"closed\"} 1\n"));
	assert_true(has_metric("egoejo_redis_breaker_state{usage=\"cache\",state=\"open\"} 0\n"));
	assert_true(has_metric("egoejo_redis_pool{usage=\"cache\",state=\"idle\"} 1\n"));
	fake_redis_say(&fake, "GET", "-OOM no\r\n", 9);
	assert_int_equal(core_get(r, REDIS_CACHE), ERR_UNAVAILABLE);
	redis_report_fallback(r, REDIS_CACHE, LOG_WARNING, "cache.fallback", "delete", "key", str_of("k"));
	clock_advance_for_tests(3 * US_PER_S);
	assert_true(has_metric("egoejo_redis_up{usage=\"cache\"} 0\n"));
	assert_true(has_metric("egoejo_redis_breaker_state{usage=\"cache\",state=\"open\"} 1\n"));
	assert_int_equal(metric_value(errors), errors_before + 1);
	assert_int_equal(metric_value(calls), calls_before + 2);
	assert_int_equal(metric_value(fallbacks), 1);
	assert_true(metric_value(down) - down_before >= 3 * US_PER_S); /* counted while it lasts */
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static void test_redis_report__ops_beyond_the_table_share_one_series(void **state)
{
	struct redis *r = start_dead();
	static char names[2 * OPS_MAX][16];

	for (int i = 0; i < 2 * OPS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "op%d", i);
		usage_op(&r->usages[REDIS_TASKS], names[i]);
	}
	assert_ptr_equal(usage_op(&r->usages[REDIS_TASKS], "op40"), usage_op(&r->usages[REDIS_TASKS], "op50"));
	assert_ptr_equal(usage_op(&r->usages[REDIS_TASKS], "op3"), usage_op(&r->usages[REDIS_TASKS], names[3]));
	assert_ptr_not_equal(usage_op(&r->usages[REDIS_TASKS], "op3"), usage_op(&r->usages[REDIS_TASKS], "op4"));
	redis_destroy(r);
}

/* ---- secrets ---- */

static void test_redis_report__no_password_in_any_output(void **state)
{
	struct redis_probe_status probe;
	struct redis_config config;
	struct test_redis server;
	struct redis *r;
	struct buf metrics = BUF_EMPTY;
	char url[128];

	test_redis_start(&server, 0, "right-hunter2", NULL);
	snprintf(url, sizeof(url), "redis://:wrong-hunter2@127.0.0.1:%d/0", server.port);
	config = core_config(url);
	core_log_start();
	r = core_start(&config);
	assert_true(core_none_usable(r)); /* a wrong password is an outage */
	assert_string_equal(core_status(r, REDIS_CACHE).error, "authentication failed");
	clock_advance_for_tests(11 * US_PER_S);
	get_redis_status(r, &probe);
	assert_false(probe.available);
	report_get(r, "k");
	metrics_render(&metrics);
	assert_int_equal(core_log_count("redis.unavailable"), 4);
	assert_int_equal(core_log_count("redis://***@127.0.0.1"), 5);
	assert_int_equal(core_log_count("hunter2"), 0);
	assert_int_equal(core_count(metrics.data, "hunter2"), 0);
	assert_int_equal(core_count(probe.error, "hunter2"), 0);
	assert_int_equal(core_count(core_status(r, REDIS_CACHE).error_text, "hunter2"), 0);
	buf_finish(&metrics);
	redis_destroy(r);
	test_redis_stop(&server);
}

static void test_redis_report__too_large_a_value_is_told_once_per_key_and_minute(void **state)
{
	const struct redis_config nowhere = { .connect_timeout_us = 1, .command_timeout_us = 1, .retry_us = 1, .pool_size = 1 };
	struct redis *r = redis_create(&nowhere);
	char long_key[301];

	memset(long_key, 'k', 300);
	long_key[300] = '\0';
	core_log_start();
	redis_report_too_large(r, (struct str)STR("a"), 2000000);
	redis_report_too_large(r, (struct str)STR("a"), 2000001);
	redis_report_too_large(r, (struct str)STR("b"), 2000002);
	assert_int_equal(core_log_count("\"level\":\"WARNING\",\"logger\":\"redis.cache\",\"event\":\"cache.too_large\""), 2);
	assert_int_equal(core_log_count("\"key\":\"a\",\"bytes\":2000000"), 1);
	assert_int_equal(core_log_count("\"key\":\"b\",\"bytes\":2000002"), 1);
	clock_advance_for_tests(61 * US_PER_S);
	redis_report_too_large(r, (struct str)STR("a"), 2000003);
	assert_int_equal(core_log_count("\"bytes\":2000003"), 1);
	redis_report_too_large(r, str_of(long_key), 2000004);
	long_key[100] = '\0';
	assert_non_null(strstr(core_log_line("2000004", 0), long_key));
	long_key[100] = 'k';
	long_key[101] = '\0';
	assert_null(strstr(core_log_line("2000004", 0), long_key));
	redis_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redis_report__too_large_a_value_is_told_once_per_key_and_minute),
		cmocka_unit_test(test_redis_report__an_outage_from_start_to_end),
		cmocka_unit_test(test_redis_report__a_dead_server_at_start_is_told_once),
		cmocka_unit_test(test_redis_report__a_fallback_names_its_key),
		cmocka_unit_test(test_redis_report__at_most_one_line_per_event_usage_and_ten_seconds),
		cmocka_unit_test(test_redis_report__a_new_outage_begins_with_a_line_of_its_own),
		cmocka_unit_test(test_redis_report__a_failed_check_is_an_error_with_the_key),
		cmocka_unit_test(test_redis_report__status_of_each_state),
		cmocka_unit_test(test_redis_report__metrics_follow),
		cmocka_unit_test(test_redis_report__ops_beyond_the_table_share_one_series),
		cmocka_unit_test(test_redis_report__no_password_in_any_output),
	};

	core_log_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
