#include <pthread.h>
#include <stdio.h>

#include "base/metrics.h"
#include "tests/unit/cache/fixture.h"

struct bench {
	struct cache *cache;
	struct cache_front *front;
	struct source source;
};

static void set_up(struct bench *b)
{
	const struct cache_config config = { .max_bytes = 1 << 20, .max_entries = 100 };

	*b = (struct bench){ .source.text = "v1" };
	b->cache = cache_create(&config);
	assert_non_null(b->cache);
	b->front = cache_front_create(b->cache);
	assert_non_null(b->front);
}

static void tear_down(struct bench *b)
{
	cache_front_destroy(b->front);
	cache_destroy(b->cache);
	assert_int_equal(atomic_load(&objects_alive), 0);
}

static void test_front__finds_what_it_fetched(void **state)
{
	struct bench b;
	struct cache_object *object;

	set_up(&b);
	assert_null(cache_front_find(b.front, "k", TEXT("a")));
	assert_string_equal(fetch_text(b.front, &b.source, "k", TEXT("a")), "v1@a");
	object = cache_front_find(b.front, "k", TEXT("a"));
	assert_string_equal(thing_text(object), "v1@a");
	assert_ptr_equal(object, cache_front_find(b.front, "k", TEXT("a")));
	assert_null(cache_front_find(b.front, "k", TEXT("b")));
	assert_null(cache_front_find(b.front, "l", TEXT("a")));
	assert_int_equal(atomic_load(&b.source.loads), 1);
	tear_down(&b);
}

static void test_front__a_hit_counts_once_and_takes_no_reference(void **state)
{
	struct metric *hits = metric_series(METRIC_CACHE_HITS, "backend=\"memory\"");
	struct bench b;
	struct cache_object *object;
	unsigned refs;
	int64_t before;

	set_up(&b);
	fetch_text(b.front, &b.source, "k", TEXT("a"));
	before = metric_value(hits);
	object = cache_front_find(b.front, "k", TEXT("a"));
	refs = atomic_load(&object->refs);
	cache_front_find(b.front, "k", TEXT("a"));
	assert_int_equal(atomic_load(&object->refs), refs);
	assert_int_equal(metric_value(hits), before + 2);
	cache_front_find(b.front, "nothing", TEXT("a"));
	assert_int_equal(metric_value(hits), before + 2);
	tear_down(&b);
}

static void test_front__forgets_after_any_deletion(void **state)
{
	struct bench b;

	set_up(&b);
	fetch_text(b.front, &b.source, "k", TEXT("a"));
	b.source.text = "v2";
	safe_cache_delete(b.cache, NULL, "k");
	assert_null(cache_front_find(b.front, "k", TEXT("a")));
	assert_int_equal(atomic_load(&objects_alive), 0); /* nothing keeps the deleted object */
	assert_string_equal(fetch_text(b.front, &b.source, "k", TEXT("a")), "v2@a");
	safe_cache_delete(b.cache, NULL, "other");
	assert_null(cache_front_find(b.front, "k", TEXT("a"))); /* but level 1 has it */
	assert_string_equal(fetch_text(b.front, &b.source, "k", TEXT("a")), "v2@a");
	assert_int_equal(atomic_load(&b.source.loads), 2);
	tear_down(&b);
}

static void test_front__forgets_when_the_value_is_set_anew(void **state)
{
	struct bench b;

	set_up(&b);
	fetch_text(b.front, &b.source, "k", TEXT("a"));
	assert_true(set_text(b.cache, "k", "set", 300));
	assert_null(cache_front_find(b.front, "k", TEXT("a")));
	assert_string_equal(fetch_text(b.front, &b.source, "k", TEXT("a")), "set@a");
	assert_int_equal(atomic_load(&b.source.loads), 1);
	tear_down(&b);
}

static void test_front__forgets_when_the_time_ends(void **state)
{
	struct bench b;
	struct cache_load load;
	struct cache_object *object;

	set_up(&b);
	load = load_of(&b.source, "k", TEXT("a"), 10);
	assert_int_equal(cache_fetch(b.front, NULL, &load, &object), 0);
	clock_advance_for_tests(9 * US_PER_S);
	assert_non_null(cache_front_find(b.front, "k", TEXT("a")));
	clock_advance_for_tests(2 * US_PER_S);
	assert_null(cache_front_find(b.front, "k", TEXT("a")));
	b.source.text = "v2";
	assert_string_equal(fetch_text(b.front, &b.source, "k", TEXT("a")), "v2@a");
	tear_down(&b);
}

static void test_front__an_object_made_late_expires_with_its_value(void **state)
{
	struct bench b;
	struct cache_load load;
	struct cache_object *object;

	set_up(&b);
	load = load_of(&b.source, "k", TEXT("a"), 10);
	assert_int_equal(cache_fetch(b.front, NULL, &load, &object), 0);
	clock_advance_for_tests(9 * US_PER_S);
	load = load_of(&b.source, "k", TEXT("b"), 10);
	assert_int_equal(cache_fetch(b.front, NULL, &load, &object), 0);
	assert_string_equal(thing_text(object), "v1@b");
	assert_int_equal(atomic_load(&b.source.loads), 1);
	clock_advance_for_tests(2 * US_PER_S);
	assert_null(cache_front_find(b.front, "k", TEXT("b")));
	tear_down(&b);
}

