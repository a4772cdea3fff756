#include "api/content_exports_impl.h"

#include "base/clock.h"
#include "tests/unit/api/fixture.h"

static void assert_name(const char *status, const char *expected)
{
	struct instant day = { INT64_C(1767225600) * US_PER_S }; /* 2026-01-01 */
	struct arena arena;

	arena_init(&arena, 1 << 16);
	assert_string_equal(export_disposition(&arena, str_of(status), day, "csv"), expected);
	arena_finish(&arena);
}

static void test_content_exports__a_file_name_holds_status_and_day(void **state)
{
	assert_name("published", "attachment; filename=\"contents_published_20260101.csv\"");
	assert_name("a_B-9", "attachment; filename=\"contents_a_B-9_20260101.csv\"");
	assert_name("", "attachment; filename=\"contents__20260101.csv\"");
}

static void test_content_exports__what_is_no_plain_word_stays_out_of_it(void **state)
{
	static const char *const odd[] = {
		"a b", "a\r\nX: y", "\"", "../x", "é", "a;b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	};

	for (size_t i = 0; i < N_ELEMENTS(odd); i++)
		assert_name(odd[i], "attachment; filename=\"contents_inconnu_20260101.csv\"");
}

static void test_content_exports__without_memory(void **state)
{
	struct arena arena;

	arena_init(&arena, 8);
	assert_null(export_disposition(&arena, (struct str)STR("published"), (struct instant){ 0 }, "csv"));
	arena_finish(&arena);
}

static void test_content_exports__limits(void **state)
{
	static const struct {
		const char *text;
		int64_t limit; /* -1: refused */
	} cases[] = { { NULL, 1000 },     { "0", 0 },
		      { "1", 1 },         { "+7", 7 },
		      { " 12 ", 12 },     { "10000", 10000 },
		      { "10001", 10000 }, { "99999999999999999999999", 10000 },
		      { "-1", -1 },       { "-99999999999999999999999", -1 },
		      { "", -1 },         { " ", -1 },
		      { "x", -1 },        { "1.5", -1 },
		      { "1e3", -1 },      { "0x1", -1 } };

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		int64_t limit = 77;
		bool good = export_read_limit(str_of(cases[i].text), &limit);

		assert_int_equal(good, cases[i].limit >= 0);
		if (good)
			assert_int_equal(limit, cases[i].limit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content_exports__a_file_name_holds_status_and_day),
		cmocka_unit_test(test_content_exports__what_is_no_plain_word_stays_out_of_it),
		cmocka_unit_test(test_content_exports__without_memory),
		cmocka_unit_test(test_content_exports__limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
