/*
 * Calls: usages, databases, pools, budgets, what the breaker learns from them, and faults for all n.
 */
#include "resilience/redis.h"

#include <pthread.h>
#include <signal.h>

#include "base/fault.h"
#include "base/metrics.h"
#include "resilience/redis_impl.h"
#include "tests/unit/resilience/core.h"

static void test_redis__without_any_url_everything_is_off(void **state)
{
	struct redis_config config = core_config(NULL);
	struct redis_usage_status status;
	struct redis *r;

	core_log_start();
	r = core_start(&config);
	for (int i = 0; i < REDIS_USAGES; i++) {
		static const char *const names[] = { "InMemoryChannelLayer", "LocMemCache", "InProcess" };

		assert_false(redis_configured(r, (enum redis_usage)i));
		assert_false(redis_usable(r, (enum redis_usage)i));
		assert_int_equal(core_get(r, (enum redis_usage)i), ERR_UNAVAILABLE);
		redis_report_fallback(r, (enum redis_usage)i, LOG_WARNING, "cache.fallback", "get", "key", str_of("k"));
		redis_report_failure(r, (enum redis_usage)i, "timeout", "nothing");
		status = core_status(r, (enum redis_usage)i);
		assert_true(status.available);
		assert_false(status.configured);
		assert_string_equal(status.state, "off");
		assert_string_equal(status.backend, names[i]);
		assert_null(status.fallback);
		assert_string_equal(status.error, "");
		assert_int_equal(status.fallbacks, 0);
	}
	assert_true(check_redis_available(r));
	assert_int_equal(redis_prober_pulse_age_us(r), 0);
	assert_string_equal(
	        core_log_line("", 0),
	        "{\"level\":\"INFO\",\"logger\":\"redis\",\"event\":\"redis.not_configured\",\"message\":\"No Redis is configured for "
	        "channels,cache,tasks: served in this process\",\"usage\":\"channels,cache,tasks\",\"state\":\"off\"}");
	assert_int_equal(core_log_count("\n"), 1);
	redis_destroy(r);
	redis_destroy(NULL);
}

static void test_redis__each_usage_has_its_database(void **state)
{
	const struct redis_command who = REDIS_COMMAND(STR("CLIENT"), STR("INFO"));
	struct redis_config config;
	struct test_redis server;
	struct redis *r;

	test_redis_start(&server, 0, NULL, NULL);
	config = core_config_port(server.port);
	r = core_start(&config);
	for (int i = 0; i < REDIS_USAGES; i++) {
		struct redis_reply *reply;
		char db[16];

		assert_true(redis_configured(r, (enum redis_usage)i));
		assert_int_equal(redis_call(r, (enum redis_usage)i, NULL, "who", &who, 1, &reply), 0);
		snprintf(db, sizeof(db), " db=%d ", i);
		assert_non_null(strstr(redis_reply_text(reply).s, db));
		redis_replies_free(&reply, 1);
	}
	redis_destroy(r);
	test_redis_stop(&server);
}

static void test_redis__origins_differ(void **state)
{
	struct redis_config config = core_config(NULL);
	struct redis *a = redis_create(&config), *b = redis_create(&config);

	assert_int_equal(strlen(redis_origin(a)), 16);
	assert_int_equal(strspn(redis_origin(a), "0123456789abcdef"), 16);
	assert_string_not_equal(redis_origin(a), redis_origin(b));
	redis_destroy(a);
	redis_destroy(b);
}

static void test_redis__nothing_is_tried_before_start(void **state)
{
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	r = redis_create(&config);
	assert_true(core_none_usable(r));
	assert_int_equal(core_get(r, REDIS_CACHE), ERR_UNAVAILABLE);
	assert_int_equal(fake.connections, 0);
	assert_int_equal(redis_start(r, NULL), 0);
	assert_int_equal(redis_start(r, NULL), ERR_INVALID);
	assert_true(core_all_usable(r));
	assert_int_equal(redis_on_recovery(r, REDIS_CACHE, NULL, NULL), ERR_INVALID);
	assert_int_equal(redis_on_state(r, NULL, NULL), ERR_INVALID);
	redis_destroy(r);
	fake_redis_stop(&fake);
}

/* ---- the pool ---- */

