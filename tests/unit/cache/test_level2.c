#include <pthread.h>

#include "cache/level2_impl.h"
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

static int set_up(void **state)
{
	assert_answer(outsider, "FLUSHALL", "OK");
	node_start_tracking(&a, server.port);
	node_start_tracking(&b, server.port);
	return 0;
}

static int tear_down(void **state)
{
	fault_disarm_all();
	node_stop(&a);
	node_stop(&b);
	assert_int_equal(atomic_load(&objects_alive), 0);
	return 0;
}

static void test_level2__names_a_value_and_its_generation(void **state)
{
	struct level2_names n;
	char key[LEVEL2_MAX_KEY + 1];

	level2_name(&n, TEXT("projets_list"));
	assert_true(str_is(n.value, "egoejo:c1:projets_list"));
	assert_true(str_is(n.generation, "egoejo:c1:gen:projets_list"));
	memset(key, 'k', LEVEL2_MAX_KEY);
	key[LEVEL2_MAX_KEY] = '\0';
	level2_name(&n, str_of(key));
	assert_int_equal(n.value.len, strlen("egoejo:c1:") + LEVEL2_MAX_KEY);
	assert_int_equal(n.generation.len, strlen("egoejo:c1:gen:") + LEVEL2_MAX_KEY);
}

static void test_level2__never_gives_the_same_time_twice(void **state)
{
	char text[LEVEL2_GENERATION_SIZE];
	int64_t last = 0, now;

	for (int i = 0; i < 10000; i++) {
		assert_true(str_to_int(level2_stamp(a.cache, text), &now));
		assert_true(now > last);
		last = now;
	}
	assert_in_range(last, clock_now().us - 60 * US_PER_S, clock_now().us + US_PER_S);
}

static void test_level2__a_load_is_stored_with_its_time_and_a_generation(void **state)
{
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	assert_answer(outsider, "GET egoejo:c1:k", "v1");
	assert_in_range(atoi(ask(outsider, "TTL egoejo:c1:k")), 295, 300);
	assert_in_range(atoi(ask(outsider, "TTL egoejo:c1:gen:k")), 3590, 3600);
	assert_int_equal(strlen(ask(outsider, "GET egoejo:c1:gen:k")), 16); /* microseconds */
}

static void test_level2__another_process_does_not_load_again(void **state)
{
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	b.source.text = "v2";
	assert_string_equal(node_fetch(&b, "k"), "v1@");
	assert_int_equal(atomic_load(&b.source.loads), 0);
}

/* Redis tells the sender of a script of its own change: once level 1 loses what was just loaded, and takes it back. */
static void test_level2__after_its_own_load_memory_settles_without_another(void **state)
{
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	EVENTUALLY(fetch_is(&a, "k", "v1@") && node_lifetime_s(&a, "k") > 100);
	assert_int_equal(atomic_load(&a.source.loads), 1);
}

static void delete_by_b(void *arg)
{
	assert_true(safe_cache_delete(b.cache, NULL, "k"));
}

static void assert_load_was_not_stored(void)
{
	assert_answer(outsider, "EXISTS egoejo:c1:k", "0");
	assert_int_equal(node_lifetime_s(&a, "k"), 0);
	assert_null(cache_front_find(a.front, "k", NOBODY));
	a.source.during = NULL;
	a.source.text = "v2";
	assert_string_equal(node_fetch(&a, "k"), "v2@");
}

static void test_level2__a_deletion_elsewhere_during_the_load_forbids_its_storing(void **state)
{
	a.source.during = delete_by_b;
	assert_answer(outsider, "EXISTS egoejo:c1:gen:k", "0"); /* it begins without a generation */
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	assert_load_was_not_stored();
}

static void test_level2__also_when_there_was_a_generation(void **state)
{
	assert_true(safe_cache_delete(b.cache, NULL, "k"));
	assert_answer(outsider, "EXISTS egoejo:c1:gen:k", "1");
	a.source.during = delete_by_b;
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	assert_load_was_not_stored();
}

/* Who does not hear of the deletion learns it from the refusal of his store. */
static void test_level2__what_redis_refuses_is_not_kept_in_memory_either(void **state)
{
	struct node deaf;

	node_start_deaf(&deaf, server.port);
	EVENTUALLY(redis_usable(deaf.redis, REDIS_CACHE));
	deaf.source.during = delete_by_b;
	assert_true(fetch_is(&deaf, "k", "v1@"));
	assert_int_equal(node_lifetime_s(&deaf, "k"), 0);
	deaf.source.during = NULL;
	assert_true(fetch_is(&deaf, "k", "v1@"));
	assert_in_range(node_lifetime_s(&deaf, "k"), 1, 5);
	node_stop(&deaf);
}

static void delete_by_b_and_forget(void *arg)
{
	delete_by_b(arg);
	assert_answer(outsider, "DEL egoejo:c1:gen:k", "1");
}

/* The generation was missing before the load and is missing after it: that is not "the same". */
static void test_level2__also_when_the_generation_has_gone_since(void **state)
{
	a.source.during = delete_by_b_and_forget;
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	assert_load_was_not_stored();
}

static void flush(void *arg)
{
	assert_answer(outsider, "FLUSHALL", "OK");
}

static void test_level2__also_when_everything_has_gone_since(void **state)
{
	a.source.during = flush;
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	assert_load_was_not_stored();
}

static void delete_and_load_by_b(void *arg)
{
	delete_by_b(arg);
	b.source.text = "v2";
	assert_string_equal(node_fetch(&b, "k"), "v2@");
}

static void test_level2__an_old_load_does_not_overwrite_a_newer_one(void **state)
{
	a.source.during = delete_and_load_by_b;
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	assert_answer(outsider, "GET egoejo:c1:k", "v2");
	assert_true(get_is(a.cache, "k", "v2"));
}

