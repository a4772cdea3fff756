/*
 * Outages and recoveries: how soon they are seen, without any caller; what a trial asks; hooks before closing.
 */
#include <pthread.h>
#include <signal.h>

#include "base/cleanup.h"
#include "resilience/redis_conn.h"
#include "resilience/redis_impl.h"
#include "tests/unit/resilience/core.h"

#define WITHIN_MS  1000 /* the contract */
#define MACHINE_MS 300  /* what a busy test machine may add to it */

struct fixture {
	struct test_redis server;
	struct redis_config config;
	struct redis *redis;
};

static void begin(struct fixture *f)
{
	test_redis_start(&f->server, 0, NULL, NULL);
	f->config = core_config_port(f->server.port);
	f->redis = core_start(&f->config);
	assert_true(core_all_usable(f->redis));
}

static void end(struct fixture *f)
{
	redis_destroy(f->redis);
	test_redis_stop(&f->server);
}

/* ---- seen in time ---- */

static void test_redis_prober__a_killed_server_is_noticed_without_traffic(void **state)
{
	struct fixture f;

	begin(&f);
	test_redis_signal(&f.server, SIGKILL);
	assert_true(WAIT_FOR(WITHIN_MS, core_none_usable(f.redis)));
	for (int i = 0; i < REDIS_USAGES; i++) {
		struct redis_usage_status st = core_status(f.redis, (enum redis_usage)i);

		assert_false(st.available);
		assert_string_equal(st.error, "connection refused");
		assert_non_null(st.fallback);
	}
	end(&f);
}

static void test_redis_prober__a_hung_server_is_noticed_without_traffic(void **state)
{
	struct fixture f;

	begin(&f);
	test_redis_signal(&f.server, SIGSTOP);
	assert_true(WAIT_FOR(WITHIN_MS, core_none_usable(f.redis)));
	assert_string_equal(core_status(f.redis, REDIS_TASKS).error, "timeout");
	end(&f);
}

static void test_redis_prober__recovery_needs_neither_restart_nor_request(void **state)
{
	struct fixture f;

	begin(&f);
	for (int i = 0; i < 3; i++) {
		test_redis_signal(&f.server, SIGKILL);
		assert_true(WAIT_FOR(WITHIN_MS, core_none_usable(f.redis)));
		test_redis_restart(&f.server); /* returns when it answers */
		assert_true(WAIT_FOR(WITHIN_MS + MACHINE_MS, core_all_usable(f.redis)));
		assert_int_equal(core_get(f.redis, REDIS_CACHE), 0);
	}
	end(&f);
}

static void test_redis_prober__a_hung_server_that_goes_on_recovers(void **state)
{
	struct fixture f;

	begin(&f);
	test_redis_signal(&f.server, SIGSTOP);
	assert_true(WAIT_FOR(WITHIN_MS, core_none_usable(f.redis)));
	test_redis_signal(&f.server, SIGCONT);
	assert_true(WAIT_FOR(WITHIN_MS + MACHINE_MS, core_all_usable(f.redis)));
	assert_int_equal(core_get(f.redis, REDIS_CACHE), 0);
	end(&f);
}

static void test_redis_prober__one_failing_call_tells_all_usages(void **state)
{
	struct fixture f;
	int64_t start;

	begin(&f);
	assert_int_equal(core_get(f.redis, REDIS_CHANNELS), 0);
	test_redis_signal(&f.server, SIGKILL);
	start = clock_monotonic_us();
	assert_int_equal(core_get(f.redis, REDIS_CHANNELS), ERR_UNAVAILABLE);
	assert_true(WAIT_FOR(ENOUGH_MS, core_none_usable(f.redis)));
	assert_true(clock_monotonic_us() - start < 200 * US_PER_MS); /* long before the next regular PING */
	end(&f);
}

static void test_redis_prober__starts_before_its_server(void **state)
{
	struct redis_config config;
	struct test_redis server;
	struct redis *r;

	test_redis_start(&server, 0, NULL, NULL);
	test_redis_signal(&server, SIGKILL);
	config = core_config_port(server.port);
	r = core_start(&config);
	assert_true(core_none_usable(r));
	assert_string_equal(core_status(r, REDIS_CACHE).error, "connection refused");
	test_redis_restart(&server);
	assert_true(WAIT_FOR(WITHIN_MS + MACHINE_MS, core_all_usable(r)));
	redis_destroy(r);
	test_redis_stop(&server);
}

