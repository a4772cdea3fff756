#include "domain/sanitize.h"

#include <stdio.h>

#include "base/fault.h"
#include "tests/lib/rich_text.h"
#include "tests/lib/test.h"

static struct arena arena;

static int setup(void **state)
{
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	fault_disarm_all();
	arena_finish(&arena);
	return 0;
}

static void assert_sanitized(struct str text, enum sanitize_kind kind, size_t max_chars, const char *expected)
{
	struct str out = { NULL, 0 };

	assert_int_equal(sanitize_text(&arena, text, kind, max_chars, &out), 0);
	assert_string_equal(out.s, expected);
	assert_int_equal(out.len, strlen(expected));
}

#define assert_line(text, expected) assert_sanitized((struct str)STR(text), SANITIZE_LINE, 0, expected)
#define assert_text(text, expected) assert_sanitized((struct str)STR(text), SANITIZE_TEXT, 0, expected)

static void test_sanitize__ordinary_text_stays(void **state)
{
	assert_line("Poème 🌾 de l’été", "Poème 🌾 de l’été");
	assert_line("", "");
	assert_line("a;b#c/d\\e`f=g%h", "a;b#c/d\\e`f=g%h");
}

static void test_sanitize__five_characters_become_entities(void **state)
{
	assert_line("Le & le <script>alert(\"1\")</script>", "Le &amp; le &lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;");
	assert_text("<p onclick=\"x()\">L'eau</p> & la <b>terre</b>",
	            "&lt;p onclick=&quot;x()&quot;&gt;L&#x27;eau&lt;/p&gt; &amp; la &lt;b&gt;terre&lt;/b&gt;");
	assert_line("&amp; &lt;", "&amp;amp; &amp;lt;"); /* already escaped text, too */
}

static void test_sanitize__control_characters_go(void **state)
{
	assert_line("a\x01"
	            "b\x1f"
	            "c\x7f"
	            "d",
	            "abcd");
	assert_line("a\xc2\x80"
	            "b\xc2\x9f"
	            "c\xc2\xa0"
	            "d",
	            "abc\xc2\xa0"
	            "d");               /* U+0080, U+009F go; U+00A0 stays */
	assert_line("é\xc3\x80", "éÀ"); /* their second bytes are no C1 characters */
	assert_sanitized((struct str){ "a\0b", 3 }, SANITIZE_TEXT, 0, "ab");
}

static void test_sanitize__lines_stay_lines_in_descriptions_only(void **state)
{
	assert_text("un\r\n\tdeux\vtrois", "un\r\n\tdeuxtrois");
	assert_line("un\r\n\tdeux", "undeux");
}

static void test_sanitize__trims(void **state)
{
	assert_line(" \xe2\x80\x83 a b \xc2\xa0", "a b");
	assert_line("\x01 a \x01", "a");
	assert_text("\n\n a \n", "a");
	assert_line(" \x01\x02 ", ""); /* nothing is left: the caller says what that means */
}

static void test_sanitize__cuts_between_characters(void **state)
{
	assert_sanitized((struct str)STR("éàü"), SANITIZE_LINE, 2, "éà");
	assert_sanitized((struct str)STR("éàü"), SANITIZE_LINE, 3, "éàü");
	assert_sanitized((struct str)STR("abc"), SANITIZE_LINE, 1, "a");
	assert_sanitized((struct str)STR("ab  c"), SANITIZE_LINE, 4, "ab");
}

static void test_sanitize__never_splits_an_entity(void **state)
{
	for (size_t max = 3; max < 8; max++)
		assert_sanitized((struct str)STR("ab<"), SANITIZE_LINE, max, max < 6 ? "ab" : "ab&lt;");
	assert_sanitized((struct str)STR("a'b"), SANITIZE_LINE, 6, "a");
	assert_sanitized((struct str)STR("a'b"), SANITIZE_LINE, 7, "a&#x27;");
	assert_sanitized((struct str)STR("<<"), SANITIZE_LINE, 3, "");
}

static void test_sanitize__payloads_are_harmless(void **state)
{
	FILE *file = fopen("tests/lib/xss.txt", "r");
	char line[1000];
	int n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		struct str out;

		assert_int_equal(sanitize_text(&arena, str_of(line), SANITIZE_TEXT, 0, &out), 0);
		assert_true(text_is_harmless(out));
		n++;
	}
	fclose(file);
	assert_true(n > 90);
}

static void test_sanitize__without_memory(void **state)
{
	struct str out = STR("untouched");

	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_ALLOC, n, /* repeat: */ false);
		assert_int_equal(sanitize_text(&arena, (struct str)STR("a&b"), SANITIZE_LINE, 0, &out), ERR_NOMEM);
		assert_string_equal(out.s, "untouched");
		fault_disarm_all();
	}
}

static void assert_undone(const char *text, const char *expected)
{
	struct buf b = BUF_EMPTY;

	sanitize_undo(&b, str_of(text));
	assert_string_equal(b.data ? b.data : "", expected);
	buf_finish(&b);
}

static void test_sanitize__is_undone(void **state)
{
	const char *text = "L'eau & <b>\"terre\"</b> &amp; 🌾 &";
	struct buf b = BUF_EMPTY;

	assert_undone("", "");
	assert_undone("&amp;amp; &#x27;&quot;&lt;&gt;&#39;&am", "&amp; '\"<>&#39;&am");
	sanitize_add(&b, str_of(text), SANITIZE_TEXT);
	assert_undone(b.data, text);
	buf_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sanitize__is_undone),
		cmocka_unit_test_setup_teardown(test_sanitize__ordinary_text_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sanitize__five_characters_become_entities, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sanitize__control_characters_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sanitize__lines_stay_lines_in_descriptions_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sanitize__trims, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sanitize__cuts_between_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sanitize__never_splits_an_entity, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sanitize__payloads_are_harmless, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sanitize__without_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
