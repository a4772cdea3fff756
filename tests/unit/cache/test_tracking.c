#include "tests/unit/cache/node.h"

static struct test_redis server;
static struct redis *outsider;
static struct node a, b; /* two processes */

static int start_server(void **state)
{
	test_redis_start(&server, 0, NULL, NULL);
	outsider = outsider_start(server.port);
	return 0;
}

static int stop_server(void **state)
{
	redis_destroy(outsider);
	test_redis_stop(&server);
	return 0;
}

#define BARRIERS 4

/* The barriers are there before anybody listens: nothing will be told of them until they are deleted. */
static int set_up(void **state)
{
	char line[64];

	assert_answer(outsider, "FLUSHALL", "OK");
	for (int i = 0; i < BARRIERS; i++) {
		snprintf(line, sizeof(line), "SET egoejo:c1:barrier%d 1", i);
		assert_answer(outsider, line, "OK");
	}
	node_start_tracking(&a, server.port);
	node_start_tracking(&b, server.port);
	return 0;
}

/* Waits until a node has heard all that has happened: the news of its barrier's end come last. Each barrier serves once. */
static void hear_all(struct node *n, int barrier)
{
	char key[32], line[64];

	snprintf(key, sizeof(key), "barrier%d", barrier);
	snprintf(line, sizeof(line), "DEL egoejo:c1:%s", key);
	EVENTUALLY(get_is(n->cache, key, "1") && node_lifetime_s(n, key) > 100);
	assert_answer(outsider, line, "1");
	EVENTUALLY(node_lifetime_s(n, key) == 0);
}

static int tear_down(void **state)
{
	node_stop(&a);
	node_stop(&b);
	assert_int_equal(atomic_load(&objects_alive), 0);
	return 0;
}

/* Both have the value in memory, for long. (A late echo of the load's own script may still drop it once.) */
static void share(const char *key)
{
	a.source.text = b.source.text = "v1";
	EVENTUALLY(fetch_is(&a, key, "v1@") && fetch_is(&b, key, "v1@") && node_lifetime_s(&a, key) > 100 &&
	           node_lifetime_s(&b, key) > 100);
	a.source.text = b.source.text = "v2";
	assert_string_equal(node_fetch(&b, key), "v1@");
}

/* What a changes, b sees: only tracking can tell it before 300 s are over. */
static void assert_coherent(const char *key)
{
	share(key);
	EVENTUALLY(safe_cache_delete(a.cache, NULL, key)); /* what was killed may show only when it is used */
	EVENTUALLY(fetch_is(&b, key, "v2@"));
}

static void test_tracking__a_deletion_in_one_process_empties_the_other(void **state)
{
	assert_coherent("k");
}

/* Redis has nothing to unlink then, and tells of the generation only; who loads the key must hear of it all the same. */
static void test_tracking__a_deletion_is_heard_though_redis_has_no_value(void **state)
{
	uint64_t token = node_token(&b, "k");

	assert_answer(outsider, "EXISTS egoejo:c1:k", "0");
	assert_true(safe_cache_delete(a.cache, NULL, "k"));
	EVENTUALLY(node_token(&b, "k") != token);
}

static void test_tracking__a_value_set_in_one_process_replaces_the_others(void **state)
{
	share("k");
	assert_true(set_text(a.cache, "k", "set", 300));
	EVENTUALLY(fetch_is(&b, "k", "set@"));
	assert_int_equal(atomic_load(&b.source.loads), 0);
}

static void test_tracking__an_outsiders_deletion_is_heard(void **state)
{
	share("k");
	assert_answer(outsider, "DEL egoejo:c1:k", "1");
	EVENTUALLY(fetch_is(&b, "k", "v2@"));
}

static void test_tracking__flushing_everything_is_heard(void **state)
{
	share("k");
	assert_answer(outsider, "FLUSHALL", "OK");
	EVENTUALLY(fetch_is(&b, "k", "v2@"));
}

static void test_tracking__expiry_is_heard(void **state)
{
	share("k");
	assert_answer(outsider, "PEXPIRE egoejo:c1:k 20", "1");
	EVENTUALLY(fetch_is(&b, "k", "v2@"));
}

/* Throttle keys live beside ours: a change of one wakes nobody. */
static void test_tracking__other_prefixes_are_not_heard(void **state)
{
	uint64_t epoch;

	hear_all(&b, 0);
	epoch = local_epoch(b.cache->local);
	for (int i = 0; i < 20; i++)
		assert_answer(outsider, "SET egoejo:t1:throttle 1", "OK");
	hear_all(&b, 1);
	assert_int_equal(local_epoch(b.cache->local), epoch + 1); /* the barrier */
}

