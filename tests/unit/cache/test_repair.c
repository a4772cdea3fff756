/*
 * What an outage leaves behind, against a real server that hangs, dies, and comes back empty or with an older state.
 */
#include <pthread.h>

#include "cache/outage_impl.h"
#include "cache/repair_impl.h"
#include "tests/unit/cache/node.h"

static struct test_redis server;
static struct redis *outsider;
static struct node a;

static int set_up(void **state)
{
	test_redis_start(&server, 0, NULL, NULL);
	outsider = outsider_start(server.port);
	node_start_tracking(&a, server.port);
	return 0;
}

static int tear_down(void **state)
{
	node_stop(&a);
	redis_destroy(outsider);
	test_redis_stop(&server);
	assert_int_equal(atomic_load(&objects_alive), 0);
	return 0;
}

static void await_outage(void)
{
	EVENTUALLY(!redis_usable(a.redis, REDIS_CACHE) && !node_tracks(&a));
}

static void await_recovery(void)
{
	EVENTUALLY(redis_usable(outsider, REDIS_CACHE) && node_well(&a));
}

static void hang(void)
{
	test_redis_signal(&server, SIGSTOP);
	await_outage();
}

static void wake_up(void)
{
	test_redis_signal(&server, SIGCONT);
	await_recovery();
}

static void test_repair__a_key_deleted_while_redis_hangs_is_not_resurrected(void **state)
{
	assert_true(set_text(a.cache, "deleted", "old", 300));
	assert_true(set_text(a.cache, "kept", "old", 300));
	hang();
	assert_false(safe_cache_delete(a.cache, NULL, "deleted"));
	assert_true(get_is(a.cache, "deleted", NULL));
	test_redis_signal(&server, SIGCONT);
	EVENTUALLY(redis_usable(a.redis, REDIS_CACHE));
	assert_true(get_is(a.cache, "deleted", NULL)); /* not even in the first moment */
	await_recovery();
	assert_answer(outsider, "EXISTS egoejo:c1:deleted", "0");
	assert_answer(outsider, "EXISTS egoejo:c1:gen:deleted", "1"); /* so that loads elsewhere notice */
	assert_answer(outsider, "GET egoejo:c1:kept", "old");
	assert_true(get_is(a.cache, "kept", "old"));
}

/* The outage is met by the call itself: the deletion that finds it out is not lost. */
static void test_repair__the_deletion_that_meets_the_outage_is_not_lost(void **state)
{
	assert_true(set_text(a.cache, "k", "old", 300));
	test_redis_signal(&server, SIGSTOP);
	assert_false(safe_cache_delete(a.cache, NULL, "k"));
	assert_true(get_is(a.cache, "k", NULL));
	wake_up();
	assert_true(get_is(a.cache, "k", NULL));
	EVENTUALLY(strcmp(ask(outsider, "EXISTS egoejo:c1:k"), "0") == 0);
}

static void test_repair__a_key_set_while_redis_hangs_does_not_fall_back_to_its_older_value(void **state)
{
	assert_true(set_text(a.cache, "k", "old", 300));
	hang();
	assert_false(set_text(a.cache, "k", "new", 300));
	assert_true(get_is(a.cache, "k", "new"));
	wake_up();
	assert_answer(outsider, "EXISTS egoejo:c1:k", "0");
	assert_true(get_is(a.cache, "k", NULL)); /* the memory was emptied */
	assert_true(set_text(a.cache, "k", "newer", 300));
	assert_true(get_is(a.cache, "k", "newer"));
}

static void test_repair__times_to_live_hold_after_the_recovery(void **state)
{
	hang();
	assert_false(set_text(a.cache, "k", "v", 300));
	wake_up();
	EVENTUALLY(set_text(a.cache, "k", "v", 200) && node_lifetime_s(&a, "k") > 5);
	assert_in_range(node_lifetime_s(&a, "k"), 185, 200);
	assert_in_range(atoi(ask(outsider, "TTL egoejo:c1:k")), 185, 200);
}

static void test_repair__an_empty_server_is_filled_again(void **state)
{
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	test_redis_signal(&server, SIGKILL);
	await_outage();
	a.source.text = "v2";
	assert_true(fetch_is(&a, "k", "v2@")); /* the memory was emptied with the loss of the listener */
	test_redis_restart(&server);
	await_recovery();
	a.source.text = "v3";
	EVENTUALLY(fetch_is(&a, "k", "v3@"));
	assert_answer(outsider, "GET egoejo:c1:k", "v3");
}

