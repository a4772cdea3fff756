#include "base/str.h"

#include <math.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "tests/lib/test.h"

#define S(literal) ((struct str)STR(literal))
static const struct str absent = { NULL, 0 };

static void assert_str(struct str s, const char *expected)
{
	if (!str_is(s, expected))
		fail_msg("\"%.*s\", expected \"%s\"", STR_ARG(s), expected);
}

static void test_str__equality_tells_absent_from_empty(void **state)
{
	assert_true(str_equal(absent, absent));
	assert_true(str_equal(S(""), S("")));
	assert_false(str_equal(absent, S("")));
	assert_false(str_equal(S("a"), S("b")));
	assert_false(str_equal(S("a"), S("ab")));
	assert_true(str_equal(S("a\0b"), S("a\0b")));
	assert_false(str_equal(S("a\0b"), S("a\0c")));
	assert_true(str_is(S("x"), "x"));
	assert_false(str_is(S("x"), "xy"));
	assert_false(str_is(absent, ""));
	assert_null(str_of(NULL).s);
}

static void test_str__nocase_folds_ascii_only(void **state)
{
	assert_true(str_equal_nocase(S("HoSt"), S("hOsT")));
	assert_true(str_equal_nocase(S("é"), S("é")));
	assert_false(str_equal_nocase(S("É"), S("é")));
	assert_false(str_equal_nocase(S("@"), S("`"))); /* 32 apart, no letters */
	assert_false(str_equal_nocase(S("["), S("{")));
	assert_false(str_equal_nocase(absent, S("")));
	assert_true(str_equal_nocase(absent, absent));
}

static void test_str__classes_of_bytes(void **state)
{
	int digits = 0, letters = 0, changed = 0;

	for (int i = -128; i < 128; i++) {
		digits += str_is_digit((char)i);
		letters += str_is_alpha((char)i);
		changed += str_lower((char)i) != (char)i;
	}
	assert_int_equal(digits, 10);
	assert_int_equal(letters, 52);
	assert_int_equal(changed, 26);
	assert_int_equal(str_lower('Z'), 'z');
}

static void test_str__starts(void **state)
{
	assert_true(str_starts(S("https://x"), "http"));
	assert_true(str_starts(S("x"), ""));
	assert_false(str_starts(S("htt"), "http"));
	assert_false(str_starts(absent, ""));
}

static void test_str__trim_takes_ascii_space(void **state)
{
	assert_str(str_trim(S(" \t\r\n\v\fa b\n ")), "a b");
	assert_str(str_trim(S("")), "");
	assert_str(str_trim(S("  ")), "");
	assert_str(str_trim(S("\u00a0a")), "\u00a0a");
	assert_null(str_trim(absent).s);
}

static void test_str__trim_unicode_is_pythons_strip(void **state)
{
	static const char *const spaces[] = { "\t",     "\n",     "\v",     "\f",       "\r",     "\x1c",   "\x1d",
		                              "\x1e",   "\x1f",   " ",      "\xc2\x85", "\u00a0", "\u1680", "\u2000",
		                              "\u2005", "\u200a", "\u2028", "\u2029",   "\u202f", "\u205f", "\u3000" };
	static const char *const others[] = { "\u200b", "\u180e", "\ufeff", "\u2060", "\x1b", "\x7f", "\xc2\x84", "\u200c" };
	char text[64];

	for (size_t i = 0; i < N_ELEMENTS(spaces); i++) {
		snprintf(text, sizeof(text), "%s%sé x€%s%s", spaces[i], spaces[0], spaces[i], spaces[i]);
		assert_str(str_trim_unicode(str_of(text)), "é x€");
		assert_int_equal(str_trim_unicode(str_of(spaces[i])).len, 0);
	}
	for (size_t i = 0; i < N_ELEMENTS(others); i++) {
		snprintf(text, sizeof(text), "%sx%s", others[i], others[i]);
		assert_str(str_trim_unicode(str_of(text)), text);
	}
	assert_str(str_trim_unicode(S("")), "");
	assert_null(str_trim_unicode(absent).s);
}

static void test_str__split_gives_every_piece(void **state)
{
	struct str rest = STR("a,,b,"), piece;

	assert_true(str_split(&rest, ',', &piece));
	assert_str(piece, "a");
	assert_true(str_split(&rest, ',', &piece));
	assert_str(piece, "");
	assert_true(str_split(&rest, ',', &piece));
	assert_str(piece, "b");
	assert_true(str_split(&rest, ',', &piece));
	assert_str(piece, "");
	assert_false(str_split(&rest, ',', &piece));
	rest = S("");
	assert_true(str_split(&rest, ',', &piece));
	assert_str(piece, "");
	assert_false(str_split(&rest, ',', &piece));
	rest = absent;
	assert_false(str_split(&rest, ',', &piece));
}

