/* Decimals and the other values, as both engines write them. */
#include <math.h>

#include "base/cleanup.h"
#include "db/value_impl.h"
#include "tests/lib/test.h"

static void check_decimal(const char *text, int64_t cents)
{
	int64_t found = -12345;

	if (!value_parse_decimal(str_of(text), &found))
		fail_msg("%s is refused", text);
	if (found != cents)
		fail_msg("%s is %lld, expected %lld", text, (long long)found, (long long)cents);
}

static void test_value__decimals_are_read_exactly(void **state)
{
	check_decimal("0", 0);
	check_decimal("0.00", 0);
	check_decimal("250", 25000);
	check_decimal("250.00", 25000);
	check_decimal("250.5", 25050);
	check_decimal("-0.01", -1);
	check_decimal("+7.015", 702);
	check_decimal(".5", 50);
	check_decimal("5.", 500);
	check_decimal("0007.10", 710);
	check_decimal("1e3", 100000);
	check_decimal("1.5E-1", 15);
	check_decimal("92233720368547758.07", INT64_MAX);
	check_decimal("12345678901234.56", INT64_C(1234567890123456));
}

static void test_value__decimals_round_half_to_even(void **state)
{
	check_decimal("0.005", 0);
	check_decimal("0.015", 2);
	check_decimal("0.025", 2);
	check_decimal("0.0250000000000000001", 3);
	check_decimal("0.0249999999999999999", 2);
	check_decimal("-0.015", -2);
	check_decimal("0.004999", 0);
	check_decimal("0.0004", 0);
	check_decimal("9.995", 1000);
	check_decimal("1e-9", 0);
	check_decimal("5e-3", 0);
	check_decimal("6e-3", 1);
}

static void test_value__what_is_no_decimal_is_refused(void **state)
{
	static const char *const bad[] = { "",         "-",   ".",     "e5",  "1e", "1e9999", "NaN",
		                           "Infinity", "1,5", "1.2.3", "12a", " 1", "0x10",   "92233720368547758.08",
		                           "1e30" };
	int64_t found = 77;

	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		if (value_parse_decimal(str_of(bad[i]), &found))
			fail_msg("%s is taken as %lld", bad[i], (long long)found);
	assert_false(value_parse_decimal((struct str){ NULL, 0 }, &found));
	assert_int_equal(found, 77);
}

static void test_value__every_stored_amount_survives_a_double(void **state)
{
	int64_t cents, found;

	for (cents = -100000; cents <= 100000; cents++) {
		assert_true(value_decimal_from_double((double)cents / 100, &found));
		assert_int_equal(found, cents);
	}
	for (cents = 1; cents < INT64_C(99999999999999); cents = cents * 3 + 7) {
		assert_true(value_decimal_from_double((double)cents / 100, &found));
		assert_int_equal(found, cents);
	}
}

static void test_value__doubles_are_rounded_as_python_does(void **state)
{
	static const struct {
		double value;
		int64_t cents;
	} cases[] = {
		/* Decimal context of 15 digits, then quantize(0.01), ROUND_HALF_EVEN */
		{ 0.1 + 0.2, 30 }, { 2.675, 268 }, { 2.665, 266 }, { 1.005, 100 },
		{ 0.125, 12 },     { 0.375, 38 },  { 1e-7, 0 },    { -2.675, -268 },
	};
	int64_t found;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		assert_true(value_decimal_from_double(cases[i].value, &found));
		assert_int_equal(found, cases[i].cents);
	}
	assert_false(value_decimal_from_double(NAN, &found));
	assert_false(value_decimal_from_double(INFINITY, &found));
	assert_false(value_decimal_from_double(1e300, &found));
}

static void test_value__decimals_are_written_with_two_places(void **state)
{
	static const struct {
		int64_t cents;
		const char *text;
	} cases[] = { { 0, "0.00" },       { 5, "0.05" },           { -5, "-0.05" },
		      { 25000, "250.00" }, { -123456, "-1234.56" }, { INT64_MAX, "92233720368547758.07" } };
	char text[VALUE_DECIMAL_SIZE];

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		assert_int_equal(value_format_decimal(cases[i].cents, text), strlen(cases[i].text));
		assert_string_equal(text, cases[i].text);
	}
}

