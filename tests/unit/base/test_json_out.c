#include "base/json_out.h"

#include <stdlib.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "tests/lib/test.h"

static void assert_text(struct buf *b, const char *expected)
{
	assert_false(b->failed);
	assert_string_equal(buf_view(b).s, expected);
	buf_clear(b);
}

static void assert_str(struct str in, const char *expected)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	json_add_str(&b, in);
	assert_text(&b, expected);
}

static void test_json_out__escapes_strings(void **state)
{
	assert_str((struct str)STR(""), "\"\"");
	assert_str((struct str)STR("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	assert_str((struct str)STR("\b\t\n\f\r"), "\"\\b\\t\\n\\f\\r\"");
	assert_str((struct str)STR("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\\u007f\"");
	assert_str((struct str)STR("Égoïste 😀 \u2028"), "\"Égoïste 😀 \u2028\"");
	assert_str((struct str){ NULL, 0 }, "null");
}

static void test_json_out__repairs_what_is_not_utf8(void **state)
{
	assert_str((struct str)STR("a\xff"), "\"a\uFFFD\"");
	assert_str((struct str)STR("\xc3"), "\"\uFFFD\"");
	assert_str((struct str)STR("\xc3\"é"), "\"\uFFFD\\\"é\"");
	assert_str((struct str)STR("\xe2\x82"), "\"\uFFFD\uFFFD\"");
	assert_str((struct str)STR("\xed\xa0\x80x"), "\"\uFFFD\uFFFD\uFFFDx\""); /* a surrogate */
	assert_str((struct str)STR("\xc0\xaf"), "\"\uFFFD\uFFFD\"");             /* overlong */
	assert_str((struct str)STR("\xff€\xfe\n"), "\"\uFFFD€\uFFFD\\n\"");
}

/* Whatever the bytes, a strict parser reads the result. */
static void test_json_out__any_bytes_give_valid_json(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	unsigned seed = 1;

	for (int round = 0; round < 3000; round++) {
		char bytes[24];
		json_t *value;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			seed = seed * 1103515245 + 12345;
			bytes[i] = (char)(seed >> 16);
		}
		buf_clear(&b);
		json_add_str(&b, (struct str){ bytes, sizeof(bytes) });
		value = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		assert_non_null(value);
		json_decref(value);
	}
}

static void test_json_out__text_of_c_strings(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	json_add_text(&b, "x");
	assert_text(&b, "\"x\"");
	json_add_text(&b, NULL);
	assert_text(&b, "null");
}

static void test_json_out__integers(void **state)
{
	static const struct {
		int64_t value;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ 7, "7" },
		{ -1, "-1" },
		{ 1000000, "1000000" },
		{ INT64_MAX, "9223372036854775807" },
		{ INT64_MIN + 1, "-9223372036854775807" },
		{ NULL_INT, "null" },
	};
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		json_add_int(&b, cases[i].value);
		assert_text(&b, cases[i].text);
	}
}

static void test_json_out__floats_are_short_and_exact(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "0.0" },
		{ 5, "5.0" },
		{ -2.5, "-2.5" },
		{ 0.1, "0.1" },
		{ 0.05, "0.05" },
		{ 7.015, "7.015" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 1e20, "1e+20" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ 1e-7, "1e-07" },
		{ NAN, "null" },
		{ INFINITY, "null" },
		{ -INFINITY, "null" },
	};
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		json_add_float(&b, cases[i].value);
		assert_text(&b, cases[i].text);
	}
}

static void test_json_out__floats_read_back(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	double x = 1e-300;

	for (int i = 0; i < 2000; i++, x *= 1.987654321) {
		buf_clear(&b);
		json_add_float(&b, x);
		if (isfinite(x))
			assert_true(strtod(b.data, NULL) == x);
	}
}

static void test_json_out__decimals_have_two_places(void **state)
{
	static const struct {
		int64_t cents;
		const char *text;
	} cases[] = {
		{ 25000, "\"250.00\"" }, { 0, "\"0.00\"" },         { 5, "\"0.05\"" },
		{ -5, "\"-0.05\"" },     { -12345, "\"-123.45\"" }, { INT64_MAX, "\"92233720368547758.07\"" },
	};
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		json_add_decimal(&b, (struct decimal){ cases[i].cents });
		assert_text(&b, cases[i].text);
	}
	json_add_decimal(&b, NULL_DECIMAL);
	assert_text(&b, "null");
}

static void test_json_out__times_are_utc(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	json_add_time(&b, (struct instant){ 1500000 });
	assert_text(&b, "\"1970-01-01T00:00:01.500000+00:00\"");
	json_add_time(&b, NULL_TIME);
	assert_text(&b, "null");
}

static void test_json_out__an_object_by_hand(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	buf_add_char(&b, '{');
	json_add_key(&b, "ok");
	json_add_bool(&b, true);
	buf_add_char(&b, ',');
	json_add_key(&b, "no");
	json_add_bool(&b, false);
	buf_add_char(&b, ',');
	json_add_key(&b, "raw");
	json_add_json(&b, (struct json_text){ STR("[1, 2]") });
	buf_add_char(&b, ',');
	json_add_key(&b, "none");
	json_add_json(&b, (struct json_text){ { NULL, 0 } });
	buf_add_char(&b, '}');
	assert_text(&b, "{\"ok\":true,\"no\":false,\"raw\":[1, 2],\"none\":null}");
}

static void test_json_out__a_failed_allocation_sticks(void **state)
{
	for (int n = 1; n < 4; n++) {
		CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

		fault_arm(FAULT_ALLOC, n, true);
		for (int i = 0; i < 300; i++)
			json_add_text(&b, "é\n\xff");
		fault_disarm_all();
		assert_true(b.failed);
	}
}

static void assert_indented(const char *json, const char *expected)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	json_add_indented(&b, str_of(json));
	assert_text(&b, expected);
}

static void test_json_out__indents(void **state)
{
	assert_indented("[]", "[]");
	assert_indented(" { } ", "{}");
	assert_indented("12", "12");
	assert_indented("[1,\"a\"]", "[\n  1,\n  \"a\"\n]");
	assert_indented("[{\"a\":1,\"b\":[],\"c\":{\"d\":null}},{}]",
	                "[\n  {\n    \"a\": 1,\n    \"b\": [],\n    \"c\": {\n      \"d\": null\n    }\n  },\n  {}\n]");
	assert_indented("{\"a,b:[{\\\"}\\\\\":\"é ,\"}",
	                "{\n  \"a,b:[{\\\"}\\\\\": \"é ,\"\n}"); /* what looks like JSON in a text is text */
	assert_indented("[ 1 ,\n\t2 ]", "[\n  1,\n  2\n]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_out__escapes_strings),
		cmocka_unit_test(test_json_out__indents),
		cmocka_unit_test(test_json_out__repairs_what_is_not_utf8),
		cmocka_unit_test(test_json_out__any_bytes_give_valid_json),
		cmocka_unit_test(test_json_out__text_of_c_strings),
		cmocka_unit_test(test_json_out__integers),
		cmocka_unit_test(test_json_out__floats_are_short_and_exact),
		cmocka_unit_test(test_json_out__floats_read_back),
		cmocka_unit_test(test_json_out__decimals_have_two_places),
		cmocka_unit_test(test_json_out__times_are_utc),
		cmocka_unit_test(test_json_out__an_object_by_hand),
		cmocka_unit_test(test_json_out__a_failed_allocation_sticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