static void test_front__two_fronts_share_level_1(void **state)
{
	struct bench b;
	struct cache_front *other;

	set_up(&b);
	other = cache_front_create(b.cache);
	fetch_text(b.front, &b.source, "k", TEXT("a"));
	assert_null(cache_front_find(other, "k", TEXT("a")));
	assert_string_equal(fetch_text(other, &b.source, "k", TEXT("a")), "v1@a");
	assert_ptr_equal(cache_front_find(other, "k", TEXT("a")), cache_front_find(b.front, "k", TEXT("a")));
	assert_int_equal(atomic_load(&b.source.loads), 1);
	assert_int_equal(atomic_load(&b.source.makes), 1);
	cache_front_destroy(other);
	tear_down(&b);
}

static void test_front__a_lent_object_outlives_its_deletion(void **state)
{
	struct bench b;
	struct cache_load load;
	struct cache_object *object;

	set_up(&b);
	load = load_of(&b.source, "k", TEXT("a"), 10);
	assert_int_equal(cache_fetch(b.front, NULL, &load, &object), 0);
	safe_cache_delete(b.cache, NULL, "k");
	assert_string_equal(thing_text(object), "v1@a"); /* until the next call */
	assert_null(cache_front_find(b.front, "k", TEXT("a")));
	tear_down(&b);
}

static void test_front__many_objects_stay_within_its_limits(void **state)
{
	struct bench b;
	char key[16], expected[32];

	set_up(&b);
	b.source.object_bytes = 2000; /* 64 KiB for the front: 32 of them */
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		snprintf(expected, sizeof(expected), "v1@%s", key);
		assert_string_equal(fetch_text(b.front, &b.source, key, str_of(key)), expected);
		assert_string_equal(thing_text(cache_front_find(b.front, key, str_of(key))), expected);
		assert_true(atomic_load(&objects_alive) <= 100 + 32 + 1); /* level 1's, the front's, the one in hand */
	}
	tear_down(&b);
}

static void test_front__too_large_an_object_is_lent_once(void **state)
{
	struct bench b;

	set_up(&b);
	b.source.object_bytes = 1 << 19;
	assert_string_equal(fetch_text(b.front, &b.source, "k", TEXT("a")), "v1@a");
	assert_null(cache_front_find(b.front, "k", TEXT("a")));
	assert_string_equal(fetch_text(b.front, &b.source, "k", TEXT("a")), "v1@a");
	assert_int_equal(atomic_load(&b.source.makes), 1); /* level 1 has it */
	tear_down(&b);
}

static void test_front__without_memory_it_lends_all_the_same(void **state)
{
	struct bench b;

	set_up(&b);
	fetch_text(b.front, &b.source, "k", TEXT("a"));
	safe_cache_delete(b.cache, NULL, "other"); /* the front forgets, level 1 does not */
	fault_arm(FAULT_ALLOC, 1, true);
	assert_string_equal(fetch_text(b.front, &b.source, "k", TEXT("a")), "v1@a");
	assert_null(cache_front_create(b.cache));
	fault_disarm_all();
	assert_null(cache_front_find(b.front, "k", TEXT("a")));
	tear_down(&b);
}

/* newest[0] is the source; newest[1] follows it after the deletion: from then on nobody may read less. */
static void test_front__no_thread_reads_what_was_deleted_before(void **state)
{
	struct bench b;
	atomic_int newest[2] = { 0, 0 };
	atomic_bool stop = false;
	struct reader readers[8];
	pthread_t threads[8];

	set_up(&b);
	for (int i = 0; i < 8; i++) {
		readers[i] = (struct reader){ b.cache, newest, &stop, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, read_numbers, &readers[i]), 0);
	}
	for (int i = 1; i <= 3000; i++) {
		atomic_store(&newest[0], i);
		safe_cache_delete(b.cache, NULL, "n");
		atomic_store(&newest[1], i);
	}
	atomic_store(&stop, true);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	tear_down(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_front__finds_what_it_fetched),
		cmocka_unit_test(test_front__a_hit_counts_once_and_takes_no_reference),
		cmocka_unit_test(test_front__forgets_after_any_deletion),
		cmocka_unit_test(test_front__forgets_when_the_value_is_set_anew),
		cmocka_unit_test(test_front__forgets_when_the_time_ends),
		cmocka_unit_test(test_front__an_object_made_late_expires_with_its_value),
		cmocka_unit_test(test_front__two_fronts_share_level_1),
		cmocka_unit_test(test_front__a_lent_object_outlives_its_deletion),
		cmocka_unit_test(test_front__many_objects_stay_within_its_limits),
		cmocka_unit_test(test_front__too_large_an_object_is_lent_once),
		cmocka_unit_test(test_front__without_memory_it_lends_all_the_same),
		cmocka_unit_test(test_front__no_thread_reads_what_was_deleted_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