static void test_str__find(void **state)
{
	assert_int_equal(str_find(S("abcb"), 'b'), 1);
	assert_int_equal(str_find(S("abc"), 'x'), -1);
	assert_int_equal(str_find(S(""), 'x'), -1);
	assert_int_equal(str_find(absent, 'x'), -1);
	assert_int_equal(str_find((struct str){ "ab", 1 }, 'b'), -1);
}

static void test_str__utf8_accepts_what_rfc_3629_does(void **state)
{
	static const char *const good[] = { "",
		                            "a",
		                            "\x7f",
		                            "\xc2\x80",
		                            "\xdf\xbf",
		                            "\xe0\xa0\x80",
		                            "\xec\xbf\xbf",
		                            "\xed\x9f\xbf",
		                            "\xee\x80\x80",
		                            "\xef\xbf\xbf",
		                            "\xf0\x90\x80\x80",
		                            "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "\x80",
		                           "\xbf",
		                           "\xc0\x80",
		                           "\xc1\xbf",
		                           "\xc2",
		                           "\xc2\x7f",
		                           "\xc2\xc0",
		                           "\xe0\x9f\xbf",
		                           "\xe0\xa0",
		                           "\xed\xa0\x80",
		                           "\xed\xbf\xbf",
		                           "\xe1\x80\x7f",
		                           "\xf0\x8f\xbf\xbf",
		                           "\xf0\x90\x80",
		                           "\xf4\x90\x80\x80",
		                           "\xf5\x80\x80\x80",
		                           "\xff",
		                           "\xfe",
		                           "a\xe9t\xe9" };

	for (size_t i = 0; i < N_ELEMENTS(good); i++)
		if (!str_valid_utf8(str_of(good[i])))
			fail_msg("refused: case %zu", i);
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		if (str_valid_utf8(str_of(bad[i])))
			fail_msg("accepted: case %zu", i);
	assert_true(str_valid_utf8(S("a\0b")));
	assert_true(str_valid_utf8(absent));
	assert_false(str_valid_utf8((struct str){ "é", 1 }));
}

/* Every code point, encoded by hand, is valid unless it is a surrogate. */
static void test_str__utf8_over_all_code_points(void **state)
{
	for (unsigned c = 0x80; c <= 0x110000; c++) {
		char text[4];
		size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

		for (size_t i = n - 1; i > 0; i--)
			text[i] = (char)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3f));
		text[0] = (char)((0xf00 >> n & 0xff) | c >> (6 * (n - 1)));
		if (str_valid_utf8((struct str){ text, n }) != ((c < 0xd800 || c > 0xdfff) && c <= 0x10ffff))
			fail_msg("U+%04X", c);
	}
}

static void test_str__counts_characters(void **state)
{
	assert_int_equal(str_count_chars(S("")), 0);
	assert_int_equal(str_count_chars(S("abc")), 3);
	assert_int_equal(str_count_chars(S("é€😀")), 3);
	assert_int_equal(str_count_chars(absent), 0);
}

static void test_str__to_uint(void **state)
{
	int64_t n = -7;

	assert_true(str_to_uint(S("0"), &n));
	assert_int_equal(n, 0);
	assert_true(str_to_uint(S("00042"), &n));
	assert_int_equal(n, 42);
	assert_true(str_to_uint(S("9223372036854775807"), &n));
	assert_true(n == INT64_MAX);
	assert_false(str_to_uint(S("9223372036854775808"), &n));
	assert_false(str_to_uint(S("99999999999999999999999"), &n));
	assert_false(str_to_uint(S(""), &n));
	assert_false(str_to_uint(S("-1"), &n));
	assert_false(str_to_uint(S("+1"), &n));
	assert_false(str_to_uint(S(" 1"), &n));
	assert_false(str_to_uint(S("1 "), &n));
	assert_false(str_to_uint(S("1\0"), &n));
	assert_false(str_to_uint(S("٣"), &n));
	assert_false(str_to_uint(absent, &n));
	assert_true(n == INT64_MAX);
}

static void test_str__whole_numbers(void **state)
{
	assert_true(str_is_whole_number(S("0")));
	assert_true(str_is_whole_number(S("-99999999999999999999999")));
	assert_true(str_is_whole_number(S("+007")));
	assert_false(str_is_whole_number(S("")));
	assert_false(str_is_whole_number(S("-")));
	assert_false(str_is_whole_number(S("+-1")));
	assert_false(str_is_whole_number(S("1.0")));
	assert_false(str_is_whole_number(S(" 1")));
	assert_false(str_is_whole_number(absent));
}

