#include "resilience/redis_url.h"

#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/test.h"

struct good {
	const char *text;
	enum redis_scheme scheme;
	const char *host, *path, *user, *password, *shown;
	int port, db;
};

static const struct good goods[] = {
	{ "redis://localhost", REDIS_TCP, "localhost", "", "", "", "redis://localhost:6379", 6379, -1 },
	{ "redis://localhost/", REDIS_TCP, "localhost", "", "", "", "redis://localhost:6379", 6379, -1 },
	{ "redis://10.0.0.1:7000/3", REDIS_TCP, "10.0.0.1", "", "", "", "redis://10.0.0.1:7000/3", 7000, 3 },
	{ "redis://h:6379/0", REDIS_TCP, "h", "", "", "", "redis://h:6379/0", 6379, 0 },
	{ "redis://:s3cret@h/1", REDIS_TCP, "h", "", "", "s3cret", "redis://***@h:6379/1", 6379, 1 },
	{ "redis://me:s3cret@h:1/1", REDIS_TCP, "h", "", "me", "s3cret", "redis://***@h:1/1", 1, 1 },
	{ "rediss://me:a%40b%2Fc%3a@h.example.org:65535/15", REDIS_TLS, "h.example.org", "", "me",
	  "a@b/c:", "rediss://***@h.example.org:65535/15", 65535, 15 },
	{ "redis://me:p@ss/0", REDIS_TCP, "ss", "", "me", "p", "redis://***@ss:6379/0", 6379, 0 },
	{ "redis://me:p@a@h/0", REDIS_TCP, "h", "", "me", "p@a", "redis://***@h:6379/0", 6379, 0 },
	{ "redis://:p%zz%4@h/0", REDIS_TCP, "h", "", "", "p%zz%4", "redis://***@h:6379/0", 6379, 0 },
	{ "redis://[::1]:7000/2", REDIS_TCP, "::1", "", "", "", "redis://[::1]:7000/2", 7000, 2 },
	{ "redis://u:p@[fe80::1]", REDIS_TCP, "fe80::1", "", "u", "p", "redis://***@[fe80::1]:6379", 6379, -1 },
	{ "rediss://h:1/1?ssl_cert_reqs=required", REDIS_TLS, "h", "", "", "", "rediss://h:1/1", 1, 1 },
	{ "unix:///run/redis.sock", REDIS_UNIX, "", "/run/redis.sock", "", "", "unix:///run/redis.sock", 0, -1 },
	{ "unix:///run/redis.sock?db=4", REDIS_UNIX, "", "/run/redis.sock", "", "", "unix:///run/redis.sock?db=4", 0, 4 },
	{ "unix://me:pw@/run/r.sock?a=b&db=1", REDIS_UNIX, "", "/run/r.sock", "me", "pw", "unix://***@/run/r.sock?db=1", 0, 1 },
};

static void test_redis_url__reads_what_is_valid(void **state)
{
	for (size_t i = 0; i < N_ELEMENTS(goods); i++) {
		const struct good *g = &goods[i];
		struct error err = { 0 };
		struct redis_url url;

		if (redis_url_parse(g->text, &url, &err) < 0)
			fail_msg("%s: %s", g->text, err.text);
		assert_int_equal(url.scheme, g->scheme);
		assert_string_equal(url.host, g->host);
		assert_string_equal(url.path, g->path);
		assert_string_equal(url.user, g->user);
		assert_string_equal(url.password, g->password);
		assert_string_equal(url.shown, g->shown);
		assert_int_equal(url.port, g->port);
		assert_int_equal(url.db, g->db);
	}
}

