#include "api/json_in.h"

#include "base/fault.h"
#include "tests/unit/api/fixture.h"

/* What the pass makes of a text. */
static void assert_prepared_(struct str text, const char *expected, const char *file, int line)
{
	struct buf space CLEANUP(buf_finish) = BUF_EMPTY;
	const char *why = NULL;
	struct str out;

	assert_int_equal(json_prepare(text, &space, &out, &why), 0);
	assert_text_(out, expected, file, line);
}
#define assert_prepared(text, expected) assert_prepared_(str_of(text), expected, __FILE__, __LINE__)

static int read_text(struct str text)
{
	json_t *root CLEANUP(json_decrefp) = NULL;
	const char *why = NULL;
	int r = json_read(text, &root, &why);

	assert_int_equal(r == 0, root != NULL);
	assert_int_equal(r == ERR_INVALID, why != NULL);
	return r;
}

/* Reads and writes again. */
static void assert_rewritten_(struct str text, const char *expected, const char *file, int line)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	json_t *root CLEANUP(json_decrefp) = NULL;
	const char *why;

	assert_int_equal(json_read(text, &root, &why), 0);
	json_write(&b, root);
	assert_text_(buf_view(&b), expected, file, line);
}
#define assert_rewritten(text, expected) assert_rewritten_(str_of(text), expected, __FILE__, __LINE__)

static void test_json_in__ordinary_text_is_not_touched(void **state)
{
	struct str text = TEXT(" {\"a\": [1, -2.5e3, true, null, \"\\u00e9 \\\\ \\\" \\ud83d\\ude00\"], \"b\": {}} \n"), out;
	struct buf space CLEANUP(buf_finish) = BUF_EMPTY;
	const char *why;

	(void)state;
	assert_int_equal(json_prepare(text, &space, &out, &why), 0);
	assert_ptr_equal(out.s, text.s);
	assert_int_equal(out.len, text.len);
	assert_null(space.data);
}

static void test_json_in__lone_surrogates_become_nul(void **state)
{
	(void)state;
	assert_prepared("[\"\\ud800\"]", "[\"\\u0000\"]");
	assert_prepared("[\"\\uDFFF x\"]", "[\"\\u0000 x\"]");
	assert_prepared("\"\\ud800\\ud800\\udc00\"", "\"\\u0000\\ud800\\udc00\"");
	assert_prepared("\"a\\ud800\\u0041b\"", "\"a\\u0000\\u0041b\"");
	assert_prepared("\"\\udc00\\ud800\"", "\"\\u0000\\u0000\"");
	assert_prepared("\"\\\\ud800\"", "\"\\\\ud800\""); /* a backslash, then letters */
	assert_int_equal(read_text(TEXT("{\"a\":\"\\ud800\"}")), 0);
}

static void test_json_in__names_get_a_replacement_character(void **state)
{
	(void)state;
	assert_prepared("{\"\\ud800\":\"\\ud800\"}", "{\"\\ufffd\":\"\\u0000\"}");
	assert_prepared("{\"a\":1,\"b\\u0000\":[\"\\u0000\"]}", "{\"a\":1,\"b\\ufffd\":[\"\\u0000\"]}");
	assert_int_equal(read_text(TEXT("{\"\\u0000\":1,\"\\udc00\":2}")), 0);
}

static void test_json_in__numbers_that_do_not_fit_become_texts(void **state)
{
	(void)state;
	assert_prepared("[1e999,-1e999]", "[\"1e999\",\"-1e999\"]");
	assert_prepared("9223372036854775808", "\"9223372036854775808\"");
	assert_prepared("[9223372036854775807]", "[9223372036854775807]");
	assert_prepared("-9223372036854775808", "\"-9223372036854775808\""); /* our mark of no value */
	assert_prepared("{\"a\":123456789012345678901234567890 , \"b\":1e-999}",
	                "{\"a\":\"123456789012345678901234567890\" , \"b\":1e-999}");
	assert_rewritten("[1e999, 2]", "[\"1e999\",2]");
	assert_rewritten("[1e-400]", "[0.0]");
}

static void test_json_in__what_is_no_number_is_left_to_be_refused(void **state)
{
	static const char *const bad[] = { "01",
		                           "1.",
		                           ".5",
		                           "1e",
		                           "1e+",
		                           "+1",
		                           "-",
		                           "--1",
		                           "1.e5",
		                           "0x10",
		                           "1_000",
		                           "99999999999999999999.",
		                           "1e999x",
		                           "{1e999:2}",
		                           "{99999999999999999999:2}",
		                           "00000000000000000000000",
		                           "1e999 1e999" };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_int_equal(read_text(str_of(bad[i])), ERR_INVALID);
}

