#include "tests/unit/cache/node.h"

#define LIST "contents"

static int64_t generation(struct node *n)
{
	return cache_generation(n->front, NULL, LIST);
}

/* ---- a process alone, without Redis ---- */

static struct node alone;

static int start_alone(void **state)
{
	struct cache_config config = { .max_bytes = 1 << 20, .max_entries = 100 };

	alone = (struct node){ .cache = cache_create(&config) };
	assert_non_null(alone.cache);
	alone.front = cache_front_create(alone.cache);
	assert_non_null(alone.front);
	return 0;
}

static int stop_alone(void **state)
{
	fault_disarm_all();
	node_stop(&alone);
	return 0;
}

static void test_generation__stays_until_the_list_changes(void **state)
{
	int64_t before = clock_now().us, first = generation(&alone);

	assert_in_range(first, before, clock_now().us);
	assert_int_equal(generation(&alone), first);
	assert_true(cache_bump(alone.cache, NULL, LIST));
	assert_true(generation(&alone) > first);
}

static void test_generation__another_thread_sees_the_same(void **state)
{
	struct cache_front *other = cache_front_create(alone.cache);
	int64_t first = generation(&alone);

	assert_int_equal(cache_generation(other, NULL, LIST), first);
	cache_bump(alone.cache, NULL, LIST);
	assert_int_equal(cache_generation(other, NULL, LIST), generation(&alone));
	assert_true(generation(&alone) > first);
	cache_front_destroy(other);
}

static void test_generation__lists_have_their_own(void **state)
{
	int64_t first = generation(&alone), other = cache_generation(alone.front, NULL, "others");

	assert_int_not_equal(first, other);
	cache_bump(alone.cache, NULL, LIST);
	assert_int_equal(cache_generation(alone.front, NULL, "others"), other);
}

/* No number comes twice, however often a list changes: old pages are not found again. */
static void test_generation__never_comes_back(void **state)
{
	int64_t last = 0;

	for (int i = 0; i < 1000; i++) {
		int64_t now = generation(&alone);

		assert_true(now > last);
		last = now;
		cache_bump(alone.cache, NULL, LIST);
	}
}

static void test_generation__lives_for_an_hour_without_changes(void **state)
{
	int64_t first = generation(&alone);

	clock_advance_for_tests(3599 * US_PER_S);
	assert_int_equal(generation(&alone), first);
	clock_advance_for_tests(2 * US_PER_S);
	assert_true(generation(&alone) > first);
}

static void test_generation__without_memory_there_is_one_for_once(void **state)
{
	int64_t first, second;

	fault_arm(FAULT_ALLOC, 1, /* repeat: */ true);
	first = generation(&alone);
	second = generation(&alone);
	assert_true(first > 0 && second > first); /* nothing stored under the first is found: a miss, not an error */
	fault_disarm_all();
	second = generation(&alone);
	assert_int_equal(generation(&alone), second);
}

static void test_generation__what_is_no_number_is_not_believed(void **state)
{
	int64_t first;

	set_text(alone.cache, LIST, "abc", 300);
	first = generation(&alone);
	assert_true(first > 0);
	assert_true(generation(&alone) > first);
	cache_bump(alone.cache, NULL, LIST);
	first = generation(&alone);
	assert_int_equal(generation(&alone), first);
}

/* ---- two processes over one Redis ---- */

static struct test_redis server;
static struct redis *outsider;
static struct node a, b;

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
	node_stop(&a);
	node_stop(&b);
	return 0;
}

static int64_t stored(void)
{
	return atoll(ask(outsider, "GET egoejo:c1:gen:" LIST));
}

static void test_generation__two_processes_share_it(void **state)
{
	int64_t first = generation(&a);

	assert_int_equal(stored(), first);
	assert_int_equal(generation(&b), first);
	assert_int_equal(generation(&a), first);
}

static void test_generation__one_change_reaches_the_other_process(void **state)
{
	int64_t first = generation(&a);

	assert_int_equal(generation(&b), first);
	assert_true(cache_bump(a.cache, NULL, LIST));
	assert_int_not_equal(generation(&a), first); /* at once here */
	EVENTUALLY(generation(&b) == generation(&a));
	assert_int_equal(stored(), generation(&a));
	assert_true(cache_bump(b.cache, NULL, LIST));
	first = generation(&b);
	EVENTUALLY(generation(&a) == first);
}

/* The pages of a list, under keys that carry the generation. */
static const char *page(struct node *n, int number)
{
	char key[100];

	snprintf(key, sizeof(key), LIST ":%lld:%d", (long long)generation(n), number);
	return node_fetch(n, key);
}