static void test_redis_url__refuses_the_rest_without_quoting_it(void **state)
{
	static const char *const bads[] = {
		"",
		"redis:",
		"hunter2",
		"http://hunter2@h",
		"redis://",
		"redis:///0",
		"redis://:hunter2@/0",
		"redis://:hunter2@h:0",
		"redis://:hunter2@h:65536",
		"redis://:hunter2@h:12a",
		"redis://:hunter2@h:",
		"redis://:hunter2@h/x",
		"redis://:hunter2@h/1/2",
		"redis://:hunter2@h/-1",
		"redis://:hunter2@h/99999999999",
		"redis://:hunter2@h/0?db=3",
		"redis://:hunter2@[::1",
		"redis://:hunter2@[::1]x",
		"redis://:hunter2@a b/0",
		"redis://:hunter2@a:b:c/0",
		"redis://hunter2@h/0",
		"redis://:hunter2%00x@h/0",
		"unix://:hunter2@relative",
		"unix://:hunter2@host/run/redis.sock",
		"unix:///",
		"unix:///run/r?db=x",
		"unix:///0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678",
	};

	for (size_t i = 0; i < N_ELEMENTS(bads); i++) {
		struct redis_url url = { .db = 77 };
		struct error err = { 0 };

		if (redis_url_parse(bads[i], &url, &err) != ERR_CONFIG)
			fail_msg("accepted: %s", bads[i]);
		assert_int_equal(url.db, 77);
		assert_true(*err.text);
		assert_null(strstr(err.text, "hunter2"));
	}
	assert_int_equal(redis_url_parse(NULL, &(struct redis_url){ 0 }, NULL), ERR_CONFIG);
}

static void test_redis_url__bounds_each_part(void **state)
{
	char text[1024];
	struct redis_url url;

	memset(text, 'a', sizeof(text));
	memcpy(text, "redis://", 8);
	text[8 + 255] = '\0';
	assert_int_equal(redis_url_parse(text, &url, NULL), 0);
	assert_int_equal(strlen(url.host), 255);
	text[8 + 255] = 'a';
	text[8 + 256] = '\0';
	assert_int_equal(redis_url_parse(text, &url, NULL), ERR_CONFIG);
	memset(text + 8, 'p', sizeof(text) - 8);
	text[8] = ':';
	memcpy(text + 8 + 512, "@h", 3);
	assert_int_equal(redis_url_parse(text, &url, NULL), 0);
	assert_int_equal(strlen(url.password), 511);
	memcpy(text + 8 + 512, "p@h", 4);
	assert_int_equal(redis_url_parse(text, &url, NULL), ERR_CONFIG);
}

static void test_redis_url__changes_only_the_database(void **state)
{
	struct redis_url url;

	assert_int_equal(redis_url_parse("redis://u:a%2F0b@h0:6379/0", &url, NULL), 0);
	redis_url_set_db(&url, 12);
	assert_string_equal(url.password, "a/0b");
	assert_string_equal(url.host, "h0");
	assert_int_equal(url.db, 12);
	assert_string_equal(url.shown, "redis://***@h0:6379/12");
}

static void test_redis_url__knows_the_same_server(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} pairs[] = {
		{ "redis://h/0", "redis://H:6379/9", true },   { "redis://h/0", "rediss://h/0", false },
		{ "redis://h/0", "redis://h:1/0", false },     { "redis://h/0", "redis://g/0", false },
		{ "redis://:a@h/0", "redis://:b@h/0", false }, { "redis://u:a@h/0", "redis://v:a@h/0", false },
		{ "unix:///a?db=1", "unix:///a", true },       { "unix:///a", "unix:///b", false },
	};

	for (size_t i = 0; i < N_ELEMENTS(pairs); i++) {
		struct redis_url a, b;

		assert_int_equal(redis_url_parse(pairs[i].a, &a, NULL), 0);
		assert_int_equal(redis_url_parse(pairs[i].b, &b, NULL), 0);
		assert_int_equal(redis_url_same_server(&a, &b), pairs[i].same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redis_url__reads_what_is_valid),
		cmocka_unit_test(test_redis_url__refuses_the_rest_without_quoting_it),
		cmocka_unit_test(test_redis_url__bounds_each_part),
		cmocka_unit_test(test_redis_url__changes_only_the_database),
		cmocka_unit_test(test_redis_url__knows_the_same_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
