#include "resilience/subscription.h"

#include <signal.h>

#include "base/fault.h"
#include "resilience/redis_conn.h"
#include "resilience/redis_impl.h"
#include "tests/unit/resilience/core.h"

struct fixture {
	struct test_redis server;
	struct fake_redis fake;
	struct redis_config config;
	struct redis *redis;
	struct subscription *sub;
	/* What the callbacks saw */
	atomic_int messages;
	atomic_int lists;
	atomic_int nils;
	char last[64];
	atomic_int lives, losses;
	_Atomic int64_t client_id;
	atomic_int usable_when_live;
};

static const char *const channels[] = { "egoejo:ws:test", "__redis__:invalidate" };

static void on_message(struct str channel, const struct redis_reply *payload, void *arg)
{
	struct fixture *f = arg;

	if (redis_reply_type(payload) == REDIS_REPLY_IS_LIST)
		atomic_fetch_add(&f->lists, 1);
	else if (redis_reply_type(payload) == REDIS_REPLY_IS_NIL)
		atomic_fetch_add(&f->nils, 1);
	else
		snprintf(f->last, sizeof(f->last), "%.*s=%.*s", STR_ARG(channel), STR_ARG(redis_reply_text(payload)));
	atomic_fetch_add(&f->messages, 1);
}

static void on_state(bool live, int64_t client_id, void *arg)
{
	struct fixture *f = arg;

	if (redis_usable(f->redis, REDIS_CHANNELS))
		atomic_fetch_add(&f->usable_when_live, live);
	atomic_store(&f->client_id, client_id);
	atomic_fetch_add(live ? &f->lives : &f->losses, 1);
}

static void subscribe(struct fixture *f, bool opens)
{
	const struct subscription_config config = {
		.usage = REDIS_CHANNELS,
		.name = "test-bus",
		.channels = channels,
		.n_channels = 2,
		.canary_opens_breaker = opens,
		.on_message = on_message,
		.on_state = on_state,
		.arg = f,
	};

	f->sub = subscription_create(f->redis, &config);
	assert_non_null(f->sub);
}

static void begin(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	test_redis_start(&f->server, 0, NULL, NULL);
	f->config = core_config_port(f->server.port);
	f->redis = core_start(&f->config);
	subscribe(f, true);
	assert_true(WAIT_FOR(ENOUGH_MS, f->lives == 1));
}

static void begin_fake(struct fixture *f, bool opens)
{
	memset(f, 0, sizeof(*f));
	fake_redis_start(&f->fake);
	f->config = core_config_port(f->fake.port);
	f->redis = core_start(&f->config);
	subscribe(f, opens);
	assert_true(WAIT_FOR(ENOUGH_MS, f->lives == 1));
}

static void end(struct fixture *f)
{
	subscription_destroy(f->sub);
	redis_destroy(f->redis);
	test_redis_stop(&f->server);
	fake_redis_stop(&f->fake);
}

static int publish(struct fixture *f, const char *text)
{
	const struct redis_command command = REDIS_COMMAND(STR("PUBLISH"), STR("egoejo:ws:test"), str_of(text));

	return core_call(f->redis, REDIS_TASKS, NULL, &command, NULL);
}

/* ---- normal life ---- */

static void test_subscription__receives_and_tells_its_client_id(void **state)
{
	struct fixture f;

	begin(&f);
	assert_true(f.client_id > 0);
	assert_true(subscription_live(f.sub));
	assert_int_equal(publish(&f, "hello"), 0);
	assert_true(WAIT_FOR(ENOUGH_MS, f.messages == 1));
	assert_string_equal(f.last, "egoejo:ws:test=hello");
	end(&f);
	subscription_destroy(NULL);
}

static void test_subscription__carries_client_tracking(void **state)
{
	const struct redis_command set = REDIS_COMMAND(STR("SET"), STR("egoejo:c1:k"), STR("v")), flush = REDIS_COMMAND(STR("FLUSHDB"));
	struct redis_reply *reply;
	struct redis_conn *conn = NULL;
	struct redis_address *address;
	struct fixture f;
	char id[24];

	begin(&f);
	snprintf(id, sizeof(id), "%lld", (long long)f.client_id);
	address = redis_address_resolve(&f.config.url[REDIS_CACHE], NULL);
	assert_int_equal(redis_conn_open(&f.config.url[REDIS_CACHE], address, clock_monotonic_us() + US_PER_S, &conn, NULL, NULL), 0);
	redis_address_destroy(address);
	{
		const struct redis_command track = REDIS_COMMAND(STR("CLIENT"), STR("TRACKING"), STR("ON"), STR("REDIRECT"), str_of(id),
		                                                 STR("BCAST"), STR("PREFIX"), STR("egoejo:c1:"), STR("NOLOOP"));

		assert_int_equal(redis_conn_call(conn, &track, 1, clock_monotonic_us() + US_PER_S, &reply, NULL, NULL), 0);
		assert_true(str_is(redis_reply_text(reply), "OK"));
		redis_replies_free(&reply, 1);
	}
	assert_int_equal(core_call(f.redis, REDIS_CACHE, NULL, &set, "OK"), 0);
	assert_true(WAIT_FOR(ENOUGH_MS, f.lists == 1));
	assert_int_equal(core_call(f.redis, REDIS_CACHE, NULL, &flush, "OK"), 0);
	assert_true(WAIT_FOR(ENOUGH_MS, f.nils == 1));
	redis_conn_destroy(conn);
	end(&f);
}