static void test_redis__connections_are_used_again(void **state)
{
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;
	int before;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	r = core_start(&config);
	before = fake.connections;
	assert_int_equal(before, 4); /* PING's and one trial for each usage, which went into its pool */
	for (int i = 0; i < 100; i++)
		assert_int_equal(core_get(r, REDIS_CACHE), 0);
	assert_int_equal(fake.connections, before);
	redis_destroy(r);
	fake_redis_stop(&fake);
}

#define CALLERS 16

static void *call_often(void *arg)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(core_get(arg, REDIS_CACHE), 0);
	return NULL;
}

static void test_redis__many_callers_share_a_bounded_pool(void **state)
{
	pthread_t threads[CALLERS];
	struct redis_config config;
	struct test_redis server;
	struct redis *r;
	struct usage *u;

	test_redis_start(&server, 0, NULL, NULL);
	config = core_config_port(server.port);
	config.command_timeout_us = 2 * US_PER_S;
	r = core_start(&config);
	u = &r->usages[REDIS_CACHE];
	for (int i = 0; i < CALLERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, r), 0);
	for (int i = 0; i < CALLERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&u->pool.busy), 0);
	assert_in_range(u->pool.n_idle, 1, config.pool_size);
	redis_destroy(r);
	test_redis_stop(&server);
}

static void test_redis__idle_connections_closed_by_the_server_are_no_outage(void **state)
{
	const struct redis_command kill_all = REDIS_COMMAND(STR("CLIENT"), STR("KILL"), STR("SKIPME"), STR("yes"));
	struct redis_config config;
	struct test_redis server;
	struct redis *r;

	test_redis_start(&server, 0, NULL, NULL);
	config = core_config_port(server.port);
	config.command_timeout_us = 2 * US_PER_S;
	r = core_start(&config);
	core_log_start();
	assert_int_equal(core_get(r, REDIS_CACHE), 0);
	for (int i = 0; i < 3; i++) {
		int64_t used = clock_monotonic_us();

		assert_int_equal(core_call(r, REDIS_TASKS, NULL, &kill_all, NULL), 0);
		assert_true(WAIT_FOR(ENOUGH_MS, clock_monotonic_us() - used > 60 * US_PER_MS)); /* idle long enough to be looked at */
		assert_int_equal(core_get(r, REDIS_CACHE), 0);
	}
	assert_int_equal(core_log_count("redis.unavailable"), 0);
	redis_destroy(r);
	test_redis_stop(&server);
}

/* ---- budgets ---- */

static void test_redis__a_spent_budget_asks_nothing(void **state)
{
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("k"));
	struct redis_budget budget = { 0 };
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	r = core_start(&config);
	for (int i = 0; i < 20; i++)
		assert_int_equal(core_call(r, REDIS_CACHE, &budget, &get, NULL), ERR_UNAVAILABLE);
	assert_true(redis_usable(r, REDIS_CACHE));
	budget.left_us = 150 * US_PER_MS;
	assert_int_equal(core_call(r, REDIS_CACHE, &budget, &get, NULL), 0);
	assert_in_range(budget.left_us, 1, 150 * US_PER_MS - 1);
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static void test_redis__a_request_waits_for_its_budget_at_most(void **state)
{
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("k"));
	struct redis_budget budget = { 150 * US_PER_MS };
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;
	int64_t start;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	r = core_start(&config);
	fake_redis_set(&fake, FAKE_SILENT);
	start = clock_monotonic_us();
	for (int i = 0; i < 10; i++)
		assert_true(core_call(r, (enum redis_usage)(i % 3), &budget, &get, NULL) < 0);
	assert_in_range(clock_monotonic_us() - start, 100 * US_PER_MS, 250 * US_PER_MS);
	assert_true(budget.left_us <= 0);
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static void test_redis__a_timeout_of_a_nearly_spent_budget_says_nothing(void **state)
{
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("k"));
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	config.command_timeout_us = 300 * US_PER_MS;
	r = core_start(&config);
	fake_redis_say(&fake, "GET", "", 0); /* only GET hangs: PING goes on */
	for (int i = 0; i < 4; i++) {
		struct redis_budget budget = { 10 * US_PER_MS };

		assert_int_equal(core_call(r, REDIS_CACHE, &budget, &get, NULL), ERR_TIMEOUT);
	}
	assert_true(redis_usable(r, REDIS_CACHE));
	redis_destroy(r);
	fake_redis_stop(&fake);
}

