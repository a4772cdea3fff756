/*
 * The mission's tests that belong to the core, under the mission's names (spec resilience.md 3); the failing client is a
 * server that refuses the write. The others are in cache/, realtime/ and tasks/.
 */
#include "base/fault.h"
#include "tests/unit/resilience/core.h"

#define INJECTED "-MISCONF injected: the disk is gone\r\n"

struct fixture {
	struct fake_redis fake;
	struct redis *redis;
};

static int begin(void **state)
{
	static struct fixture f;
	struct redis_config config;

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

static void test_redis_resilience_redis_health_check_success(void **state)
{
	struct fixture *f = *state;
	struct redis_probe_status status;

	assert_true(check_redis_available(f->redis));
	get_redis_status(f->redis, &status);
	assert_true(status.available);
	assert_string_equal(status.backend, "RedisCache");
	assert_string_equal(status.error, "");
	assert_int_equal(core_log_count("\n"), 0);
}

static void test_redis_resilience_redis_health_check_failure(void **state)
{
	struct fixture *f = *state;

	fake_redis_say(&f->fake, "SET", INJECTED, strlen(INJECTED));
	assert_false(check_redis_available(f->redis));
	assert_non_null(strstr(core_log_line("redis.unavailable", 0), "\"level\":\"ERROR\""));
}

static void test_redis_resilience_get_redis_status_on_failure(void **state)
{
	struct fixture *f = *state;
	struct redis_probe_status status;

	fake_redis_say(&f->fake, "SET", INJECTED, strlen(INJECTED));
	for (int i = 0; i < 2; i++) { /* the second time without asking Redis */
		get_redis_status(f->redis, &status);
		assert_false(status.available);
		assert_string_equal(status.backend, "RedisCache");
		assert_non_null(strstr(status.error, "injected: the disk is gone"));
	}
}

/* ---- beyond the mission's ---- */

static void test_redis_resilience_the_value_is_compared(void **state)
{
	struct fixture *f = *state;
	struct redis_probe_status status;

	fake_redis_say(&f->fake, "GET", "$5\r\nstale\r\n", 11);
	get_redis_status(f->redis, &status);
	assert_false(status.available);
	assert_non_null(strstr(status.error, "not the value that was written"));
	fake_redis_say(&f->fake, "GET", "-WRONGTYPE no\r\n", 15);
	get_redis_status(f->redis, &status);
	assert_non_null(strstr(status.error, "WRONGTYPE"));
}

static void test_redis_resilience_a_write_that_is_refused_as_data_is_a_failure_of_the_check_only(void **state)
{
	struct fixture *f = *state;

	fake_redis_say(&f->fake, "SET", "-NOPERM no\r\n", 12);
	assert_false(check_redis_available(f->redis));
	assert_true(redis_usable(f->redis, REDIS_CACHE));
}

static void test_redis_resilience_every_fault_is_a_false_with_a_text(void **state)
{
	struct fixture *f = *state;
	struct redis_probe_status status;

	for (int i = 0; i < 3; i++) {
		fault_arm(FAULT_REDIS, 1, true); /* whatever talks to Redis fails, the prober too */
		get_redis_status(f->redis, &status);
		assert_false(status.available);
		assert_non_null(strstr(status.error, "injected failure"));
		assert_true(WAIT_FOR(ENOUGH_MS, core_none_usable(f->redis)));
		fault_disarm_all();
		assert_true(WAIT_FOR(ENOUGH_MS, core_all_usable(f->redis)));
		assert_true(check_redis_available(f->redis));
	}
}

static void test_redis_resilience_a_check_of_a_hung_server_is_short(void **state)
{
	struct fixture *f = *state;
	int64_t start = clock_monotonic_us();

	fake_redis_set(&f->fake, FAKE_SILENT);
	assert_false(check_redis_available(f->redis));
	assert_false(check_redis_available(f->redis));
	assert_true(clock_monotonic_us() - start < 600 * US_PER_MS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_redis_resilience_##name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(redis_health_check_success),
		CASE(redis_health_check_failure),
		CASE(get_redis_status_on_failure),
		CASE(the_value_is_compared),
		CASE(a_write_that_is_refused_as_data_is_a_failure_of_the_check_only),
		CASE(every_fault_is_a_false_with_a_text),
		CASE(a_check_of_a_hung_server_is_short),
	};

	core_log_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
