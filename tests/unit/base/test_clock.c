#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "tests/lib/test.h"

static int64_t parsed(const char *text)
{
	struct instant t = { 0 };

	if (!clock_parse(str_of(text), &t))
		fail_msg("not read: %s", text);
	return t.us;
}

static void test_clock__now_is_now(void **state)
{
	int64_t before = (int64_t)time(NULL), now = clock_now().us / US_PER_S, after = (int64_t)time(NULL);

	assert_in_range(now, before, after);
}

static void test_clock__monotonic_never_goes_back(void **state)
{
	int64_t last = clock_monotonic_us();

	for (int i = 0; i < 10000; i++) {
		int64_t now = clock_monotonic_us();

		assert_true(now >= last);
		last = now;
	}
}

static void test_clock__tests_can_move_both(void **state)
{
	int64_t wall = clock_now().us, mono = clock_monotonic_us();

	clock_advance_for_tests(3600 * US_PER_S);
	assert_in_range(clock_now().us - wall, 3600 * US_PER_S, 3660 * US_PER_S);
	assert_in_range(clock_monotonic_us() - mono, 3600 * US_PER_S, 3660 * US_PER_S);
	clock_advance_for_tests(-3600 * US_PER_S);
	assert_in_range(clock_monotonic_us() - mono, 0, 60 * US_PER_S);
}

static void test_clock__formats_iso(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00+00:00" },
		{ 1, "1970-01-01T00:00:00.000001+00:00" },
		{ -1, "1969-12-31T23:59:59.999999+00:00" },
		{ -US_PER_S, "1969-12-31T23:59:59+00:00" },
		{ INT64_C(951782400) * US_PER_S, "2000-02-29T00:00:00+00:00" },
		{ INT64_C(951868799) * US_PER_S, "2000-02-29T23:59:59+00:00" },
		{ INT64_C(1767603600) * US_PER_S + 120000, "2026-01-05T09:00:00.120000+00:00" },
		{ INT64_C(253402300799) * US_PER_S + 999999, "9999-12-31T23:59:59.999999+00:00" },
		{ INT64_C(-62135596800) * US_PER_S, "0001-01-01T00:00:00+00:00" },
		{ INT64_C(-2203891200) * US_PER_S, "1900-03-01T00:00:00+00:00" },
	};
	char text[CLOCK_ISO_SIZE];

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		size_t n = clock_format_iso((struct instant){ cases[i].us }, text);

		assert_string_equal(text, cases[i].text);
		assert_int_equal(n, strlen(text));
	}
}

static void test_clock__formats_for_the_log(void **state)
{
	char text[CLOCK_ISO_SIZE];

	assert_int_equal(clock_format_log((struct instant){ INT64_C(1767603600) * US_PER_S + 1999 }, text), 24);
	assert_string_equal(text, "2026-01-05T09:00:00.001Z");
}

static void test_clock__formats_for_sql(void **state)
{
	char text[CLOCK_ISO_SIZE];

	assert_int_equal(clock_format_sql((struct instant){ INT64_C(1767603600) * US_PER_S }, text), 19);
	assert_string_equal(text, "2026-01-05 09:00:00");
	assert_int_equal(clock_format_sql((struct instant){ INT64_C(1767603600) * US_PER_S + 7 }, text), 26);
	assert_string_equal(text, "2026-01-05 09:00:00.000007");
}

static void test_clock__reads_what_it_should(void **state)
{
	const int64_t nine = INT64_C(1767603600) * US_PER_S;
	static const char *const same[] = { "2026-01-05 09:00",           "2026-01-05T09:00:00",       "2026-01-05T09:00:00Z",
		                            "2026-01-05T09:00:00z",       "2026-01-05T09:00:00+00:00", "2026-01-05T09:00:00-00:00",
		                            "2026-01-05T03:00:00-06:00",  "2026-01-05T03:00-0600",     "2026-01-05T03:00-06",
		                            "2026-01-05T14:30:00+05:30",  "2026-01-06T08:59:00+23:59", "2026-01-05 09:00:00.000000",
		                            "2026-01-05T09:00:00.0000009" };

	for (size_t i = 0; i < N_ELEMENTS(same); i++)
		if (parsed(same[i]) != nine)
			fail_msg("%s", same[i]);
	assert_int_equal(parsed("2026-01-05"), nine - 9 * 3600 * US_PER_S);
	assert_int_equal(parsed("2026-01-05 09:00:00.5"), nine + 500000);
	assert_int_equal(parsed("2026-01-05T09:00:00.000012Z"), nine + 12);
	assert_int_equal(parsed("1970-01-01"), 0);
	assert_int_equal(parsed("1969-12-31T23:59:59.999999Z"), -1);
}