static void set_by_b(void *arg)
{
	assert_true(set_text(b.cache, "k", "set", 300));
}

static void test_level2__an_old_load_does_not_overwrite_what_was_set(void **state)
{
	a.source.during = set_by_b;
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	assert_answer(outsider, "GET egoejo:c1:k", "set");
}

static void load_by_b(void *arg)
{
	assert_string_equal(node_fetch(&b, "k"), "v1@");
}

/* Without a change between them both are right, and both are stored. */
static void test_level2__two_loads_at_once_agree_on_a_generation(void **state)
{
	a.source.during = load_by_b;
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	assert_int_equal(atomic_load(&b.source.loads), 1);
	assert_answer(outsider, "GET egoejo:c1:k", "v1");
}

static void wait_half_an_hour(void *arg)
{
	clock_advance_for_tests(LEVEL2_LOAD_LIMIT_US);
}

static void test_level2__a_load_that_took_for_ever_is_not_stored(void **state)
{
	a.source.during = wait_half_an_hour;
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	assert_answer(outsider, "EXISTS egoejo:c1:k", "0");
}

static void test_level2__large_values_stay_out(void **state)
{
	a.source.bytes = CACHE_MAX_VALUE_BYTES + 1;
	assert_string_not_equal(node_fetch(&a, "k"), "(error)");
	assert_answer(outsider, "EXISTS egoejo:c1:k", "0");
}

static void test_level2__a_value_of_another_type_is_a_miss(void **state)
{
	assert_answer(outsider, "RPUSH egoejo:c1:k x", "1");
	assert_string_equal(node_fetch(&a, "k"), "v1@");
	assert_true(safe_cache_delete(a.cache, NULL, "k"));
	assert_answer(outsider, "EXISTS egoejo:c1:k", "0");
}

/*
 * Redis still has the old value for a moment after level 1 has lost it: who fetches it just then must not leave it behind
 * in level 1, where nothing would ever tell of it (NOLOOP).
 */
static void test_level2__no_thread_keeps_what_redis_still_had_during_the_deletion(void **state)
{
	atomic_int newest[2] = { 0, 0 };
	atomic_bool stop = false;
	struct reader readers[8];
	pthread_t threads[8];
	char expected[16];

	for (int i = 0; i < 8; i++) {
		readers[i] = (struct reader){ a.cache, newest, &stop, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, read_numbers, &readers[i]), 0);
	}
	for (int i = 1; i <= 200; i++) {
		snprintf(expected, sizeof(expected), "%d", i - 1);
		EVENTUALLY(strcmp(ask(outsider, "GET egoejo:c1:n"), expected) == 0);
		atomic_store(&newest[0], i);
		EVENTUALLY(safe_cache_delete(a.cache, NULL, "n"));
		atomic_store(&newest[1], i);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
}

/* Every Redis call in turn fails: users see nothing of it, and it mends itself. */
static void test_level2__survives_every_failed_call(void **state)
{
	for (int n = 1; n <= 12; n++) {
		EVENTUALLY(node_tracks(&a) && redis_usable(a.redis, REDIS_CACHE));
		fault_arm(FAULT_REDIS, n, false);
		safe_cache_delete(a.cache, NULL, "k");
		assert_string_equal(node_fetch(&a, "k"), "v1@");
		set_text(a.cache, "l", "v", 300);
		fault_disarm_all();
		EVENTUALLY(safe_cache_delete(a.cache, NULL, "l"));
		assert_true(get_is(a.cache, "l", NULL));
		EVENTUALLY(strcmp(ask(outsider, "EXISTS egoejo:c1:l"), "0") == 0);
	}
}

static void test_level2__survives_every_failed_allocation(void **state)
{
	for (int n = 1; n <= 60; n++) {
		struct cache_load load = load_of(&a.source, "k", NOBODY, 300);
		struct cache_object *object = NULL;
		int r;

		EVENTUALLY(redis_usable(a.redis, REDIS_CACHE));
		fault_arm(FAULT_ALLOC, n, false);
		safe_cache_delete(a.cache, NULL, "k");
		r = cache_fetch(a.front, NULL, &load, &object);
		set_text(a.cache, "l", "v", 300);
		fault_disarm_all();
		assert_true(r == ERR_NOMEM || (r == 0 && strcmp(thing_text(object), "v1@") == 0));
	}
	EVENTUALLY(safe_cache_delete(a.cache, NULL, "l"));
	EVENTUALLY(strcmp(ask(outsider, "EXISTS egoejo:c1:l"), "0") == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_level2__##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_level2__names_a_value_and_its_generation),
		TEST(never_gives_the_same_time_twice),
		TEST(a_load_is_stored_with_its_time_and_a_generation),
		TEST(another_process_does_not_load_again),
		TEST(after_its_own_load_memory_settles_without_another),
		TEST(a_deletion_elsewhere_during_the_load_forbids_its_storing),
		TEST(also_when_there_was_a_generation),
		TEST(what_redis_refuses_is_not_kept_in_memory_either),
		TEST(also_when_the_generation_has_gone_since),
		TEST(also_when_everything_has_gone_since),
		TEST(an_old_load_does_not_overwrite_a_newer_one),
		TEST(an_old_load_does_not_overwrite_what_was_set),
		TEST(two_loads_at_once_agree_on_a_generation),
		TEST(large_values_stay_out),
		TEST(a_value_of_another_type_is_a_miss),
		TEST(no_thread_keeps_what_redis_still_had_during_the_deletion),
		TEST(survives_every_failed_call),
		TEST(survives_every_failed_allocation),
		TEST(a_load_that_took_for_ever_is_not_stored),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
