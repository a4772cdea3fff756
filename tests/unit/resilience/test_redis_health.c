#include "resilience/redis_health.h"

#include "tests/unit/resilience/core.h"

struct fixture {
	struct fake_redis fake;
	struct redis *redis;
	int calls;
	char error[240];
};

static int begin(void **state)
{
	static struct fixture f;
	struct redis_config config;

	f.calls = 0;
	fake_redis_start(&f.fake);
	config = core_config_port(f.fake.port);
	f.redis = core_start(&config);
	core_log_start();
	*state = &f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	redis_destroy(f->redis);
	fake_redis_stop(&f->fake);
	return 0;
}

static void note(void *arg, const struct redis_probe_status *status)
{
	struct fixture *f = arg;

	f->calls++;
	snprintf(f->error, sizeof(f->error), "%s", status->error);
}

static struct redis_probe_status ask(struct fixture *f, enum redis_health_source source)
{
	struct redis_probe_status status;

	check_redis_health(f->redis, source, note, f, &status);
	return status;
}

static void test_redis_health__up_is_an_info(void **state)
{
	struct fixture *f = *state;

	assert_true(ask(f, REDIS_HEALTH_PROBE).available);
	assert_true(ask(f, REDIS_HEALTH_BREAKERS).available);
	assert_string_equal(ask(f, REDIS_HEALTH_BREAKERS).backend, "RedisCache");
	assert_non_null(strstr(core_log_line("redis.checked", 0), "\"level\":\"INFO\""));
	assert_int_equal(core_log_count("redis.down_hourly"), 0);
	assert_int_equal(f->calls, 0);
}

static void test_redis_health__down_is_critical_and_somebody_elses_to_tell(void **state)
{
	struct fixture *f = *state;

	fake_redis_stop(&f->fake);
	assert_true(WAIT_FOR(ENOUGH_MS, core_none_usable(f->redis)));
	for (int source = REDIS_HEALTH_PROBE; source <= REDIS_HEALTH_BREAKERS; source++) {
		struct redis_probe_status status = ask(f, (enum redis_health_source)source);

		assert_false(status.available);
		assert_true(*status.error);
		assert_string_equal(status.error, f->error);
	}
	assert_int_equal(f->calls, 2);
	assert_non_null(strstr(core_log_line("redis.down_hourly", 1), "\"level\":\"CRITICAL\""));
}

/* The broker's usage alone is down: the probe, which asks the cache, cannot see it. */
static void test_redis_health__the_breakers_know_of_every_usage(void **state)
{
	struct fixture *f = *state;
	struct redis_probe_status status;

	redis_report_failure(f->redis, REDIS_TASKS, "timeout", "deaf");
	status = ask(f, REDIS_HEALTH_BREAKERS);
	assert_false(status.available);
	assert_string_equal(status.backend, "RedisBroker");
	assert_non_null(strstr(status.error, "tasks: "));
	assert_null(strstr(status.error, "cache"));
	check_redis_health(f->redis, REDIS_HEALTH_BREAKERS, NULL, NULL, &status);
}

static void test_redis_health__not_configured_is_well(void **state)
{
	const struct redis_config config = { .connect_timeout_us = 1, .command_timeout_us = 1, .retry_us = 1, .pool_size = 1 };
	struct redis *redis = redis_create(&config);
	struct redis_probe_status status;

	core_log_start();
	check_redis_health(redis, REDIS_HEALTH_BREAKERS, NULL, NULL, &status);
	assert_true(status.available);
	assert_string_equal(status.backend, "LocMemCache");
	check_redis_health(redis, REDIS_HEALTH_PROBE, NULL, NULL, &status);
	assert_true(status.available);
	redis_destroy(redis);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_redis_health__up_is_an_info, begin, end),
		cmocka_unit_test_setup_teardown(test_redis_health__down_is_critical_and_somebody_elses_to_tell, begin, end),
		cmocka_unit_test_setup_teardown(test_redis_health__the_breakers_know_of_every_usage, begin, end),
		cmocka_unit_test(test_redis_health__not_configured_is_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