static void check_refused(enum kind kind, const char *text)
{
	char member[32] = { 0 };

	if (value_from_text(kind, str_of(text), NULL, member) != ERR_CORRUPT)
		fail_msg("'%s' is taken for kind %d", text, kind);
}

static void test_value__texts_become_members(void **state)
{
	struct instant at;
	double ratio;
	int64_t number;
	bool flag = false;

	assert_int_equal(value_from_text(KIND_BOOL, str_of("t"), NULL, &flag), 0);
	assert_true(flag);
	assert_int_equal(value_from_text(KIND_INT, str_of("-9223372036854775807"), NULL, &number), 0);
	assert_int_equal(number, -INT64_MAX);
	assert_int_equal(value_from_text(KIND_FLOAT, str_of("1.5e-3"), NULL, &ratio), 0);
	assert_true(ratio == 0.0015);
	assert_int_equal(value_from_text(KIND_FLOAT, str_of("-Infinity"), NULL, &ratio), 0);
	assert_true(isinf(ratio) && ratio < 0);
	assert_int_equal(value_from_text(KIND_TIME, str_of("1970-01-01 00:00:01.5+00"), NULL, &at), 0);
	assert_int_equal(at.us, 1500000);
	check_refused(KIND_BOOL, "true");
	check_refused(KIND_INT, "1.0");
	check_refused(KIND_INT, "");
	check_refused(KIND_FLOAT, "nan");
	check_refused(KIND_TIME, "infinity");
	check_refused(KIND_TIME, "2026-02-30");
	check_refused(KIND_DECIMAL, "NaN");
}

static void test_value__null_is_known_by_kind(void **state)
{
	struct str text = { "x", 1 };
	int64_t number = 1;
	bool flag = true;

	value_set_null(KIND_TEXT, &text);
	assert_null(text.s);
	value_set_null(KIND_INT, &number);
	assert_true(number == NULL_INT);
	value_set_null(KIND_BOOL, &flag);
	assert_false(flag);
	assert_true(value_is_null(&DB_INT(NULL_INT)));
	assert_true(value_is_null(&DB_FLOAT(NULL_FLOAT)));
	assert_true(value_is_null(&DB_TEXT(((struct str){ NULL, 0 }))));
	assert_true(value_is_null(&DB_TIME(NULL_TIME)));
	assert_true(value_is_null(&DB_DECIMAL(NULL_DECIMAL)));
	assert_false(value_is_null(&DB_TEXT(((struct str){ "", 0 }))));
	assert_false(value_is_null(&DB_BOOL(false)));
	assert_false(value_is_null(&DB_INT(0)));
}

static void test_value__the_arena_says_why_it_refuses(void **state)
{
	struct arena arena;
	struct str text = { NULL, 0 };

	arena_init(&arena, 100);
	assert_int_equal(value_from_text(KIND_TEXT, str_of("short"), &arena, &text), 0);
	assert_true(str_is(text, "short"));
	assert_int_equal(value_copy(&arena,
	                            "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890",
	                            100, &text),
	                 ERR_LIMIT);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_value__decimals_are_read_exactly),
		cmocka_unit_test(test_value__decimals_round_half_to_even),
		cmocka_unit_test(test_value__what_is_no_decimal_is_refused),
		cmocka_unit_test(test_value__every_stored_amount_survives_a_double),
		cmocka_unit_test(test_value__doubles_are_rounded_as_python_does),
		cmocka_unit_test(test_value__decimals_are_written_with_two_places),
		cmocka_unit_test(test_value__texts_become_members),
		cmocka_unit_test(test_value__null_is_known_by_kind),
		cmocka_unit_test(test_value__the_arena_says_why_it_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
