#include "base/metrics.h"
#include "tests/unit/cache/node.h"

/* ---- without Redis: the memory is the cache ---- */

static struct cache *alone(void)
{
	const struct cache_config config = { .max_bytes = 8 << 20, .max_entries = 100 };
	struct cache *c = cache_create(&config);
	struct error err;

	assert_non_null(c);
	assert_int_equal(cache_start(c, &err), 0);
	return c;
}

static void test_cache__sets_gets_and_deletes(void **state)
{
	struct cache *c = alone();

	assert_true(get_is(c, "k", NULL));
	assert_true(set_text(c, "k", "one", 10));
	assert_true(get_is(c, "k", "one"));
	assert_true(set_text(c, "k", "two", 10));
	assert_true(get_is(c, "k", "two"));
	assert_true(safe_cache_delete(c, NULL, "k"));
	assert_true(get_is(c, "k", NULL));
	assert_true(safe_cache_delete(c, NULL, "k")); /* a missing key is a success */
	assert_true(set_text(c, "empty", "", 10));
	assert_true(get_is(c, "empty", ""));
	cache_destroy(c);
}

static void test_cache__the_time_to_live_is_the_callers_or_300_s(void **state)
{
	struct cache *c = alone();

	assert_true(set_text(c, "short", "v", 10));
	assert_true(set_text(c, "usual", "v", -1));
	assert_true(set_text(c, "endless", "v", INT64_MAX));
	assert_true(set_text(c, "gone", "v", 10));
	assert_true(set_text(c, "gone", "v", 0));
	assert_true(get_is(c, "gone", NULL));
	clock_advance_for_tests(11 * US_PER_S);
	assert_true(get_is(c, "short", NULL));
	assert_true(get_is(c, "usual", "v"));
	clock_advance_for_tests(285 * US_PER_S);
	assert_true(get_is(c, "usual", "v"));
	clock_advance_for_tests(5 * US_PER_S);
	assert_true(get_is(c, "usual", NULL));
	assert_true(get_is(c, "endless", "v"));
	cache_destroy(c);
}

static void test_cache__too_large_a_value_is_counted_and_leaves_nothing(void **state)
{
	struct metric *counted = metric_series(METRIC_CACHE_TOO_LARGE, "");
	int64_t before = metric_value(counted);
	char *large = mem_alloc(CACHE_MAX_VALUE_BYTES + 1);
	struct cache *c = alone();

	assert_true(safe_cache_set(c, NULL, "k", large, CACHE_MAX_VALUE_BYTES, 10));
	assert_false(get_is(c, "k", NULL));
	assert_false(safe_cache_set(c, NULL, "k", large, CACHE_MAX_VALUE_BYTES + 1, 10));
	assert_true(get_is(c, "k", NULL));
	assert_int_equal(metric_value(counted), before + 1);
	cache_destroy(c);
	free(large);
}

static void test_cache__keys_that_cannot_be_stored_are_refused(void **state)
{
	char key[300];
	struct cache *c = alone();

	memset(key, 'k', sizeof(key));
	key[201] = '\0';
	assert_false(set_text(c, key, "v", 10));
	assert_false(safe_cache_delete(c, NULL, key));
	assert_true(get_is(c, key, NULL));
	key[200] = '\0';
	assert_true(set_text(c, key, "v", 10));
	assert_true(get_is(c, key, "v"));
	assert_false(set_text(c, "", "v", 10));
	assert_false(set_text(c, "gen:k", "v", 10)); /* would be the generation of "k" */
	assert_true(get_is(c, "gen:k", NULL));
	cache_destroy(c);
}

static void test_cache__stats_and_metrics_say_what_is_held(void **state)
{
	struct metric *hits = metric_series(METRIC_CACHE_HITS, "backend=\"memory\"");
	struct metric *misses = metric_series(METRIC_CACHE_MISSES, "backend=\"memory\"");
	int64_t hits_before = metric_value(hits), misses_before = metric_value(misses);
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	struct cache *c = alone();
	struct cache_stats stats;

	set_text(c, "a", "12345", 10);
	set_text(c, "b", "12345", 10);
	assert_true(get_is(c, "a", "12345"));
	assert_true(get_is(c, "c", NULL));
	cache_stats(c, &stats);
	assert_int_equal(stats.entries, 2);
	assert_in_range(stats.bytes, 12, 1000);
	assert_false(stats.tracking);
	assert_int_equal(metric_value(hits), hits_before + 1);
	assert_int_equal(metric_value(misses), misses_before + 1);
	metrics_render(&text);
	assert_non_null(strstr(text.data, "\negoejo_cache_entries 2\n"));
	cache_destroy(c);
}

static void test_cache__survives_failed_allocations_when_made(void **state)
{
	for (int n = 1; n < 30; n++) {
		struct cache_config config = { .max_bytes = 8 << 20, .max_entries = 100 };
		struct redis *redis = core_create(1);
		struct cache *c;

		config.redis = redis;
		fault_arm(FAULT_ALLOC, n, false);
		c = cache_create(&config);
		fault_disarm_all();
		cache_destroy(c);
		redis_destroy(redis);
	}
}

static void test_cache__a_set_without_memory_leaves_no_older_value(void **state)
{
	struct cache *c = alone();

	for (int n = 1; n <= 2; n++) {
		assert_true(set_text(c, "k", "old", 10));
		fault_arm(FAULT_ALLOC, n, false);
		assert_false(set_text(c, "k", "new", 10));
		fault_disarm_all();
		assert_true(get_is(c, "k", NULL));
	}
	cache_destroy(c);
}

