/*
 * The mission's tests of the cache, by their names (spec resilience.md, part 3), with a client that fails by injection.
 */
#include "tests/unit/cache/node.h"

static struct test_redis server;
static struct node n;

static int set_up(void **state)
{
	test_redis_start(&server, 0, NULL, NULL);
	node_start_tracking(&n, server.port);
	return 0;
}

static int tear_down(void **state)
{
	fault_disarm_all();
	node_stop(&n);
	test_redis_stop(&server);
	return 0;
}

/* From here on every command and every connection of this process fails. */
static void break_client(void)
{
	fault_arm(FAULT_REDIS, 1, true);
}

static void test_redis_resilience_cache_fallback_get_on_redis_failure(void **state)
{
	struct redis *outsider = outsider_start(server.port);

	assert_answer(outsider, "SET egoejo:c1:test_key value EX 300", "OK");
	redis_destroy(outsider);
	break_client();
	assert_null(safe_cache_get(n.cache, NULL, "test_key")); /* the default: there is no copy in memory */
	EVENTUALLY(!redis_usable(n.redis, REDIS_CACHE));
	assert_null(safe_cache_get(n.cache, NULL, "test_key"));
}

static void test_redis_resilience_cache_fallback_set_on_redis_failure(void **state)
{
	break_client();
	assert_false(set_text(n.cache, "test_key", "test_value", 60));
	EVENTUALLY(!redis_usable(n.redis, REDIS_CACHE) && !node_tracks(&n));
	assert_false(set_text(n.cache, "test_key", "test_value", 60));
	assert_true(get_is(n.cache, "test_key", "test_value")); /* in memory */
}

static void test_redis_resilience_cache_fallback_delete_on_redis_failure(void **state)
{
	assert_true(set_text(n.cache, "test_key", "test_value", 60));
	break_client();
	assert_false(safe_cache_delete(n.cache, NULL, "test_key"));
	assert_true(get_is(n.cache, "test_key", NULL));
	fault_disarm_all();
	EVENTUALLY(redis_usable(n.redis, REDIS_CACHE));
	assert_true(get_is(n.cache, "test_key", NULL)); /* and so it stays */
}

static void test_redis_resilience_cache_fallback_normal_operation(void **state)
{
	assert_true(set_text(n.cache, "test_key", "test_value", 60));
	assert_true(get_is(n.cache, "test_key", "test_value"));
	assert_true(safe_cache_delete(n.cache, NULL, "test_key"));
	assert_true(get_is(n.cache, "test_key", NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_redis_resilience_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(cache_fallback_get_on_redis_failure),
		TEST(cache_fallback_set_on_redis_failure),
		TEST(cache_fallback_delete_on_redis_failure),
		TEST(cache_fallback_normal_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
