#include "api/charset.h"

#include "tests/unit/api/fixture.h"

static struct str decode(struct arena *a, const char *charset, struct str bytes)
{
	struct str text = NOTHING;
	int r = charset_to_utf8(str_of(charset), bytes, a, &text);

	assert_true(r == 0 || r == ERR_INVALID);
	return text;
}

static void test_charset__utf8_and_unknown_names_are_left_alone(void **state)
{
	struct str bytes = TEXT("é\xff");

	assert_ptr_equal(decode(*state, NULL, bytes).s, bytes.s);
	assert_ptr_equal(decode(*state, "utf-8", bytes).s, bytes.s);
	assert_ptr_equal(decode(*state, "UTF8", bytes).s, bytes.s);
	assert_ptr_equal(decode(*state, "no-such-thing", bytes).s, bytes.s);
	assert_ptr_equal(decode(*state, "", bytes).s, bytes.s);
}

static void test_charset__latin1(void **state)
{
	assert_text(decode(*state, "ISO-8859-1", TEXT("caf\xe9 \xff")), "café ÿ");
	assert_text(decode(*state, "latin-1", TEXT("")), "");
	assert_text(decode(*state, "Latin1", TEXT("a")), "a");
}

static void test_charset__ascii(void **state)
{
	assert_text(decode(*state, "us-ascii", TEXT("abc\x7f")), "abc\x7f");
	assert_text(decode(*state, "ascii", TEXT("\x80")), NULL);
}

static void test_charset__utf16(void **state)
{
	assert_text(decode(*state, "utf-16", TEXT("a\0\xe9\0")), "aé");
	assert_text(decode(*state, "utf-16", TEXT("\xff\xfe\x61\0")), "a");
	assert_text(decode(*state, "UTF-16", TEXT("\xfe\xff\0a\x20\xac")), "a€");
	assert_text(decode(*state, "utf-16be", TEXT("\xd8\x3d\xde\x00")), "😀");
	assert_text(decode(*state, "utf-16le", TEXT("\x3d\xd8\x00\xde")), "😀");
	assert_text(decode(*state, "utf-16le", TEXT("\xff\xfe\x61\0")), "\xef\xbb\xbf"
	                                                                "a"); /* the mark stays, and JSON refuses it */
}

static void test_charset__broken_utf16_is_refused(void **state)
{
	static const struct str bad[] = { STR("a"), STR("\x3d\xd8"), STR("\x00\xde"), STR("\x3d\xd8\x61\x00"), STR("\x3d\xd8\x3d\xd8") };

	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_text(decode(*state, "utf-16le", bad[i]), NULL);
}

static void test_charset__without_memory(void **state)
{
	struct arena small;
	struct str text;

	(void)state;
	arena_init(&small, 8);
	assert_int_equal(charset_to_utf8(TEXT("latin1"), TEXT("a long text"), &small, &text), ERR_NOMEM);
	assert_int_equal(charset_to_utf8(TEXT("utf-16"), TEXT("a long text.."), &small, &text), ERR_NOMEM);
	arena_finish(&small);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup_arena, teardown_arena)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_charset__utf8_and_unknown_names_are_left_alone),
		CASE(test_charset__latin1),
		CASE(test_charset__ascii),
		CASE(test_charset__utf16),
		CASE(test_charset__broken_utf16_is_refused),
		CASE(test_charset__without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
