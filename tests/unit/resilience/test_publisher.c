#include "resilience/publisher.h"

#include <pthread.h>
#include <signal.h>

#include "base/fault.h"
#include "base/metrics.h"
#include "resilience/subscription.h"
#include "tests/unit/resilience/core.h"

#define CHANNEL STR("egoejo:ws:test")

struct fixture {
	struct test_redis server;
	struct redis_config config;
	struct redis *redis;
	struct subscription *sub;
	struct publisher *publisher;
	/* What arrived, in its order */
	atomic_int n;
	int got[4096];
	size_t last_bytes;
	atomic_int live, lost;
};

static void on_message(struct str channel, const struct redis_reply *payload, void *arg)
{
	struct fixture *f = arg;
	struct str text = redis_reply_text(payload);
	int n = atomic_load(&f->n);

	f->last_bytes = text.len;
	if (n < (int)N_ELEMENTS(f->got))
		f->got[n] = (int)strtol(text.s, NULL, 10);
	atomic_store(&f->n, n + 1);
}

static void on_state(bool live, int64_t client_id, void *arg)
{
	struct fixture *f = arg;

	atomic_store(&f->live, live);
}

static void on_lost(struct str channel, void *arg)
{
	struct fixture *f = arg;

	assert_true(str_is(channel, "egoejo:ws:test"));
	atomic_fetch_add(&f->lost, 1);
}

static void begin(struct fixture *f, size_t max_messages)
{
	static const char *const channels[] = { "egoejo:ws:test" };
	const struct subscription_config listener = { .usage = REDIS_CHANNELS,
		                                      .name = "test-bus",
		                                      .channels = channels,
		                                      .n_channels = 1,
		                                      .on_message = on_message,
		                                      .on_state = on_state,
		                                      .arg = f };
	const struct publisher_config config = { .usage = REDIS_CHANNELS,
		                                 .name = "test-publisher",
		                                 .max_messages = max_messages,
		                                 .max_bytes = 4 << 20,
		                                 .on_lost = on_lost,
		                                 .arg = f };

	memset(f, 0, sizeof(*f));
	test_redis_start(&f->server, 0, NULL, NULL);
	f->config = core_config_port(f->server.port);
	f->redis = core_start(&f->config);
	f->sub = subscription_create(f->redis, &listener);
	f->publisher = publisher_create(f->redis, &config);
	assert_non_null(f->sub);
	assert_non_null(f->publisher);
	assert_true(WAIT_FOR(ENOUGH_MS, f->live));
}

static void end(struct fixture *f)
{
	publisher_destroy(f->publisher);
	subscription_destroy(f->sub);
	redis_destroy(f->redis);
	test_redis_stop(&f->server);
}

static bool put(struct fixture *f, int i)
{
	char text[16];

	return publisher_put(f->publisher, (struct str)CHANNEL, (struct str){ text, (size_t)snprintf(text, sizeof(text), "%d", i) });
}

static int64_t count(const char *result)
{
	return metric_value(metric_seriesf(METRIC_REDIS_PUBLISHED, "usage=\"channels\",result=\"%s\"", result));
}

/* ---- normal life ---- */

static void test_publisher__everything_arrives_in_order(void **state)
{
	int64_t sent = count("sent");
	struct fixture f;

	begin(&f, 4096);
	for (int i = 0; i < 4000; i++)
		assert_true(put(&f, i));
	assert_true(WAIT_FOR(ENOUGH_MS, f.n == 4000));
	for (int i = 0; i < 4000; i++)
		assert_int_equal(f.got[i], i);
	assert_true(WAIT_FOR(ENOUGH_MS, count("sent") == sent + 4000));
	end(&f);
}

static void test_publisher__large_and_empty_ones_too(void **state)
{
	static char large[1024 * 1024];
	struct fixture f;

	memset(large, '7', sizeof(large));
	begin(&f, 10);
	assert_true(publisher_put(f.publisher, (struct str)CHANNEL, (struct str){ large, sizeof(large) }));
	assert_true(WAIT_FOR(ENOUGH_MS, f.n == 1));
	assert_int_equal(f.last_bytes, sizeof(large));
	assert_true(publisher_put(f.publisher, (struct str)CHANNEL, (struct str)STR("")));
	assert_true(WAIT_FOR(ENOUGH_MS, f.n == 2));
	assert_int_equal(f.last_bytes, 0);
	end(&f);
}

struct talker {
	struct fixture *f;
	pthread_t thread;
	int from;
};

static void *talk(void *arg)
{
	struct talker *t = arg;

	for (int i = 0; i < 200; i++)
		assert_true(put(t->f, t->from + i));
	return NULL;
}

static void test_publisher__each_threads_messages_keep_their_order(void **state)
{
	struct talker talkers[8];
	int next[8] = { 0 };
	struct fixture f;

	begin(&f, 4096);
	for (int i = 0; i < 8; i++) {
		talkers[i] = (struct talker){ .f = &f, .from = 1000 * i };
		assert_int_equal(pthread_create(&talkers[i].thread, NULL, talk, &talkers[i]), 0);
	}
	for (int i = 0; i < 8; i++)
		pthread_join(talkers[i].thread, NULL);
	assert_true(WAIT_FOR(ENOUGH_MS, f.n == 8 * 200));
	for (int i = 0; i < 8 * 200; i++)
		assert_int_equal(f.got[i] % 1000, next[f.got[i] / 1000]++);
	end(&f);
}