static void test_json_in__refuses_what_the_contract_refuses(void **state)
{
	static const char *const bad[] = { "{'a': 1}",
		                           "{\"a\": 1,}",
		                           "[1,]",
		                           "{\"a\": NaN}",
		                           "[Infinity]",
		                           "[-Infinity]",
		                           "{} x",
		                           "{}{}",
		                           " ",
		                           "\n\t",
		                           "\xef\xbb\xbf{}",
		                           "{\"a\": \"\xff\"}",
		                           "\"\xed\xa0\x80\"",
		                           "{\"a\"",
		                           "[\"\\ud8",
		                           "[\"\\u00zz\"]",
		                           "[\"\\",
		                           "]",
		                           "}",
		                           "{\"a\":\"\x01\"}",
		                           "tru",
		                           "True",
		                           "\"a",
		                           "{a: 1}",
		                           "/* */{}",
		                           "{\"a\" 1}",
		                           "nul",
		                           "\"\\x41\"" };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_int_equal(read_text(str_of(bad[i])), ERR_INVALID);
	assert_int_equal(read_text(TEXT("")), ERR_INVALID);
	assert_int_equal(read_text(NOTHING), ERR_INVALID);
	assert_int_equal(read_text(TEXT("{\"a\0\":1}")), ERR_INVALID);
	assert_int_equal(read_text(TEXT("{}\0")), ERR_INVALID);
}

static void test_json_in__accepts_any_value_and_white_space(void **state)
{
	(void)state;
	assert_rewritten(" \r\n\t{ } ", "{}");
	assert_rewritten("null", "null");
	assert_rewritten("\"\"", "\"\"");
	assert_rewritten("-0", "0");
	assert_rewritten("false", "false");
}

static void test_json_in__the_last_of_equal_names_wins(void **state)
{
	(void)state;
	assert_rewritten("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}");
}

static void fill_nested(struct buf *b, int depth, char opening, char closing)
{
	buf_clear(b);
	for (int i = 0; i < depth; i++) {
		if (opening == '{' && i)
			buf_add_text(b, "\"a\":");
		buf_add_char(b, opening);
	}
	for (int i = 0; i < depth; i++)
		buf_add_char(b, closing);
}

static void test_json_in__depth_is_bounded(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	(void)state;
	fill_nested(&b, JSON_MAX_DEPTH, '[', ']');
	assert_int_equal(read_text(buf_view(&b)), 0);
	fill_nested(&b, JSON_MAX_DEPTH + 1, '[', ']');
	assert_int_equal(read_text(buf_view(&b)), ERR_INVALID);
	fill_nested(&b, JSON_MAX_DEPTH, '{', '}');
	assert_int_equal(read_text(buf_view(&b)), 0);
	fill_nested(&b, JSON_MAX_DEPTH + 1, '{', '}');
	assert_int_equal(read_text(buf_view(&b)), ERR_INVALID);
	fill_nested(&b, 200000, '[', ']'); /* long before the stack is used up */
	assert_int_equal(read_text(buf_view(&b)), ERR_INVALID);
	assert_int_equal(read_text(TEXT("[\"[[[[\", \"]]]]\", []]")), 0); /* brackets in texts do not count */
}

static void test_json_in__depth_counts_what_is_open_only(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	(void)state;
	buf_add_char(&b, '[');
	for (int i = 0; i < 1000; i++)
		buf_add_text(&b, i ? ",[{}]" : "[{}]");
	buf_add_char(&b, ']');
	assert_int_equal(read_text(buf_view(&b)), 0);
}

static void test_json_in__number_of_values_is_bounded(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	(void)state;
	buf_add_char(&b, '[');
	for (int i = 0; i < JSON_MAX_VALUES - 1; i++)
		buf_add_text(&b, i ? ",1" : "1");
	buf_add_char(&b, ']');
	assert_int_equal(read_text(buf_view(&b)), 0);
	b.data[b.len - 1] = ',';
	buf_add_text(&b, "{}]");
	assert_int_equal(read_text(buf_view(&b)), ERR_INVALID);
}