static void test_subscription__its_canary_comes_round(void **state)
{
	struct fixture f;

	begin(&f);
	assert_true(WAIT_FOR(ENOUGH_MS, core_status(f.redis, REDIS_CHANNELS).canary_us >= 0));
	clock_advance_for_tests(5 * US_PER_S);
	assert_true(core_status(f.redis, REDIS_CHANNELS).canary_us >= 5 * US_PER_S);
	assert_true(WAIT_FOR(ENOUGH_MS, core_status(f.redis, REDIS_CHANNELS).canary_us < US_PER_S)); /* the next one */
	assert_int_equal(f.messages, 0);                                                             /* canaries are nobody's business */
	assert_true(subscription_live(f.sub));
	end(&f);
}

static void test_subscription__needs_a_configured_usage(void **state)
{
	const struct subscription_config config = { .usage = REDIS_CHANNELS, .name = "x" };
	struct redis_config off = core_config(NULL);
	struct redis *r = core_start(&off);

	assert_null(subscription_create(r, &config));
	redis_destroy(r);
}

static void test_subscription__no_memory_no_subscription(void **state)
{
	const struct subscription_config config = { .usage = REDIS_CHANNELS, .name = "x" };
	struct fixture f;

	begin(&f);
	fault_arm(FAULT_ALLOC, 1, false);
	assert_null(subscription_create(f.redis, &config));
	fault_disarm_all();
	end(&f);
}

/* ---- outages ---- */

static void test_subscription__is_renewed_before_the_usage_closes(void **state)
{
	struct fixture f;

	begin(&f);
	for (int i = 1; i <= 3; i++) {
		test_redis_signal(&f.server, SIGKILL);
		assert_true(WAIT_FOR(ENOUGH_MS, core_none_usable(f.redis)));
		assert_true(WAIT_FOR(ENOUGH_MS, f.losses == i));
		assert_false(subscription_live(f.sub));
		f.usable_when_live = 0;
		test_redis_restart(&f.server);
		assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CHANNELS)));
		assert_int_equal(f.lives, i + 1); /* already, and before it was usable */
		assert_int_equal(f.usable_when_live, 0);
		assert_int_equal(publish(&f, "again") == 0 || WAIT_FOR(ENOUGH_MS, publish(&f, "again") == 0), true);
		assert_true(WAIT_FOR(ENOUGH_MS, f.messages >= i));
		assert_true(subscription_live(f.sub));
	}
	end(&f);
}

static void test_subscription__a_hung_server_is_given_up_and_found_again(void **state)
{
	struct fixture f;

	begin(&f);
	test_redis_signal(&f.server, SIGSTOP);
	assert_true(WAIT_FOR(ENOUGH_MS, f.losses == 1));
	test_redis_signal(&f.server, SIGCONT);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CHANNELS) && f.lives == 2));
	assert_true(WAIT_FOR(ENOUGH_MS, publish(&f, "back") == 0));
	assert_true(WAIT_FOR(ENOUGH_MS, f.messages >= 1));
	end(&f);
}

static void test_subscription__made_while_the_usage_is_open_begins_with_it(void **state)
{
	struct fixture f = { 0 };

	test_redis_start(&f.server, 0, NULL, NULL);
	f.config = core_config_port(f.server.port);
	test_redis_signal(&f.server, SIGKILL);
	f.redis = core_start(&f.config);
	subscribe(&f, true);
	assert_false(subscription_live(f.sub));
	test_redis_restart(&f.server);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CHANNELS)));
	assert_int_equal(f.lives, 1);
	assert_true(subscription_live(f.sub));
	end(&f);
}

static void test_subscription__a_killed_connection_alone_is_made_again_at_once(void **state)
{
	const struct redis_command kill_sub = REDIS_COMMAND(STR("CLIENT"), STR("KILL"), STR("TYPE"), STR("pubsub"));
	struct fixture f;

	begin(&f);
	assert_int_equal(core_call(f.redis, REDIS_TASKS, NULL, &kill_sub, NULL), 0);
	assert_true(WAIT_FOR(ENOUGH_MS, f.lives == 2 && f.losses == 1));
	assert_true(redis_usable(f.redis, REDIS_CHANNELS)); /* no outage */
	assert_int_equal(publish(&f, "still here"), 0);
	assert_true(WAIT_FOR(ENOUGH_MS, f.messages == 1));
	end(&f);
}

/* ---- deafness ---- */