static void test_generation__one_change_lets_go_of_every_page(void **state)
{
	for (int i = 0; i < 20; i++) {
		page(&a, i);
		page(&b, i);
	}
	a.source.text = b.source.text = "v2";
	assert_string_equal(page(&b, 7), "v1@");
	cache_bump(a.cache, NULL, LIST);
	for (int i = 0; i < 20; i++)
		assert_string_equal(page(&a, i), "v2@");
	EVENTUALLY(strcmp(page(&b, 0), "v2@") == 0);
	for (int i = 0; i < 20; i++)
		assert_string_equal(page(&b, i), "v2@");
}

static void test_generation__a_lost_one_is_made_anew(void **state)
{
	int64_t first = generation(&a);

	assert_int_equal(generation(&b), first);
	assert_answer(outsider, "DEL egoejo:c1:gen:" LIST, "1");
	EVENTUALLY(generation(&a) > first && generation(&b) == generation(&a));
	assert_answer(outsider, "FLUSHALL", "OK");
	EVENTUALLY(stored() > 0 || generation(&a) == 0 || generation(&b) == 0);
	EVENTUALLY(generation(&b) == generation(&a));
}

static void test_generation__something_else_in_redis_is_replaced(void **state)
{
	int64_t first;

	assert_answer(outsider, "SET egoejo:c1:gen:" LIST " abc", "OK");
	first = generation(&a);
	assert_true(first > 0);
	assert_true(cache_bump(a.cache, NULL, LIST));
	first = generation(&a);
	assert_int_equal(stored(), first);
	EVENTUALLY(generation(&b) == first);
}

static bool all_well(void)
{
	return node_well(&a) && node_well(&b);
}

/* While Redis is away each goes on alone: changes of his own at once, those of the other after 5 s; then all agree again. */
static void test_generation__an_outage(void **state)
{
	int64_t first = generation(&a), own, others;

	assert_int_equal(generation(&b), first);
	test_redis_signal(&server, SIGKILL);
	EVENTUALLY(!redis_usable(a.redis, REDIS_CACHE) && !redis_usable(b.redis, REDIS_CACHE) && !node_tracks(&a) && !node_tracks(&b));
	own = generation(&a);
	others = generation(&b);
	assert_true(own > first && others > first); /* what was in memory is not believed any more */
	assert_int_equal(generation(&a), own);
	assert_false(cache_bump(a.cache, NULL, LIST));
	assert_true(generation(&a) > own);
	own = generation(&a);
	assert_int_equal(generation(&b), others);
	clock_advance_for_tests(5 * US_PER_S);
	assert_true(generation(&b) > others);
	test_redis_restart(&server);
	EVENTUALLY(all_well());
	EVENTUALLY(generation(&b) == generation(&a) && stored() == generation(&a));
	assert_true(generation(&a) > own);
}

/* Redis comes back with what it had: the change that it missed counts, not the old generation. */
static void test_generation__a_change_that_redis_missed_is_told(void **state)
{
	int64_t first = generation(&a);

	assert_int_equal(generation(&b), first);
	test_redis_signal(&server, SIGSTOP);
	assert_false(cache_bump(a.cache, NULL, LIST));
	assert_true(generation(&a) > first);
	test_redis_signal(&server, SIGCONT);
	EVENTUALLY(all_well());
	EVENTUALLY(stored() > first && generation(&b) > first && generation(&a) > first);
	first = generation(&a);
	assert_true(cache_bump(b.cache, NULL, LIST));
	EVENTUALLY(generation(&a) == generation(&b) && generation(&a) != first);
}

#define ALONE(name)  cmocka_unit_test_setup_teardown(name, start_alone, stop_alone)
#define SHARED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest single[] = {
		ALONE(test_generation__stays_until_the_list_changes),
		ALONE(test_generation__another_thread_sees_the_same),
		ALONE(test_generation__lists_have_their_own),
		ALONE(test_generation__never_comes_back),
		ALONE(test_generation__lives_for_an_hour_without_changes),
		ALONE(test_generation__without_memory_there_is_one_for_once),
		ALONE(test_generation__what_is_no_number_is_not_believed),
	};
	const struct CMUnitTest shared[] = {
		SHARED(test_generation__two_processes_share_it),
		SHARED(test_generation__one_change_reaches_the_other_process),
		SHARED(test_generation__one_change_lets_go_of_every_page),
		SHARED(test_generation__a_lost_one_is_made_anew),
		SHARED(test_generation__something_else_in_redis_is_replaced),
		SHARED(test_generation__a_change_that_redis_missed_is_told),
		SHARED(test_generation__an_outage),
	};

	return cmocka_run_group_tests_name("alone", single, NULL, NULL) +
	       cmocka_run_group_tests_name("two processes", shared, start_server, stop_server);
}