static void test_clock__knows_leap_years(void **state)
{
	static const char *const good[] = { "2000-02-29", "2024-02-29", "2400-02-29", "0004-02-29" };
	static const char *const bad[] = { "1900-02-29", "2023-02-29", "2100-02-29", "2024-02-30", "2026-04-31", "2026-06-31" };
	struct instant t;

	for (size_t i = 0; i < N_ELEMENTS(good); i++)
		parsed(good[i]);
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_false(clock_parse(str_of(bad[i]), &t));
}

static void test_clock__refuses_the_rest(void **state)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-1-5",
		"26-01-05",
		"0000-01-01",
		"2026-00-01",
		"2026-13-01",
		"2026-01-00",
		"2026-01-32",
		"2026-01-05T",
		"2026-01-05Z",
		"2026-01-05T9:00",
		"2026-01-05T24:00",
		"2026-01-05T09:60",
		"2026-01-05T09:00:60",
		"2026-01-05T09:00:",
		"2026-01-05T09:00:00.",
		"2026-01-05T09:00:00.Z",
		"2026-01-05T09:00:00+",
		"2026-01-05T09:00:00+1",
		"2026-01-05T09:00:00+01:",
		"2026-01-05T09:00:00+01:6",
		"2026-01-05T09:00:00+01:60",
		"2026-01-05T09:00:00+24:00",
		"2026-01-05T09:00:00 Z",
		"2026-01-05T09:00:00ZZ",
		"2026-01-05T09:00:00+01:00 ",
		"2026-01-05x09:00",
		" 2026-01-05",
		"+026-01-05",
		"2026/01/05",
	};
	struct instant t = { 7 };

	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		if (clock_parse(str_of(bad[i]), &t))
			fail_msg("read: %s", bad[i]);
	assert_false(clock_parse((struct str){ NULL, 0 }, &t));
	assert_int_equal(t.us, 7);
}

/* Every day from 1600 to 2500 against the C library, and back through our own reader. */
static void test_clock__agrees_with_the_c_library(void **state)
{
	char text[CLOCK_ISO_SIZE], expected[80];

	for (int64_t day = -135140; day < 193600; day++) {
		time_t seconds = (time_t)(day * 86400 + (day * 7919 % 86400 + 86400) % 86400);
		struct instant t = { (int64_t)seconds * US_PER_S + (day & 1 ? 123456 : 0) };
		struct tm tm;

		clock_format_iso(t, text);
		assert_non_null(gmtime_r(&seconds, &tm));
		snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d%s+00:00", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		         tm.tm_hour, tm.tm_min, tm.tm_sec, day & 1 ? ".123456" : "");
		if (strcmp(text, expected) != 0)
			fail_msg("%s, expected %s", text, expected);
		if (parsed(text) != t.us)
			fail_msg("%s does not read back", text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock__now_is_now),           cmocka_unit_test(test_clock__monotonic_never_goes_back),
		cmocka_unit_test(test_clock__tests_can_move_both),  cmocka_unit_test(test_clock__formats_iso),
		cmocka_unit_test(test_clock__formats_for_the_log),  cmocka_unit_test(test_clock__formats_for_sql),
		cmocka_unit_test(test_clock__reads_what_it_should), cmocka_unit_test(test_clock__knows_leap_years),
		cmocka_unit_test(test_clock__refuses_the_rest),     cmocka_unit_test(test_clock__agrees_with_the_c_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