static void test_subscription__a_deaf_one_is_found_within_three_seconds_and_opens(void **state)
{
	struct fixture f;
	int64_t start;
	int before;

	begin_fake(&f, true);
	assert_true(WAIT_FOR(ENOUGH_MS, core_status(f.redis, REDIS_CHANNELS).canary_us >= 0));
	core_log_start();
	before = f.fake.subscriptions;
	start = clock_monotonic_us();
	fake_redis_set(&f.fake, FAKE_DEAF); /* PING and everything else are still answered */
	assert_true(WAIT_FOR(ENOUGH_MS, !redis_usable(f.redis, REDIS_CHANNELS)));
	assert_true(clock_monotonic_us() - start < 3300 * US_PER_MS); /* 3 s, and what a busy machine adds */
	assert_true(redis_usable(f.redis, REDIS_CACHE));
	assert_true(WAIT_FOR(ENOUGH_MS, core_log_count("redis.unavailable") == 1));
	assert_non_null(strstr(core_log_line("redis.unavailable", 0), "what is published does not arrive"));
	assert_true(WAIT_FOR(ENOUGH_MS, f.losses >= 2)); /* once at the first canary that was missed, once as an outage */
	/* It is made again at each retry, but as long as nothing arrives the usage stays open. */
	assert_true(WAIT_FOR(ENOUGH_MS, f.fake.subscriptions >= before + 2));
	assert_false(redis_usable(f.redis, REDIS_CHANNELS));
	assert_int_equal(core_log_count("redis.available"), 0);
	fake_redis_set(&f.fake, FAKE_ANSWERS);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CHANNELS)));
	assert_true(subscription_live(f.sub));
	end(&f);
}

static void test_subscription__a_deaf_one_that_is_no_outage_is_only_rebuilt(void **state)
{
	struct fixture f;
	int before;

	begin_fake(&f, false);
	assert_true(WAIT_FOR(ENOUGH_MS, core_status(f.redis, REDIS_CHANNELS).canary_us >= 0));
	before = f.fake.subscriptions;
	fake_redis_set(&f.fake, FAKE_DEAF);
	assert_true(WAIT_FOR(ENOUGH_MS, !subscription_live(f.sub)));
	assert_true(WAIT_FOR(ENOUGH_MS, f.fake.subscriptions > before));
	assert_true(redis_usable(f.redis, REDIS_CHANNELS));
	fake_redis_set(&f.fake, FAKE_ANSWERS);
	assert_true(WAIT_FOR(ENOUGH_MS, subscription_live(f.sub) && core_status(f.redis, REDIS_CHANNELS).canary_us < US_PER_S));
	end(&f);
}

static void test_subscription__one_that_is_refused_keeps_trying(void **state)
{
	struct fixture f;
	int before;

	memset(&f, 0, sizeof(f));
	fake_redis_start(&f.fake);
	f.config = core_config_port(f.fake.port);
	f.config.retry_us = 30 * US_PER_MS;
	f.redis = core_start(&f.config);
	fake_redis_say(&f.fake, "SUBSCRIBE", "-NOPERM no\r\n", 12);
	before = f.fake.connections;
	subscribe(&f, true);
	assert_true(WAIT_FOR(ENOUGH_MS, f.fake.connections >= before + 3));
	assert_int_equal(f.lives, 0);
	assert_true(redis_usable(f.redis, REDIS_CHANNELS));
	fake_redis_set(&f.fake, FAKE_ANSWERS);
	assert_true(WAIT_FOR(ENOUGH_MS, f.lives == 1));
	end(&f);
}

static void test_subscription__every_fault_is_got_over(void **state)
{
	struct fixture f;

	begin_fake(&f, true);
	for (int n = 1; n <= 8; n++) {
		fault_arm(FAULT_REDIS, n, false);
		redis_report_failure(f.redis, REDIS_CHANNELS, "other", "only for the test");
		assert_true(WAIT_FOR(ENOUGH_MS, !redis_usable(f.redis, REDIS_CHANNELS) || !subscription_live(f.sub) || f.losses > 0));
		assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CHANNELS) && subscription_live(f.sub)));
		fault_disarm_all();
	}
	assert_true(WAIT_FOR(ENOUGH_MS, publish(&f, "alive") == 0));
	assert_true(WAIT_FOR(ENOUGH_MS, f.messages >= 1));
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_subscription__receives_and_tells_its_client_id),
		cmocka_unit_test(test_subscription__carries_client_tracking),
		cmocka_unit_test(test_subscription__its_canary_comes_round),
		cmocka_unit_test(test_subscription__needs_a_configured_usage),
		cmocka_unit_test(test_subscription__no_memory_no_subscription),
		cmocka_unit_test(test_subscription__is_renewed_before_the_usage_closes),
		cmocka_unit_test(test_subscription__a_hung_server_is_given_up_and_found_again),
		cmocka_unit_test(test_subscription__made_while_the_usage_is_open_begins_with_it),
		cmocka_unit_test(test_subscription__a_killed_connection_alone_is_made_again_at_once),
		cmocka_unit_test(test_subscription__a_deaf_one_is_found_within_three_seconds_and_opens),
		cmocka_unit_test(test_subscription__a_deaf_one_that_is_no_outage_is_only_rebuilt),
		cmocka_unit_test(test_subscription__one_that_is_refused_keeps_trying),
		cmocka_unit_test(test_subscription__every_fault_is_got_over),
	};

	core_log_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