static void test_redis_prober__start_waits_a_bounded_time(void **state)
{
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;
	int64_t start;

	fake_redis_start(&fake);
	fake_redis_set(&fake, FAKE_SILENT);
	config = core_config_port(fake.port);
	start = clock_monotonic_us();
	r = core_start(&config);
	assert_true(clock_monotonic_us() - start < 1000 * US_PER_MS);
	assert_true(core_none_usable(r));
	fake_redis_set(&fake, FAKE_ANSWERS);
	assert_true(WAIT_FOR(ENOUGH_MS, core_all_usable(r)));
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static void test_redis_prober__a_name_that_does_not_resolve_is_an_outage(void **state)
{
	struct redis_config config = core_config("redis://no-such-host.invalid");
	struct redis *r;

	config.connect_timeout_us = 100 * US_PER_MS;
	r = core_start(&config);
	assert_true(core_none_usable(r));
	assert_int_equal(core_get(r, REDIS_CACHE), ERR_UNAVAILABLE);
	assert_false(core_status(r, REDIS_CACHE).available);
	redis_destroy(r);
}

static void test_redis_prober__servers_do_not_wait_for_each_other(void **state)
{
	struct redis_config config;
	struct fake_redis hangs, dies;
	struct redis *r;
	char cache[64];

	fake_redis_start(&hangs);
	fake_redis_start(&dies);
	config = core_config_port(hangs.port);
	snprintf(cache, sizeof(cache), "redis://127.0.0.1:%d/1", dies.port);
	assert_int_equal(redis_url_parse(cache, &config.url[REDIS_CACHE], NULL), 0);
	r = core_start(&config);
	assert_true(core_all_usable(r));
	fake_redis_set(&dies, FAKE_SILENT);
	assert_true(WAIT_FOR(WITHIN_MS, !redis_usable(r, REDIS_CACHE)));
	assert_true(redis_usable(r, REDIS_CHANNELS));
	fake_redis_set(&hangs, FAKE_SILENT);
	assert_true(WAIT_FOR(WITHIN_MS, core_none_usable(r)));
	fake_redis_set(&dies, FAKE_ANSWERS);
	assert_true(WAIT_FOR(WITHIN_MS + MACHINE_MS, redis_usable(r, REDIS_CACHE)));
	assert_false(redis_usable(r, REDIS_CHANNELS));
	redis_destroy(r);
	fake_redis_stop(&hangs);
	fake_redis_stop(&dies);
}

/* ---- what a trial asks ---- */

/* What opens the breaker of a usage with these manners stays as long as they do. */
static void assert_stays_open_while_set_fails(enum redis_usage usage, const char *open_by, const char *reply)
{
	const struct redis_command set = REDIS_COMMAND(STR("SET"), STR("k"), STR("v"));
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;
	int seen;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	config.retry_us = 20 * US_PER_MS;
	r = core_start(&config);
	fake_redis_say(&fake, open_by, reply, strlen(reply));
	assert_int_equal(core_call(r, usage, NULL, &set, NULL), ERR_UNAVAILABLE);
	seen = fake.commands;
	assert_true(WAIT_FOR(ENOUGH_MS, fake.commands > seen + 30)); /* many trials */
	assert_false(redis_usable(r, usage));
	fake_redis_set(&fake, FAKE_ANSWERS);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(r, usage)));
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static void test_redis_prober__the_trial_of_the_cache_writes(void **state)
{
	assert_stays_open_while_set_fails(REDIS_CACHE, "SET", "-READONLY no\r\n");
}

static void test_redis_prober__after_an_error_reply_every_trial_writes(void **state)
{
	assert_stays_open_while_set_fails(REDIS_TASKS, "SET", "-OOM no\r\n"); /* else it would open and close twice a second */
}