static void test_str__to_int(void **state)
{
	int64_t n = 5;

	assert_true(str_to_int(S("-9223372036854775807"), &n));
	assert_true(n == -INT64_MAX);
	assert_true(str_to_int(S("+12"), &n));
	assert_int_equal(n, 12);
	assert_true(str_to_int(S("-0"), &n));
	assert_int_equal(n, 0);
	assert_false(str_to_int(S("-9223372036854775808"), &n)); /* NULL_INT is no number */
	assert_false(str_to_int(S("+"), &n));
	assert_false(str_to_int(S("-"), &n));
	assert_false(str_to_int(S("+-1"), &n));
	assert_false(str_to_int(S("--1"), &n));
	assert_false(str_to_int(absent, &n));
	assert_int_equal(n, 0);
}

static void test_str__to_double(void **state)
{
	static const struct {
		const char *text;
		double value;
	} good[] = { { "0", 0 },       { "-1.5", -1.5 },  { "+2", 2 },
		     { ".5", 0.5 },    { "5.", 5 },       { "1e3", 1000 },
		     { "1E-2", 0.01 }, { "1.5e+2", 150 }, { "1e999", (double)INFINITY } };
	static const char *const bad[] = { "",     ".",   "-",  "e5", "1e",    "1e+",   "inf", "nan", "NaN",
		                           "0x10", "1,5", " 1", "1 ", "1.2.3", "1e5.5", "--1", "1f" };
	double x = 77;
	char text[500];

	for (size_t i = 0; i < N_ELEMENTS(good); i++) {
		assert_true(str_to_double(str_of(good[i].text), &x));
		assert_true(x == good[i].value);
	}
	x = 77;
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		if (str_to_double(str_of(bad[i]), &x))
			fail_msg("accepted: %s", bad[i]);
	memset(text, '1', sizeof(text));
	assert_false(str_to_double((struct str){ text, sizeof(text) }, &x));
	assert_false(str_to_double(absent, &x));
	assert_true(x == 77);
	assert_true(str_to_double((struct str){ "12345", 2 }, &x)); /* not beyond the end */
	assert_true(x == 12);
}

static void test_str__percent_decode(void **state)
{
	static const struct {
		const char *in, *plus_kept, *plus_space;
	} cases[] = {
		{ "", "", "" },
		{ "abc", "abc", "abc" },
		{ "%41%62", "Ab", "Ab" },
		{ "a+b%2Bc", "a+b+c", "a b+c" },
		{ "%C3%A9%e2%82%ac", "é€", "é€" },
		{ "100%", "100%", "100%" },
		{ "%4", "%4", "%4" },
		{ "%zz%4g", "%zz%4g", "%zz%4g" },
		{ "%%41", "%A", "%A" },
		{ "%2541", "%41", "%41" },
	};
	struct arena a;

	arena_init(&a, 65536);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		assert_str(str_percent_decode(&a, str_of(cases[i].in), false), cases[i].plus_kept);
		assert_str(str_percent_decode(&a, str_of(cases[i].in), true), cases[i].plus_space);
	}
	assert_true(str_equal(str_percent_decode(&a, S("a%00b"), false), S("a\0b")));
	assert_str(str_percent_decode(&a, (struct str){ "%41%42", 5 }, false), "A%4"); /* not beyond the end */
	arena_finish(&a);
	arena_init(&a, 8);
	assert_null(str_percent_decode(&a, S("longer than the arena"), false).s);
	arena_finish(&a);
}

static void test_str__secrets_compare_by_content(void **state)
{
	assert_true(str_equal_secret(S("s3cret"), S("s3cret")));
	assert_false(str_equal_secret(S("s3cret"), S("s3creT")));
	assert_false(str_equal_secret(S("S3cret"), S("s3cret")));
	assert_false(str_equal_secret(S("s3cret"), S("s3cret1")));
	assert_false(str_equal_secret(S("a\0b"), S("a\0c")));
	assert_true(str_equal_secret(S(""), S("")));
	assert_false(str_equal_secret(absent, absent)); /* no secret is never a match */
	assert_false(str_equal_secret(absent, S("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_str__equality_tells_absent_from_empty),
		cmocka_unit_test(test_str__nocase_folds_ascii_only),
		cmocka_unit_test(test_str__classes_of_bytes),
		cmocka_unit_test(test_str__starts),
		cmocka_unit_test(test_str__trim_takes_ascii_space),
		cmocka_unit_test(test_str__trim_unicode_is_pythons_strip),
		cmocka_unit_test(test_str__split_gives_every_piece),
		cmocka_unit_test(test_str__find),
		cmocka_unit_test(test_str__utf8_accepts_what_rfc_3629_does),
		cmocka_unit_test(test_str__utf8_over_all_code_points),
		cmocka_unit_test(test_str__counts_characters),
		cmocka_unit_test(test_str__to_uint),
		cmocka_unit_test(test_str__whole_numbers),
		cmocka_unit_test(test_str__to_int),
		cmocka_unit_test(test_str__to_double),
		cmocka_unit_test(test_str__percent_decode),
		cmocka_unit_test(test_str__secrets_compare_by_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