/* ---- with Redis ---- */

static struct test_redis server;

static int start_server(void **state)
{
	test_redis_start(&server, 0, NULL, NULL);
	return 0;
}

static int stop_server(void **state)
{
	test_redis_stop(&server);
	return 0;
}

static void test_cache__redis_gets_what_is_set_and_deleted(void **state)
{
	struct redis *outsider = outsider_start(server.port);
	struct node n;

	node_start_tracking(&n, server.port);
	assert_true(set_text(n.cache, "r", "bytes", 100));
	assert_answer(outsider, "GET egoejo:c1:r", "bytes");
	assert_in_range(atoi(ask(outsider, "TTL egoejo:c1:r")), 98, 100);
	assert_true(set_text(n.cache, "r", "bytes", -1));
	assert_in_range(atoi(ask(outsider, "TTL egoejo:c1:r")), 298, 300);
	assert_true(get_is(n.cache, "r", "bytes"));
	assert_true(safe_cache_delete(n.cache, NULL, "r"));
	assert_answer(outsider, "EXISTS egoejo:c1:r", "0");
	assert_true(get_is(n.cache, "r", NULL));
	assert_true(set_text(n.cache, "r", "bytes", 100));
	assert_true(set_text(n.cache, "r", "bytes", 0));
	assert_answer(outsider, "EXISTS egoejo:c1:r", "0");
	node_stop(&n);
	redis_destroy(outsider);
}

static void test_cache__another_process_reads_what_was_set(void **state)
{
	struct node a, b;

	node_start_tracking(&a, server.port);
	node_start_tracking(&b, server.port);
	assert_true(set_text(a.cache, "s", "from a", 100));
	EVENTUALLY(get_is(b.cache, "s", "from a") && node_entries(&b) == 1); /* and keeps it, once the news of it have come */
	node_stop(&a);
	node_stop(&b);
}

static void test_cache__memory_keeps_a_value_of_redis_no_longer_than_redis_does(void **state)
{
	struct redis *outsider = outsider_start(server.port);
	struct node n;

	node_start_tracking(&n, server.port);
	assert_answer(outsider, "SET egoejo:c1:t v PX 60000", "OK");
	EVENTUALLY(get_is(n.cache, "t", "v") && node_lifetime_s(&n, "t") > 0);
	assert_in_range(node_lifetime_s(&n, "t"), 45, 60);
	assert_answer(outsider, "SET egoejo:c1:u v", "OK"); /* for ever: the default time in memory */
	EVENTUALLY(get_is(n.cache, "u", "v") && node_lifetime_s(&n, "u") > 0);
	assert_in_range(node_lifetime_s(&n, "u"), 285, 300);
	node_stop(&n);
	redis_destroy(outsider);
}

static void test_cache__a_spent_budget_is_a_miss_without_waiting(void **state)
{
	struct redis_budget spent = { 0 };
	struct redis *outsider = outsider_start(server.port);
	struct node n;
	int64_t began;

	node_start_tracking(&n, server.port);
	assert_answer(outsider, "SET egoejo:c1:w v EX 100", "OK");
	began = clock_monotonic_us();
	assert_null(safe_cache_get(n.cache, &spent, "w"));
	assert_false(safe_cache_set(n.cache, &spent, "x", "v", 1, 100));
	assert_in_range(clock_monotonic_us() - began, 0, 100 * US_PER_MS);
	assert_true(node_tracks(&n)); /* nothing was tried, nothing is broken */
	assert_true(get_is(n.cache, "x", "v"));
	node_stop(&n);
	redis_destroy(outsider);
}

/* The keeper makes up for it although no outage was seen. */
static void test_cache__a_deletion_that_the_budget_refused_is_made_up_for(void **state)
{
	struct redis_budget spent = { 0 };
	struct redis *outsider = outsider_start(server.port);
	struct node n;

	node_start_tracking(&n, server.port);
	assert_true(set_text(n.cache, "y", "old", 100));
	assert_false(safe_cache_delete(n.cache, &spent, "y"));
	assert_true(get_is(n.cache, "y", NULL)); /* though Redis may still have it */
	EVENTUALLY(strcmp(ask(outsider, "EXISTS egoejo:c1:y"), "0") == 0);
	assert_true(get_is(n.cache, "y", NULL));
	node_stop(&n);
	redis_destroy(outsider);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cache__sets_gets_and_deletes),
		cmocka_unit_test(test_cache__the_time_to_live_is_the_callers_or_300_s),
		cmocka_unit_test(test_cache__too_large_a_value_is_counted_and_leaves_nothing),
		cmocka_unit_test(test_cache__keys_that_cannot_be_stored_are_refused),
		cmocka_unit_test(test_cache__stats_and_metrics_say_what_is_held),
		cmocka_unit_test(test_cache__survives_failed_allocations_when_made),
		cmocka_unit_test(test_cache__a_set_without_memory_leaves_no_older_value),
		cmocka_unit_test(test_cache__redis_gets_what_is_set_and_deleted),
		cmocka_unit_test(test_cache__another_process_reads_what_was_set),
		cmocka_unit_test(test_cache__memory_keeps_a_value_of_redis_no_longer_than_redis_does),
		cmocka_unit_test(test_cache__a_spent_budget_is_a_miss_without_waiting),
		cmocka_unit_test(test_cache__a_deletion_that_the_budget_refused_is_made_up_for),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