static void test_redis_prober__the_value_read_back_is_compared(void **state)
{
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;

	fake_redis_start(&fake);
	fake_redis_say(&fake, "GET", "$2\r\nno\r\n", 8);
	config = core_config_port(fake.port);
	r = core_start(&config);
	assert_false(redis_usable(r, REDIS_CACHE));
	assert_non_null(strstr(core_status(r, REDIS_CACHE).error_text, "not the value that was written"));
	assert_true(redis_usable(r, REDIS_CHANNELS)); /* PING only */
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static void test_redis_prober__a_wrong_database_is_of_one_usage(void **state)
{
	struct redis_config config;
	struct test_redis server;
	struct redis *r;

	test_redis_start(&server, 0, NULL, "--databases", "2", NULL);
	config = core_config_port(server.port);
	r = core_start(&config);
	assert_true(redis_usable(r, REDIS_CHANNELS));
	assert_true(redis_usable(r, REDIS_CACHE));
	assert_false(redis_usable(r, REDIS_TASKS));
	assert_non_null(strstr(core_status(r, REDIS_TASKS).error_text, "select database 2"));
	redis_destroy(r);
	test_redis_stop(&server);
}

static void test_redis_prober__a_server_that_answers_ping_with_an_error_is_down(void **state)
{
	struct redis_config config;
	struct fake_redis fake;
	struct redis *r;

	fake_redis_start(&fake);
	config = core_config_port(fake.port);
	r = core_start(&config);
	assert_true(core_all_usable(r));
	fake_redis_say(&fake, "PING", "-BUSY running a script\r\n", 24);
	assert_true(WAIT_FOR(WITHIN_MS, core_none_usable(r)));
	redis_destroy(r);
	fake_redis_stop(&fake);
}

static void test_redis_prober__connections_of_an_older_generation_are_not_used(void **state)
{
	const struct redis_command id = REDIS_COMMAND(STR("CLIENT"), STR("ID"));
	struct redis_reply *before, *after;
	struct fixture f;

	begin(&f);
	assert_int_equal(redis_call(f.redis, REDIS_TASKS, NULL, "id", &id, 1, &before), 0);
	redis_report_failure(f.redis, REDIS_TASKS, "other", "only for the test");
	assert_false(redis_usable(f.redis, REDIS_TASKS));
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_TASKS)));
	assert_int_equal(redis_call(f.redis, REDIS_TASKS, NULL, "id", &id, 1, &after), 0);
	assert_int_not_equal(redis_reply_int(before), redis_reply_int(after));
	redis_replies_free(&before, 1);
	redis_replies_free(&after, 1);
	end(&f);
}

static void test_redis_prober__its_pulse_is_young_even_in_an_outage(void **state)
{
	struct fixture f;

	begin(&f);
	assert_true(redis_prober_pulse_age_us(f.redis) < 1000 * US_PER_MS);
	test_redis_signal(&f.server, SIGSTOP);
	assert_true(WAIT_FOR(ENOUGH_MS, core_none_usable(f.redis)));
	assert_true(redis_prober_pulse_age_us(f.redis) < 1500 * US_PER_MS);
	end(&f);
}

/* ---- hooks ---- */

struct repairs {
	struct redis *redis;
	atomic_int calls;
	atomic_int usable_meanwhile;
	atomic_int refuse; /* how many calls still fail */
	atomic_bool hold;
	_Atomic int last_state; /* told by the state hook, when the repair ran */
	_Atomic int state;
};

static int repair(struct redis_conn *conn, int64_t deadline_us, void *arg)
{
	const struct redis_command set = REDIS_COMMAND(STR("SET"), STR("repaired"), STR("yes"));
	struct repairs *p = arg;
	struct redis_reply *reply;

	atomic_fetch_add(&p->calls, 1);
	if (redis_usable(p->redis, REDIS_CACHE))
		atomic_fetch_add(&p->usable_meanwhile, 1);
	while (atomic_load(&p->hold))
		usleep(1000);
	if (atomic_load(&p->refuse) > 0) {
		atomic_fetch_sub(&p->refuse, 1);
		return ERR_INTERNAL;
	}
	assert_true(deadline_us > clock_monotonic_us());
	assert_int_equal(redis_conn_call(conn, &set, 1, deadline_us, &reply, NULL, NULL), 0);
	redis_replies_free(&reply, 1);
	atomic_store(&p->last_state, atomic_load(&p->state));
	return 0;
}

static void note_state(enum redis_usage usage, enum breaker_state to, void *arg)
{
	if (usage == REDIS_CACHE)
		atomic_store(&((struct repairs *)arg)->state, (int)to);
}

static void begin_with_hooks(struct fixture *f, struct repairs *p)
{
	test_redis_start(&f->server, 0, NULL, NULL);
	f->config = core_config_port(f->server.port);
	f->config.retry_us = 50 * US_PER_MS;
	f->redis = p->redis = redis_create(&f->config);
	assert_int_equal(redis_on_recovery(f->redis, REDIS_CACHE, repair, p), 0);
	assert_int_equal(redis_on_state(f->redis, note_state, p), 0);
	assert_int_equal(redis_start(f->redis, NULL), 0);
}

