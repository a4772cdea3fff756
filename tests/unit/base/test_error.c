#include "base/error.h"

#include <string.h>

#include "base/cleanup.h"
#include "tests/lib/test.h"

static void test_error__set_fills_and_returns_the_code(void **state)
{
	struct error err = { 0 };

	assert_int_equal(error_set(&err, ERR_CONFLICT, "row %d of %s", 7, "projet"), ERR_CONFLICT);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_string_equal(err.text, "row 7 of projet");
}

static void test_error__set_takes_null(void **state)
{
	assert_int_equal(error_set(NULL, ERR_IO, "%s", "x"), ERR_IO);
}

static void test_error__a_long_text_is_cut(void **state)
{
	struct error err;

	error_set(&err, ERR_IO, "%01000d", 1);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void test_error__the_text_is_one_line(void **state)
{
	struct error err;

	error_set(&err, ERR_INTERNAL, "ERROR:  syntax error\nLINE 1: \tSELEC\r\n  été");
	assert_string_equal(err.text, "ERROR:  syntax error LINE 1:  SELEC    été");
}

static void test_error__codes_are_negative_and_distinct(void **state)
{
	static const int codes[] = {
#define ERROR_CODE(name, value, text) name,
#include "base/errors.def"
#undef ERROR_CODE
	};

	for (size_t i = 0; i < N_ELEMENTS(codes); i++) {
		assert_true(codes[i] < 0);
		for (size_t k = 0; k < i; k++) {
			assert_int_not_equal(codes[i], codes[k]);
			assert_string_not_equal(error_name(codes[i]), error_name(codes[k]));
		}
	}
}

static void test_error__every_code_has_a_name(void **state)
{
#define ERROR_CODE(name, value, text) assert_string_equal(error_name(name), text);
#include "base/errors.def"
#undef ERROR_CODE
	assert_string_equal(error_name(0), "ok");
	assert_string_equal(error_name(-12345), "unknown error");
	assert_string_equal(error_name(1), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error__set_fills_and_returns_the_code),
		cmocka_unit_test(test_error__set_takes_null),
		cmocka_unit_test(test_error__a_long_text_is_cut),
		cmocka_unit_test(test_error__the_text_is_one_line),
		cmocka_unit_test(test_error__codes_are_negative_and_distinct),
		cmocka_unit_test(test_error__every_code_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