/* ---- what the breaker learns ---- */

static void test_redis__the_second_timeout_in_a_row_opens_its_usage_alone(void **state)
{
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	r = core_start(&config);
	fake_redis_say(&fake, "GET", "", 0);
	assert_int_equal(core_get(r, REDIS_TASKS), ERR_TIMEOUT);
	assert_true(redis_usable(r, REDIS_TASKS));
	assert_int_equal(core_get(r, REDIS_TASKS), ERR_TIMEOUT);
	assert_false(redis_usable(r, REDIS_TASKS));
	assert_int_equal(core_get(r, REDIS_TASKS), ERR_UNAVAILABLE);
	assert_true(redis_usable(r, REDIS_CHANNELS));
	assert_string_equal(core_status(r, REDIS_TASKS).error, "timeout");
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static void test_redis__outage_replies_open_and_say_so(void **state)
{
	static const struct {
		const char *reply, *class;
	} kinds[] = {
		{ "-LOADING x\r\n", "loading" },     { "-READONLY x\r\n", "read only" },
		{ "-OOM x\r\n", "out of memory" },   { "-NOAUTH x\r\n", "authentication failed" },
		{ "-MISCONF x\r\n", "unavailable" }, { "!bad\r\n", "unavailable" },
	};

	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		struct redis_config config;
		struct fake_redis fake;
		struct redis *r;

		fake_redis_start(&fake);
		config = core_config_port(fake.port);
		r = core_start(&config);
		fake_redis_say(&fake, "GET", kinds[i].reply, strlen(kinds[i].reply));
		assert_int_equal(core_get(r, REDIS_CHANNELS), ERR_UNAVAILABLE);
		assert_false(redis_usable(r, REDIS_CHANNELS));
		assert_string_equal(core_status(r, REDIS_CHANNELS).error, kinds[i].class);
		assert_true(redis_usable(r, REDIS_TASKS));
		redis_destroy(r);
		fake_redis_stop(&fake);
	}
}

static void test_redis__data_errors_and_oversized_replies_do_not_open(void **state)
{
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	r = core_start(&config);
	fake_redis_say(&fake, "GET", "-WRONGTYPE x\r\n", 14);
	assert_int_equal(core_get(r, REDIS_CACHE), 0);
	fake_redis_say(&fake, "GET", "$99999999\r\n", 11);
	assert_int_equal(core_get(r, REDIS_CACHE), ERR_UNAVAILABLE);
	assert_true(redis_usable(r, REDIS_CACHE));
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static void test_redis__an_open_breaker_makes_no_system_call(void **state)
{
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;
	int64_t start;
	int before;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	config.retry_us = 60 * US_PER_S;
	r = core_start(&config);
	fake_redis_set(&fake, FAKE_RESETS);
	assert_int_equal(core_get(r, REDIS_CACHE), ERR_UNAVAILABLE);
	assert_true(WAIT_FOR(ENOUGH_MS, core_none_usable(r))); /* the prober was called, and told the others */
	before = fake.connections;
	start = clock_monotonic_us();
	for (int i = 0; i < 3000; i++)
		assert_int_equal(core_get(r, (enum redis_usage)(i % 3)), ERR_UNAVAILABLE);
	assert_true(clock_monotonic_us() - start < 3000 * 100); /* 0.1 ms each is far more than they need */
	assert_int_equal(fake.connections, before);
	redis_destroy(r);
	fake_redis_stop(&fake);
}

/* ---- one transition ---- */

#define THREADS 32

struct stampede {
	struct redis *redis;
	pthread_barrier_t start;
	atomic_int opened;
};

static void note_state(enum redis_usage usage, enum breaker_state to, void *arg)
{
	struct stampede *s = arg;

	if (usage == REDIS_CACHE && to == BREAKER_OPEN)
		atomic_fetch_add(&s->opened, 1);
}

static void *fail_together(void *arg)
{
	struct stampede *s = arg;

	pthread_barrier_wait(&s->start);
	for (int i = 0; i < 20; i++)
		assert_true(core_get(s->redis, REDIS_CACHE) < 0);
	return NULL;
}

static void test_redis__32_threads_that_fail_make_one_transition(void **state)
{
	struct stampede s = { 0 };
	pthread_t threads[THREADS];
	struct redis_config config;
	struct test_redis server;
	int64_t counted;

	test_redis_start(&server, 0, NULL, NULL);
	config = core_config_port(server.port);
	config.retry_us = 60 * US_PER_S;
	s.redis = redis_create(&config);
	assert_int_equal(redis_on_state(s.redis, note_state, &s), 0);
	assert_int_equal(redis_start(s.redis, NULL), 0);
	pthread_barrier_init(&s.start, NULL, THREADS);
	core_log_start();
	counted = metric_value(metric_series(METRIC_REDIS_TRANSITIONS, "usage=\"cache\",to=\"open\""));
	test_redis_signal(&server, SIGKILL);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fail_together, &s), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(s.opened, 1);
	assert_int_equal(metric_value(metric_series(METRIC_REDIS_TRANSITIONS, "usage=\"cache\",to=\"open\"")), counted + 1);
	assert_int_equal(core_log_count("\"logger\":\"redis.cache\",\"event\":\"redis.unavailable\""), 1);
	redis_destroy(s.redis);
	pthread_barrier_destroy(&s.start);
	test_redis_stop(&server);
}