static void test_redis_prober__hooks_run_before_the_usage_closes(void **state)
{
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("repaired"));
	struct repairs p = { .state = -1 };
	struct fixture f;

	begin_with_hooks(&f, &p);
	assert_int_equal(p.calls, 0); /* a good start has nothing to repair */
	assert_int_equal(p.state, -1);
	test_redis_signal(&f.server, SIGKILL);
	assert_true(WAIT_FOR(ENOUGH_MS, p.state == BREAKER_OPEN || p.state == BREAKER_HALF_OPEN));
	test_redis_restart(&f.server);
	assert_true(WAIT_FOR(ENOUGH_MS, p.state == BREAKER_CLOSED));
	assert_int_equal(p.calls, 1);
	assert_int_equal(p.usable_meanwhile, 0);
	assert_int_equal(p.last_state, BREAKER_HALF_OPEN);
	assert_int_equal(core_call(f.redis, REDIS_CACHE, NULL, &get, "yes"), 0); /* in the usage's own database */
	end(&f);
}

static void test_redis_prober__a_hook_that_refuses_keeps_it_open(void **state)
{
	struct repairs p = { .refuse = 3 };
	struct fixture f;

	begin_with_hooks(&f, &p);
	redis_report_failure(f.redis, REDIS_CACHE, "other", "only for the test");
	assert_true(WAIT_FOR(ENOUGH_MS, p.calls == 2));
	assert_false(redis_usable(f.redis, REDIS_CACHE));
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CACHE)));
	assert_int_equal(p.calls, 4);
	end(&f);
}

static void *forget_hooks(void *arg)
{
	struct repairs *p = arg;

	redis_off_hooks(p->redis, p);
	return NULL;
}

static void test_redis_prober__hooks_can_be_taken_back_while_one_runs(void **state)
{
	struct repairs p = { .hold = true };
	struct fixture f;
	pthread_t thread;
	int told;

	begin_with_hooks(&f, &p);
	redis_report_failure(f.redis, REDIS_CACHE, "other", "only for the test");
	assert_true(WAIT_FOR(ENOUGH_MS, p.calls == 1));
	assert_int_equal(pthread_create(&thread, NULL, forget_hooks, &p), 0);
	atomic_store(&p.hold, false);
	pthread_join(thread, NULL);
	told = p.state;
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CACHE)));
	redis_report_failure(f.redis, REDIS_CACHE, "other", "only for the test");
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CACHE)));
	assert_int_equal(p.calls, 1);
	assert_true(p.state == told);
	end(&f);
}

static void test_redis_prober__eight_hooks_and_no_more(void **state)
{
	struct redis_config config = core_config(NULL);
	struct redis *r = redis_create(&config);

	for (int i = 0; i < 8; i++) {
		assert_int_equal(redis_on_recovery(r, REDIS_CACHE, repair, NULL), 0);
		assert_int_equal(redis_on_state(r, note_state, NULL), 0);
	}
	assert_int_equal(redis_on_recovery(r, REDIS_CACHE, repair, NULL), ERR_LIMIT);
	assert_int_equal(redis_on_state(r, note_state, NULL), ERR_LIMIT);
	redis_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redis_prober__a_killed_server_is_noticed_without_traffic),
		cmocka_unit_test(test_redis_prober__a_hung_server_is_noticed_without_traffic),
		cmocka_unit_test(test_redis_prober__recovery_needs_neither_restart_nor_request),
		cmocka_unit_test(test_redis_prober__a_hung_server_that_goes_on_recovers),
		cmocka_unit_test(test_redis_prober__one_failing_call_tells_all_usages),
		cmocka_unit_test(test_redis_prober__starts_before_its_server),
		cmocka_unit_test(test_redis_prober__start_waits_a_bounded_time),
		cmocka_unit_test(test_redis_prober__a_name_that_does_not_resolve_is_an_outage),
		cmocka_unit_test(test_redis_prober__servers_do_not_wait_for_each_other),
		cmocka_unit_test(test_redis_prober__the_trial_of_the_cache_writes),
		cmocka_unit_test(test_redis_prober__after_an_error_reply_every_trial_writes),
		cmocka_unit_test(test_redis_prober__the_value_read_back_is_compared),
		cmocka_unit_test(test_redis_prober__a_wrong_database_is_of_one_usage),
		cmocka_unit_test(test_redis_prober__a_server_that_answers_ping_with_an_error_is_down),
		cmocka_unit_test(test_redis_prober__connections_of_an_older_generation_are_not_used),
		cmocka_unit_test(test_redis_prober__its_pulse_is_young_even_in_an_outage),
		cmocka_unit_test(test_redis_prober__hooks_run_before_the_usage_closes),
		cmocka_unit_test(test_redis_prober__a_hook_that_refuses_keeps_it_open),
		cmocka_unit_test(test_redis_prober__hooks_can_be_taken_back_while_one_runs),
		cmocka_unit_test(test_redis_prober__eight_hooks_and_no_more),
	};

	core_log_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
