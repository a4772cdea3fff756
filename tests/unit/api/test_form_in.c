#include "api/form_in.h"

#include "tests/unit/api/fixture.h"

static void assert_form_(struct arena *a, struct str bytes, const char *expected, const char *file, int line)
{
	json_t *root CLEANUP(json_decrefp) = NULL;
	const char *why;
	char *text;

	assert_int_equal(form_read(bytes, a, &root, &why), 0);
	text = json_dumps(root, JSON_COMPACT);
	assert_json_(str_of(text), expected, file, line);
	free(text);
}
#define assert_form(text, expected) assert_form_(*state, str_of(text), expected, __FILE__, __LINE__)

static void assert_refused(struct arena *a, struct str bytes)
{
	json_t *root = NULL;
	const char *why = NULL;

	assert_int_equal(form_read(bytes, a, &root, &why), ERR_INVALID);
	assert_null(root);
	assert_non_null(why);
}

static void test_form_in__pairs(void **state)
{
	assert_form("a=1&b=deux+mots&c=%C3%A9%26", "{\"a\":[\"1\"],\"b\":[\"deux mots\"],\"c\":[\"é&\"]}");
}

static void test_form_in__repeated_names_keep_their_order(void **state)
{
	assert_form("a=1&b=2&a=3&a=", "{\"a\":[\"1\",\"3\",\"\"],\"b\":[\"2\"]}");
}

static void test_form_in__odd_pieces(void **state)
{
	assert_form("&&a&=x&b==&", "{\"a\":[\"\"],\"\":[\"x\"],\"b\":[\"=\"]}");
	assert_form("", "{}");
	assert_form("a=%zz%4", "{\"a\":[\"%zz%4\"]}");
}

static void test_form_in__a_nul_reaches_the_field(void **state)
{
	json_t *root CLEANUP(json_decrefp) = NULL;
	const char *why;

	assert_int_equal(form_read(TEXT("a=x%00y&%00=1"), *state, &root, &why), 0);
	assert_int_equal(json_string_length(json_array_get(json_object_get(root, "a"), 0)), 3);
}

static void test_form_in__refuses_what_is_not_utf8(void **state)
{
	assert_refused(*state, TEXT("a=%ff"));
	assert_refused(*state, TEXT("a=\xc3"));
	assert_refused(*state, TEXT("%ed%a0%80=1"));
}

static void test_form_in__number_of_fields_is_bounded(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	json_t *root CLEANUP(json_decrefp) = NULL;
	const char *why;

	for (int i = 0; i < FORM_MAX_FIELDS; i++)
		buf_addf(&b, "%sf%d=%d", i ? "&" : "", i, i);
	assert_int_equal(form_read(buf_view(&b), *state, &root, &why), 0);
	assert_int_equal(json_object_size(root), FORM_MAX_FIELDS);
	buf_add_text(&b, "&");
	assert_refused(*state, buf_view(&b));
}

static void test_form_in__without_memory(void **state)
{
	struct arena small;
	json_t *root = NULL;
	const char *why;

	(void)state;
	arena_init(&small, 24);
	assert_int_equal(form_read(TEXT("a=1&b=2&c=3"), &small, &root, &why), ERR_NOMEM);
	assert_null(root);
	arena_finish(&small);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup_arena, teardown_arena)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_form_in__pairs),
		CASE(test_form_in__repeated_names_keep_their_order),
		CASE(test_form_in__odd_pieces),
		CASE(test_form_in__a_nul_reaches_the_field),
		CASE(test_form_in__refuses_what_is_not_utf8),
		CASE(test_form_in__number_of_fields_is_bounded),
		CASE(test_form_in__without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
