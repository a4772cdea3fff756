#include "domain/stale.h"

#include "tests/lib/test.h"

struct fixture {
	struct redis_config config;
	struct redis *redis;
	struct cache *cache;
	struct redis_budget budget;
};

/* A cache without Redis. */
static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .config = { .connect_timeout_us = 1000, .command_timeout_us = 1000, .retry_us = 1000, .pool_size = 1 },
		              .budget = { 1000000 } };
	f.redis = redis_create(&f.config);
	assert_non_null(f.redis);
	f.cache = cache_create(&(struct cache_config){ .max_bytes = 1 << 20, .max_entries = 100, .redis = f.redis });
	assert_non_null(f.cache);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	cache_destroy(f->cache);
	redis_destroy(f->redis);
	return 0;
}

static const char *const keys[] = { "projets_list",           "educational_contents_published",           "oracle_data:project:7",
	                            "oracle_data:project:77", "oracle_data:project:-9223372036854775808", "something_else" };

static void fill(struct fixture *f)
{
	for (size_t i = 0; i < N_ELEMENTS(keys); i++)
		safe_cache_set(f->cache, &f->budget, keys[i], "x", 1, 60);
}

/* Which keys are gone, as a text of 0 and 1 in the order of `keys`. */
static void assert_gone(struct fixture *f, const char *expected)
{
	char gone[N_ELEMENTS(keys) + 1] = "";

	for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
		struct blob *value = safe_cache_get(f->cache, &f->budget, keys[i]);

		gone[i] = value ? '0' : '1';
		blob_unref(value);
	}
	assert_string_equal(gone, expected);
}

static void test_stale__a_project(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_gone(f, "000000");
	stale_after(f->cache, &f->budget, CHANGE_PROJECT, 7);
	assert_gone(f, "101000");
	fill(f);
	stale_after(f->cache, &f->budget, CHANGE_PROJECT, INT64_MIN);
	assert_gone(f, "100010");
}

/* What oracles say does not depend on it. */
static void test_stale__a_project_score(void **state)
{
	struct fixture *f = *state;

	fill(f);
	stale_after(f->cache, &f->budget, CHANGE_PROJECT_SCORE, 7);
	assert_gone(f, "100000");
}

static void test_stale__a_content(void **state)
{
	struct fixture *f = *state;

	fill(f);
	stale_after(f->cache, &f->budget, CHANGE_CONTENT, 7);
	assert_gone(f, "010000");
}

static void test_stale__a_community(void **state)
{
	struct fixture *f = *state;

	fill(f);
	stale_after(f->cache, &f->budget, CHANGE_COMMUNITY, 7);
	assert_gone(f, "100000");
}

/* Everything that is made of the list of contents is let go of, by one number. */
static void test_stale__a_content_changes_the_list(void **state)
{
	struct fixture *f = *state;
	struct cache_front *front = cache_front_create(f->cache);
	int64_t first = cache_generation(front, &f->budget, "educational_contents");

	stale_after(f->cache, &f->budget, CHANGE_PROJECT, 7);
	assert_int_equal(cache_generation(front, &f->budget, "educational_contents"), first);
	stale_after(f->cache, &f->budget, CHANGE_CONTENT, 7);
	assert_true(cache_generation(front, &f->budget, "educational_contents") > first);
	cache_front_destroy(front);
}

static void test_stale__every_change_makes_something_stale(void **state)
{
	struct fixture *f = *state;

	for (int change = 0; change < CHANGE_COUNT; change++) {
		size_t gone = 0;

		fill(f);
		stale_after(f->cache, &f->budget, (enum change)change, 7);
		for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
			struct blob *value = safe_cache_get(f->cache, &f->budget, keys[i]);

			gone += value == NULL;
			blob_unref(value);
		}
		assert_true(gone > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stale__a_project, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale__a_project_score, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale__a_content, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale__a_content_changes_the_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale__a_community, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale__every_change_makes_something_stale, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