static void test_repair__a_server_with_an_older_state_gives_nothing_of_it(void **state)
{
	assert_true(set_text(a.cache, "deleted", "old", 300));
	assert_true(set_text(a.cache, "before", "old", 300));
	assert_answer(outsider, "SET egoejo:t1:throttle 1", "OK");
	assert_answer(outsider, "SAVE", "OK");
	assert_true(safe_cache_delete(a.cache, NULL, "before")); /* Redis has heard it, and will forget it */
	test_redis_signal(&server, SIGKILL);
	await_outage();
	assert_false(safe_cache_delete(a.cache, NULL, "deleted"));
	test_redis_restart(&server);
	await_recovery();
	assert_true(get_is(a.cache, "deleted", NULL));
	assert_true(get_is(a.cache, "before", NULL));
	assert_answer(outsider, "KEYS egoejo:c1:*", "0");
	assert_answer(outsider, "EXISTS egoejo:t1:throttle", "1"); /* not ours to delete */
}

static void test_repair__when_too_much_was_missed_all_of_ours_goes(void **state)
{
	char line[64];

	for (int i = 0; i < 1500; i++) {
		snprintf(line, sizeof(line), "SET egoejo:c1:old%d x", i);
		assert_answer(outsider, line, "OK");
	}
	assert_answer(outsider, "SET egoejo:t1:throttle 1", "OK");
	assert_answer(outsider, "SET unrelated 1", "OK");
	hang();
	for (int i = 0; i <= OUTAGE_MAX_KEYS; i++) {
		snprintf(line, sizeof(line), "key%d", i);
		assert_false(safe_cache_delete(a.cache, NULL, line));
	}
	wake_up();
	assert_answer(outsider, "KEYS egoejo:c1:*", "0");
	assert_answer(outsider, "EXISTS egoejo:t1:throttle unrelated", "2");
	assert_false(outage_pending(a.cache->outage));
	assert_true(set_text(a.cache, "key1", "v", 300));
	assert_true(get_is(a.cache, "key1", "v"));
}

static void test_repair__ten_thousand_keys_are_told_one_by_one(void **state)
{
	char key[16];

	assert_answer(outsider, "SET egoejo:c1:kept x", "OK");
	assert_answer(outsider, "SET egoejo:c1:key77 x", "OK");
	hang();
	for (int i = 0; i < OUTAGE_MAX_KEYS; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		assert_false(safe_cache_delete(a.cache, NULL, key));
	}
	wake_up();
	assert_answer(outsider, "EXISTS egoejo:c1:kept", "1");
	assert_answer(outsider, "EXISTS egoejo:c1:key77", "0");
	assert_answer(outsider, "EXISTS egoejo:c1:gen:key9999", "1");
	EVENTUALLY(!outage_pending(a.cache->outage));
}

static void test_repair__while_redis_is_open_nothing_waits_and_fallbacks_are_counted(void **state)
{
	struct redis_usage_status status;
	int64_t began, fallbacks;

	hang();
	redis_usage_status(a.redis, REDIS_CACHE, &status);
	fallbacks = status.fallbacks;
	began = clock_monotonic_us();
	for (int i = 0; i < 1000; i++) {
		assert_true(get_is(a.cache, "k", NULL));
		assert_false(safe_cache_delete(a.cache, NULL, "k"));
	}
	assert_in_range(clock_monotonic_us() - began, 0, US_PER_S);
	redis_usage_status(a.redis, REDIS_CACHE, &status);
	assert_in_range(status.fallbacks, fallbacks + 1000, fallbacks + 2000); /* a key in doubt is not looked up at all */
	wake_up();
}

static void test_repair__without_redis_configured_nothing_is_reported(void **state)
{
	struct redis_config config = { .connect_timeout_us = 1, .command_timeout_us = 1, .retry_us = 1, .pool_size = 1 };
	struct redis *redis = redis_create(&config);
	const struct cache_config cache_config = { .max_bytes = 1 << 20, .max_entries = 100, .redis = redis };
	struct cache *c = cache_create(&cache_config);
	struct redis_usage_status status;

	assert_true(set_text(c, "k", "v", 10));
	assert_true(get_is(c, "k", "v"));
	assert_true(safe_cache_delete(c, NULL, "k"));
	assert_true(get_is(c, "k", NULL));
	redis_usage_status(redis, REDIS_CACHE, &status);
	assert_int_equal(status.fallbacks, 0);
	cache_destroy(c);
	redis_destroy(redis);
}