static void test_tracking__own_changes_do_not_come_back(void **state)
{
	uint64_t epoch;

	assert_true(set_text(a.cache, "k", "v", 300));
	epoch = local_epoch(a.cache->local);
	hear_all(&a, 0);
	assert_int_equal(local_epoch(a.cache->local), epoch + 1); /* the barrier */
	assert_true(node_lifetime_s(&a, "k") > 100);
}

static void test_tracking__a_lost_listener_empties_the_memory_and_comes_back(void **state)
{
	share("k");
	assert_int_not_equal(atoi(ask(outsider, "CLIENT KILL TYPE pubsub")), 0);
	EVENTUALLY(node_lifetime_s(&b, "k") == 0);
	EVENTUALLY(node_well(&a) && node_well(&b));
	assert_coherent("k");
}

static void test_tracking__a_lost_link_empties_the_memory_and_comes_back(void **state)
{
	share("k");
	assert_int_not_equal(atoi(ask(outsider, "CLIENT KILL TYPE normal")), 0);
	EVENTUALLY(node_lifetime_s(&b, "k") == 0);
	EVENTUALLY(node_well(&a) && node_well(&b));
	assert_coherent("k");
}

static void test_tracking__while_redis_is_away_nothing_lives_longer_than_5_s(void **state)
{
	share("k");
	test_redis_signal(&server, SIGKILL);
	EVENTUALLY(!node_tracks(&b) && !redis_usable(b.redis, REDIS_CACHE));
	assert_int_equal(node_lifetime_s(&b, "k"), 0);
	assert_string_equal(node_fetch(&b, "k"), "v2@");
	assert_in_range(node_lifetime_s(&b, "k"), 1, 5);
	b.source.text = "v3";
	assert_string_equal(node_fetch(&b, "k"), "v2@");
	clock_advance_for_tests(5 * US_PER_S);
	assert_string_equal(node_fetch(&b, "k"), "v3@"); /* the front too */
	assert_false(set_text(b.cache, "l", "v", 300));
	assert_in_range(node_lifetime_s(&b, "l"), 1, 5);
	test_redis_restart(&server);
	EVENTUALLY(node_well(&a) && node_well(&b));
	assert_coherent("k");
}

static void test_tracking__a_short_life_is_not_made_longer(void **state)
{
	test_redis_signal(&server, SIGKILL);
	EVENTUALLY(!node_tracks(&b) && !redis_usable(b.redis, REDIS_CACHE));
	assert_false(set_text(b.cache, "l", "v", 2));
	assert_in_range(node_lifetime_s(&b, "l"), 1, 2);
	test_redis_restart(&server);
	EVENTUALLY(node_well(&a) && node_well(&b));
}

/* A server without CLIENT (an ACL, a proxy): level 2 works, level 1 keeps things for 5 s. */
static void test_tracking__a_server_that_refuses_tracking_is_served_with_short_lives(void **state)
{
	struct test_redis other;
	struct node n;

	test_redis_start(&other, 0, NULL, "--rename-command", "CLIENT", "NOCLIENT", NULL);
	node_start(&n, other.port);
	EVENTUALLY(redis_usable(n.redis, REDIS_CACHE));
	EVENTUALLY(set_text(n.cache, "k", "v", 300));
	assert_false(node_tracks(&n));
	assert_in_range(node_lifetime_s(&n, "k"), 1, 5);
	assert_true(safe_cache_delete(n.cache, NULL, "k"));
	assert_string_equal(node_fetch(&n, "k"), "v1@");
	assert_in_range(node_lifetime_s(&n, "k"), 1, 5);
	node_stop(&n);
	test_redis_stop(&other);
}

static void test_tracking__a_cache_that_was_never_started_is_destroyed(void **state)
{
	struct redis *redis = core_create(server.port);
	const struct cache_config config = { .max_bytes = 1 << 20, .max_entries = 100, .redis = redis };
	struct cache *c = cache_create(&config);

	assert_non_null(c);
	assert_false(set_text(c, "k", "v", 10));
	assert_true(get_is(c, "k", "v"));
	cache_destroy(c);
	redis_destroy(redis);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_tracking__##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_deletion_in_one_process_empties_the_other),
		TEST(a_deletion_is_heard_though_redis_has_no_value),
		TEST(a_value_set_in_one_process_replaces_the_others),
		TEST(an_outsiders_deletion_is_heard),
		TEST(flushing_everything_is_heard),
		TEST(expiry_is_heard),
		TEST(other_prefixes_are_not_heard),
		TEST(own_changes_do_not_come_back),
		TEST(a_lost_listener_empties_the_memory_and_comes_back),
		TEST(a_lost_link_empties_the_memory_and_comes_back),
		TEST(while_redis_is_away_nothing_lives_longer_than_5_s),
		TEST(a_short_life_is_not_made_longer),
		cmocka_unit_test(test_tracking__a_server_that_refuses_tracking_is_served_with_short_lives),
		cmocka_unit_test(test_tracking__a_cache_that_was_never_started_is_destroyed),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
