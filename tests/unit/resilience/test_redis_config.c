#include <string.h>

#include "resilience/redis.h"
#include "tests/lib/test.h"

struct read {
	int result;
	struct redis_config config;
	char warning[200];
	struct error err;
};

static struct read read_urls(const char *redis, const char *channels, const char *cache, const char *broker)
{
	struct read got = { .config.pool_size = 5, .warning = "untouched" };

	got.result = redis_config_from_urls(redis, channels, cache, broker, &got.config, got.warning, &got.err);
	return got;
}

static void test_redis_config__nothing_given_is_not_configured(void **state)
{
	struct read got = read_urls(NULL, "", NULL, "");

	assert_int_equal(got.result, 0);
	assert_string_equal(got.warning, "");
	for (int i = 0; i < REDIS_USAGES; i++)
		assert_false(got.config.configured[i]);
}

static void test_redis_config__no_database_or_zero_spreads_over_three(void **state)
{
	static const char *const urls[] = { "redis://h", "redis://h/", "redis://h/0" };

	for (int u = 0; u < 3; u++) {
		struct read got = read_urls(urls[u], NULL, NULL, NULL);

		assert_int_equal(got.result, 0);
		assert_string_equal(got.warning, "");
		assert_int_equal(got.config.pool_size, 5);
		for (int i = 0; i < REDIS_USAGES; i++) {
			assert_true(got.config.configured[i]);
			assert_int_equal(got.config.url[i].db, i);
		}
	}
}

static void test_redis_config__another_database_is_everybodys_with_a_warning(void **state)
{
	struct read got = read_urls("redis://:hunter2@h/2", NULL, NULL, NULL);

	assert_int_equal(got.result, 0);
	for (int i = 0; i < REDIS_USAGES; i++)
		assert_int_equal(got.config.url[i].db, 2);
	assert_non_null(strstr(got.warning, "database 2"));
	assert_null(strstr(got.warning, "hunter2"));
}

static void test_redis_config__overrides_are_whole_urls(void **state)
{
	struct read got = read_urls("redis://h/0", "redis://c/7", NULL, "redis://b");

	assert_int_equal(got.result, 0);
	assert_string_equal(got.config.url[REDIS_CHANNELS].host, "c");
	assert_int_equal(got.config.url[REDIS_CHANNELS].db, 7);
	assert_string_equal(got.config.url[REDIS_CACHE].host, "h");
	assert_int_equal(got.config.url[REDIS_CACHE].db, 1);
	assert_string_equal(got.config.url[REDIS_TASKS].host, "b");
	assert_int_equal(got.config.url[REDIS_TASKS].db, 0);
	got = read_urls(NULL, NULL, "redis://c/1", NULL);
	assert_int_equal(got.result, 0);
	assert_true(got.config.configured[REDIS_CACHE]);
	assert_false(got.config.configured[REDIS_TASKS]);
}

static void test_redis_config__a_wrong_url_names_its_variable(void **state)
{
	const struct {
		struct read got;
		const char *variable;
	} wrongs[] = {
		{ read_urls("http://h", NULL, NULL, NULL), "REDIS_URL: " },
		{ read_urls("redis://h", "redis://h/x", NULL, NULL), "REDIS_CHANNELS_URL: " },
		{ read_urls("redis://h", NULL, "h", NULL), "REDIS_CACHE_URL: " },
		{ read_urls(NULL, NULL, NULL, "redis://:1:2:3"), "CELERY_BROKER_URL: " },
	};

	for (int i = 0; i < 4; i++) {
		assert_int_equal(wrongs[i].got.result, ERR_CONFIG);
		assert_ptr_equal(strstr(wrongs[i].got.err.text, wrongs[i].variable), wrongs[i].got.err.text);
		assert_string_equal(wrongs[i].got.warning, "untouched");
		assert_false(wrongs[i].got.config.configured[REDIS_CACHE]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redis_config__nothing_given_is_not_configured),
		cmocka_unit_test(test_redis_config__no_database_or_zero_spreads_over_three),
		cmocka_unit_test(test_redis_config__another_database_is_everybodys_with_a_warning),
		cmocka_unit_test(test_redis_config__overrides_are_whole_urls),
		cmocka_unit_test(test_redis_config__a_wrong_url_names_its_variable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