/* Both processes live through it, and agree afterwards. */
static void test_repair__two_processes_agree_after_an_outage(void **state)
{
	struct node b;

	node_start_tracking(&b, server.port);
	assert_true(set_text(a.cache, "k", "old", 300));
	EVENTUALLY(get_is(b.cache, "k", "old") && node_lifetime_s(&b, "k") > 5);
	test_redis_signal(&server, SIGSTOP);
	await_outage();
	EVENTUALLY(!redis_usable(b.redis, REDIS_CACHE));
	assert_false(safe_cache_delete(a.cache, NULL, "k"));
	test_redis_signal(&server, SIGCONT);
	await_recovery();
	EVENTUALLY(redis_usable(b.redis, REDIS_CACHE) && get_is(b.cache, "k", NULL));
	node_stop(&b);
}

/* Nothing but the recovery itself empties the memory then, and nothing but the keeper and the prober see the outage. */
static void test_repair__also_on_a_server_that_refuses_tracking(void **state)
{
	struct test_redis other;
	struct node n;

	test_redis_start(&other, 0, NULL, "--rename-command", "CLIENT", "NOCLIENT", NULL);
	node_start(&n, other.port);
	EVENTUALLY(set_text(n.cache, "k", "old", 300));
	test_redis_signal(&other, SIGSTOP);
	EVENTUALLY(!redis_usable(n.redis, REDIS_CACHE));
	assert_false(set_text(n.cache, "k", "new", 300));
	assert_false(set_text(n.cache, "l", "new", 300));
	test_redis_signal(&other, SIGCONT);
	EVENTUALLY(redis_usable(n.redis, REDIS_CACHE));
	assert_int_equal(node_entries(&n), 0);
	EVENTUALLY(get_is(n.cache, "k", NULL));
	node_stop(&n);
	test_redis_stop(&other);
}

/* As test_front__no_thread_reads_what_was_deleted_before, with Redis below, which hangs and dies meanwhile. */
static void test_repair__eight_threads_read_nothing_deleted_through_outages(void **state)
{
	atomic_int newest[2] = { 0, 0 };
	atomic_bool stop = false;
	struct reader readers[8];
	pthread_t threads[8];

	for (int i = 0; i < 8; i++) {
		readers[i] = (struct reader){ a.cache, newest, &stop, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, read_numbers, &readers[i]), 0);
	}
	for (int i = 1; i <= 600; i++) {
		if (i % 200 == 50)
			test_redis_signal(&server, SIGSTOP);
		if (i % 200 == 100)
			test_redis_signal(&server, SIGCONT);
		if (i % 200 == 150)
			test_redis_restart(&server);
		if (i % 50 == 0)
			EVENTUALLY(redis_usable(a.redis, REDIS_CACHE) == (i % 200 != 50));
		atomic_store(&newest[0], i);
		safe_cache_delete(a.cache, NULL, "n");
		atomic_store(&newest[1], i);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	await_recovery();
	EVENTUALLY(!outage_pending(a.cache->outage));
	assert_true(get_is(a.cache, "n", NULL) || get_is(a.cache, "n", "600"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_repair__##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_key_deleted_while_redis_hangs_is_not_resurrected),
		TEST(the_deletion_that_meets_the_outage_is_not_lost),
		TEST(a_key_set_while_redis_hangs_does_not_fall_back_to_its_older_value),
		TEST(times_to_live_hold_after_the_recovery),
		TEST(an_empty_server_is_filled_again),
		TEST(a_server_with_an_older_state_gives_nothing_of_it),
		TEST(when_too_much_was_missed_all_of_ours_goes),
		TEST(ten_thousand_keys_are_told_one_by_one),
		TEST(while_redis_is_open_nothing_waits_and_fallbacks_are_counted),
		cmocka_unit_test(test_repair__without_redis_configured_nothing_is_reported),
		cmocka_unit_test(test_repair__also_on_a_server_that_refuses_tracking),
		TEST(two_processes_agree_after_an_outage),
		TEST(eight_threads_read_nothing_deleted_through_outages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