static void test_json_in__reals_are_written_in_their_shortest_form(void **state)
{
	(void)state;
	assert_rewritten("[0.1,7.015,1e22,5.0,1.7976931348623157e308,-0.0]", "[0.1,7.015,1e+22,5.0,1.7976931348623157e+308,-0.0]");
}

static void test_json_in__texts_survive_a_round_trip(void **state)
{
	(void)state;
	assert_rewritten("[\"\\ud83d\\ude00 \\u00e9 \\n \\\" \\\\ \\/ é\"]", "[\"😀 é \\n \\\" \\\\ / é\"]");
}

static void test_json_in__nul_is_found_at_any_depth(void **state)
{
	static const struct {
		const char *text;
		bool has;
	} cases[] = { { "\"\\u0000\"", true },
		      { "[1,[{\"a\":\"x\\u0000\"}]]", true },
		      { "{\"a\":{\"b\":[\"\\ud800\"]}}", true },
		      { "{\"\\u0000\":[1,2.5,true,null,\"x\"]}", false },
		      { "[]", false } };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		json_t *root CLEANUP(json_decrefp) = NULL;
		const char *why;

		assert_int_equal(json_read(str_of(cases[i].text), &root, &why), 0);
		assert_int_equal(json_has_nul(root), cases[i].has);
	}
}

static void test_json_in__real_text_is_that_of_python(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = { { 5, "5.0" },         { 7.015, "7.015" },
		      { 0.1, "0.1" },       { 1e15, "1000000000000000.0" },
		      { 1e16, "1e+16" },    { 1e22, "1e+22" },
		      { 0.0001, "0.0001" }, { 1e-5, "1e-05" },
		      { -2.5, "-2.5" },     { 0.1 + 0.2, "0.30000000000000004" },
		      { 1e300, "1e+300" },  { 123456789.125, "123456789.125" } };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		char text[40];
		size_t n = json_real_text(cases[i].value, text);

		assert_text(((struct str){ text, n }), cases[i].text);
	}
}

static void test_json_in__without_memory(void **state)
{
	int r;

	(void)state;
	for (int n = 1;; n++) {
		fault_arm(FAULT_ALLOC, n, /* repeat: */ false);
		r = read_text(TEXT("[1e999, \"\\ud800\"]"));
		fault_disarm_all();
		if (r == 0)
			break;
		assert_int_equal(r, ERR_NOMEM);
		assert_true(n < 10);
	}
}

static void test_json_in__lists_of_texts(void **state)
{
	static const char *const good[] = { "[]", " [ \"a\" , \"\" ] ", "[\"éàü\"]", "[\"a\",\"b\",\"c\"]" };
	static const char *const bad[] = { "{}",     "\"a\"",          "null",       "[1]",
		                           "[null]", "[[\"a\"]]",      "[\"abcd\"]", "[\"éàüö\"]",
		                           "[true]", "[\"a\\u0000\"]", "[",          "[\"a\",\"b\",\"c\",\"d\"]" };

	for (size_t i = 0; i < N_ELEMENTS(good); i++)
		assert_int_equal(json_check_texts(str_of(good[i]), 3, 3), 0);
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_int_equal(json_check_texts(str_of(bad[i]), 3, 3), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_in__ordinary_text_is_not_touched),
		cmocka_unit_test(test_json_in__lists_of_texts),
		cmocka_unit_test(test_json_in__lone_surrogates_become_nul),
		cmocka_unit_test(test_json_in__names_get_a_replacement_character),
		cmocka_unit_test(test_json_in__numbers_that_do_not_fit_become_texts),
		cmocka_unit_test(test_json_in__what_is_no_number_is_left_to_be_refused),
		cmocka_unit_test(test_json_in__refuses_what_the_contract_refuses),
		cmocka_unit_test(test_json_in__accepts_any_value_and_white_space),
		cmocka_unit_test(test_json_in__the_last_of_equal_names_wins),
		cmocka_unit_test(test_json_in__depth_is_bounded),
		cmocka_unit_test(test_json_in__depth_counts_what_is_open_only),
		cmocka_unit_test(test_json_in__number_of_values_is_bounded),
		cmocka_unit_test(test_json_in__reals_are_written_in_their_shortest_form),
		cmocka_unit_test(test_json_in__texts_survive_a_round_trip),
		cmocka_unit_test(test_json_in__nul_is_found_at_any_depth),
		cmocka_unit_test(test_json_in__real_text_is_that_of_python),
		cmocka_unit_test(test_json_in__without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