static void test_publisher__what_is_queued_leaves_before_it_ends(void **state)
{
	struct fixture f;

	begin(&f, 4096);
	for (int i = 0; i < 1000; i++)
		assert_true(put(&f, i));
	publisher_destroy(f.publisher);
	f.publisher = NULL;
	assert_true(WAIT_FOR(ENOUGH_MS, f.n == 1000));
	end(&f);
}

static void test_publisher__needs_a_configured_usage_and_memory(void **state)
{
	const struct publisher_config config = { .usage = REDIS_CHANNELS, .name = "x", .max_messages = 1, .max_bytes = 1 };
	struct redis_config off = core_config(NULL);
	struct redis *r = core_start(&off);
	struct fixture f;

	assert_null(publisher_create(r, &config));
	redis_destroy(r);
	publisher_destroy(NULL);
	begin(&f, 10);
	fault_arm(FAULT_ALLOC, 1, false);
	assert_null(publisher_create(f.redis, &config));
	fault_disarm_all();
	fault_arm(FAULT_ALLOC, 1, false);
	assert_false(put(&f, 1));
	fault_disarm_all();
	assert_true(put(&f, 2));
	assert_true(WAIT_FOR(ENOUGH_MS, f.n == 1));
	end(&f);
}

/* ---- outages ---- */

static void test_publisher__while_redis_hangs_nobody_waits(void **state)
{
	int64_t start, longest = 0;
	struct fixture f;
	int taken = 0;

	begin(&f, 100);
	test_redis_signal(&f.server, SIGSTOP);
	for (int i = 0; i < 1000; i++) {
		start = clock_monotonic_us();
		taken += put(&f, i);
		if (clock_monotonic_us() - start > longest)
			longest = clock_monotonic_us() - start;
	}
	assert_true(taken >= 100 && taken < 1000); /* the queue, and the batches that were on their way */
	assert_true(longest < 50 * US_PER_MS);     /* a microsecond; what a busy machine adds is a turn of the scheduler */
	assert_true(WAIT_FOR(ENOUGH_MS, !redis_usable(f.redis, REDIS_CHANNELS)));
	assert_true(WAIT_FOR(ENOUGH_MS, f.lost == taken)); /* nothing old is sent later on */
	assert_false(put(&f, 1));
	test_redis_signal(&f.server, SIGCONT);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CHANNELS) && f.live));
	atomic_store(&f.n, 0);
	assert_true(put(&f, 12345));
	assert_true(WAIT_FOR(ENOUGH_MS, f.n >= 1 && f.got[f.n - 1] == 12345));
	end(&f);
}

static void test_publisher__a_killed_redis_takes_nothing_until_it_is_back(void **state)
{
	int64_t down = count("down");
	struct fixture f;

	begin(&f, 100);
	test_redis_signal(&f.server, SIGKILL);
	assert_true(WAIT_FOR(ENOUGH_MS, core_none_usable(f.redis)));
	for (int i = 0; i < 10; i++)
		assert_false(put(&f, i));
	assert_int_equal(count("down"), down + 10);
	test_redis_restart(&f.server);
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(f.redis, REDIS_CHANNELS) && f.live));
	assert_true(put(&f, 77));
	assert_true(WAIT_FOR(ENOUGH_MS, f.n == 1));
	assert_int_equal(f.got[0], 77);
	end(&f);
}

static void test_publisher__a_first_timeout_costs_no_message(void **state)
{
	struct fixture f;

	begin(&f, 100);
	assert_true(put(&f, 0));
	assert_true(WAIT_FOR(ENOUGH_MS, f.n == 1));
	test_redis_signal(&f.server, SIGSTOP);
	assert_true(put(&f, 1));
	usleep(110 * 1000); /* one command timeout, not two: there is no event to wait for */
	test_redis_signal(&f.server, SIGCONT);
	assert_true(WAIT_FOR(ENOUGH_MS, f.n >= 2 || f.lost == 1));
	if (f.n >= 2)
		assert_int_equal(f.got[1], 1);
	end(&f);
}

static void test_publisher__a_refusal_is_counted_and_is_no_outage(void **state)
{
	const struct redis_command forbid = REDIS_COMMAND(STR("ACL"), STR("SETUSER"), STR("default"), STR("-publish"));
	int64_t refused = count("refused");
	struct fixture f;

	begin(&f, 100);
	assert_int_equal(core_call(f.redis, REDIS_TASKS, NULL, &forbid, "OK"), 0);
	assert_true(put(&f, 1));
	assert_true(WAIT_FOR(ENOUGH_MS, count("refused") == refused + 1 || f.lost == 1));
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_publisher__everything_arrives_in_order),
		cmocka_unit_test(test_publisher__large_and_empty_ones_too),
		cmocka_unit_test(test_publisher__each_threads_messages_keep_their_order),
		cmocka_unit_test(test_publisher__what_is_queued_leaves_before_it_ends),
		cmocka_unit_test(test_publisher__needs_a_configured_usage_and_memory),
		cmocka_unit_test(test_publisher__while_redis_hangs_nobody_waits),
		cmocka_unit_test(test_publisher__a_killed_redis_takes_nothing_until_it_is_back),
		cmocka_unit_test(test_publisher__a_first_timeout_costs_no_message),
		cmocka_unit_test(test_publisher__a_refusal_is_counted_and_is_no_outage),
	};

	core_log_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