/* ---- faults ---- */

static void test_redis__every_fault_is_a_clean_refusal(void **state)
{
	static const enum fault_point points[] = { FAULT_REDIS, FAULT_ALLOC };
	struct fake_redis fake;

	fake_redis_start(&fake);
	for (int p = 0; p < 2; p++) {
		int failed = 0;

		for (int n = 1; n <= 16; n++) {
			struct redis_config config = core_config_port(fake.port);
			struct redis *r;
			int result = ERR_NOMEM;

			fault_arm(points[p], n, false);
			r = redis_create(&config);
			if (r)
				result = redis_start(r, NULL);
			for (int i = 0; r && i < 3 && result == 0; i++)
				result = core_get(r, REDIS_CACHE);
			fault_disarm_all();
			failed += result < 0;
			if (result < 0)
				assert_true(result == ERR_UNAVAILABLE || result == ERR_NOMEM || result == ERR_TIMEOUT);
			redis_destroy(r);
		}
		assert_in_range(failed, 2, 15);
	}
	fake_redis_stop(&fake);
}

static void test_redis__our_own_lack_of_memory_is_no_outage(void **state)
{
	enum { MANY = 40 };
	struct str args[MANY];
	const struct redis_command del = { args, MANY }; /* so many arguments need an allocation */
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;

	for (int i = 0; i < MANY; i++)
		args[i] = (struct str)STR("DEL");
	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	r = core_start(&config);
	fault_arm(FAULT_ALLOC, 1, true);
	assert_int_equal(core_call(r, REDIS_CACHE, NULL, &del, NULL), ERR_UNAVAILABLE);
	fault_disarm_all();
	assert_true(redis_usable(r, REDIS_CACHE));
	assert_int_equal(core_get(r, REDIS_CACHE), 0);
	redis_destroy(r);
	fake_redis_stop(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redis__without_any_url_everything_is_off),
		cmocka_unit_test(test_redis__each_usage_has_its_database),
		cmocka_unit_test(test_redis__origins_differ),
		cmocka_unit_test(test_redis__nothing_is_tried_before_start),
		cmocka_unit_test(test_redis__connections_are_used_again),
		cmocka_unit_test(test_redis__many_callers_share_a_bounded_pool),
		cmocka_unit_test(test_redis__idle_connections_closed_by_the_server_are_no_outage),
		cmocka_unit_test(test_redis__a_spent_budget_asks_nothing),
		cmocka_unit_test(test_redis__a_request_waits_for_its_budget_at_most),
		cmocka_unit_test(test_redis__a_timeout_of_a_nearly_spent_budget_says_nothing),
		cmocka_unit_test(test_redis__the_second_timeout_in_a_row_opens_its_usage_alone),
		cmocka_unit_test(test_redis__outage_replies_open_and_say_so),
		cmocka_unit_test(test_redis__data_errors_and_oversized_replies_do_not_open),
		cmocka_unit_test(test_redis__an_open_breaker_makes_no_system_call),
		cmocka_unit_test(test_redis__32_threads_that_fail_make_one_transition),
		cmocka_unit_test(test_redis__every_fault_is_a_clean_refusal),
		cmocka_unit_test(test_redis__our_own_lack_of_memory_is_no_outage),
	};

	core_log_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
