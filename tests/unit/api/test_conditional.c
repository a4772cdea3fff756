#include "api/conditional.h"

#include "tests/unit/api/fixture.h"

static void test_conditional__etags(void **state)
{
	static const struct {
		const char *header, *etag;
		bool named;
	} cases[] = {
		{ "\"a\"", "\"a\"", true },
		{ "W/\"a\"", "\"a\"", true },
		{ "\"a\"", "W/\"a\"", true },
		{ "*", "\"a\"", true },
		{ "\"b\", W/\"a\" ", "\"a\"", true },
		{ "\"b\"", "\"a\"", false },
		{ "a", "\"a\"", false },
		{ "", "\"a\"", false },
		{ "\"a", "\"a\"", false },
		{ "\"b\",,\"a\"", "\"a\"", true },
		{ "w/\"a\"", "\"a\"", false },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		assert_int_equal(etag_is_named(str_of(cases[i].header), str_of(cases[i].etag)), cases[i].named);
	assert_false(etag_is_named(NOTHING, TEXT("\"a\"")));
}

static void test_conditional__dates(void **state)
{
	char text[HTTP_DATE_SIZE];
	int64_t s = -1;

	http_date_format(1767603600, text);
	assert_string_equal(text, "Mon, 05 Jan 2026 09:00:00 GMT");
	assert_true(http_date_parse(str_of(text), &s));
	assert_int_equal(s, 1767603600);
	http_date_format(0, text);
	assert_string_equal(text, "Thu, 01 Jan 1970 00:00:00 GMT");
}

static void test_conditional__dates_of_other_forms(void **state)
{
	static const char *const texts[] = { "",
		                             "Monday, 05-Jan-26 09:00:00 GMT",
		                             "Mon Jan  5 09:00:00 2026",
		                             "Mon, 05 Jan 2026 09:00:00 UTC",
		                             "Mon, 05 Jan 2026 09:00:00 GMT ",
		                             "Mon, 05 Jan 2026 29:00:00 GMT",
		                             "2026-01-05T09:00:00Z" };
	int64_t s = -1;

	for (size_t i = 0; i < N_ELEMENTS(texts); i++)
		assert_false(http_date_parse(str_of(texts[i]), &s));
	assert_false(http_date_parse(NOTHING, &s));
	assert_int_equal(s, -1);
}

static void test_conditional__ranges(void **state)
{
	static const struct {
		const char *header;
		enum range_result result;
		uint64_t first, n;
	} cases[] = {
		{ "bytes=0-0", RANGE_PART, 0, 1 },
		{ "bytes=0-9", RANGE_PART, 0, 10 },
		{ "bytes=3-", RANGE_PART, 3, 7 },
		{ "Bytes= 3-4 ", RANGE_PART, 3, 2 },
		{ "bytes=9-9", RANGE_PART, 9, 1 },
		{ "bytes=5-99", RANGE_PART, 5, 5 },
		{ "bytes=5-99999999999999999999999", RANGE_PART, 5, 5 },
		{ "bytes=-3", RANGE_PART, 7, 3 },
		{ "bytes=-10", RANGE_PART, 0, 10 },
		{ "bytes=-99999999999999999999999", RANGE_PART, 0, 10 },
		{ "bytes=10-", RANGE_OUTSIDE, 0, 0 },
		{ "bytes=10-20", RANGE_OUTSIDE, 0, 0 },
		{ "bytes=99999999999999999999999-", RANGE_OUTSIDE, 0, 0 },
		{ "bytes=-0", RANGE_OUTSIDE, 0, 0 },
		{ "bytes=4-3", RANGE_NONE, 0, 0 },
		{ "bytes=0-1,3-4", RANGE_NONE, 0, 0 },
		{ "bytes=0-1,", RANGE_NONE, 0, 0 },
		{ "bytes=-", RANGE_NONE, 0, 0 },
		{ "bytes=", RANGE_NONE, 0, 0 },
		{ "bytes=a-b", RANGE_NONE, 0, 0 },
		{ "bytes=1", RANGE_NONE, 0, 0 },
		{ "bytes=1--2", RANGE_NONE, 0, 0 },
		{ "bytes=--2", RANGE_NONE, 0, 0 },
		{ "bytes=+1-2", RANGE_NONE, 0, 0 },
		{ "bytes=0x1-2", RANGE_NONE, 0, 0 },
		{ "bytes 1-2", RANGE_NONE, 0, 0 },
		{ "items=0-1", RANGE_NONE, 0, 0 },
		{ "", RANGE_NONE, 0, 0 },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		uint64_t first = 77, n = 77;
		enum range_result result = range_parse(str_of(cases[i].header), 10, &first, &n);

		if (result != cases[i].result ||
		    (result == RANGE_PART ? first != cases[i].first || n != cases[i].n : first != 77 || n != 77))
			fail_msg("%s: %d %llu %llu", cases[i].header, (int)result, (unsigned long long)first, (unsigned long long)n);
	}
}

static void test_conditional__ranges_of_nothing(void **state)
{
	uint64_t first, n;

	assert_int_equal(range_parse(TEXT("bytes=0-"), 0, &first, &n), RANGE_OUTSIDE);
	assert_int_equal(range_parse(TEXT("bytes=-1"), 0, &first, &n), RANGE_OUTSIDE);
	assert_int_equal(range_parse(NOTHING, 10, &first, &n), RANGE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditional__etags),
		cmocka_unit_test(test_conditional__dates),
		cmocka_unit_test(test_conditional__dates_of_other_forms),
		cmocka_unit_test(test_conditional__ranges),
		cmocka_unit_test(test_conditional__ranges_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
