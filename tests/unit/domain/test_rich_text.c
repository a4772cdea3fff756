#include "domain/rich_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
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

static void assert_clean(const char *html, const char *expected)
{
	struct str out = { NULL, 0 };

	assert_int_equal(rich_text_clean(&arena, str_of(html), &out), 0);
	assert_string_equal(out.s, expected);
	assert_int_equal(out.len, strlen(expected));
}

static void test_rich_text__what_is_allowed_stays(void **state)
{
	assert_clean("", "");
	assert_clean("Bonjour à tous 🌾", "Bonjour à tous 🌾");
	assert_clean("<p>un <strong>deux <em>trois</em></strong> <u>quatre</u></p>",
	             "<p>un <strong>deux <em>trois</em></strong> <u>quatre</u></p>");
	assert_clean("<ul><li>un</li></ul><ol><li>deux</li></ol>", "<ul><li>un</li></ul><ol><li>deux</li></ol>");
	assert_clean("<blockquote><pre><code>a\n\tb</code></pre></blockquote>", "<blockquote><pre><code>a\n\tb</code></pre></blockquote>");
	assert_clean("a<br>b<BR/>c", "a<br>b<br>c");
}

static void test_rich_text__other_elements_leave_their_text(void **state)
{
	assert_clean("<div>un <b>deux</b> <span style=x>trois</span></div>", "un deux trois");
	assert_clean("<h1>Titre</h1><table><tr><td>case</td></tr></table>", "Titrecase");
	assert_clean("<script>alert(1)</script>x", "alert(1)x");
	assert_clean("<style>p{}</style>", "p{}");
	assert_clean("<!-- secret -->a<!DOCTYPE html>", "a");
	assert_clean("<template><p>a</p></template>", "<p>a</p>");
	assert_clean("<svg><p>a</p><a href='https://x'>b</a></svg>", "ab"); /* these are SVG's, not HTML's */
}

static void test_rich_text__the_result_is_well_formed(void **state)
{
	assert_clean("<p>un<p>deux", "<p>un</p><p>deux</p>");
	assert_clean("<strong>un", "<strong>un</strong>");
	assert_clean("un</strong></p>", "un<p></p>");
	assert_clean("<ul><li>un<li>deux", "<ul><li>un</li><li>deux</li></ul>");
	assert_clean("<em><strong>a</em>b</strong>", "<em><strong>a</strong></em><strong>b</strong>");
	assert_clean("<a <a href='https://x'>x", "<a href=\"https://x\">x</a>");
}

static void test_rich_text__texts_are_escaped(void **state)
{
	assert_clean("a < b && c > \"d\" 'e'", "a &lt; b &amp;&amp; c &gt; &quot;d&quot; &#x27;e&#x27;");
	assert_clean("&lt;script&gt;", "&lt;script&gt;");
	assert_clean("&amp;lt;", "&amp;lt;");
	assert_clean("a&#1;b&#x7f;c", "abc");
}

static void test_rich_text__attributes(void **state)
{
	assert_clean("<a href=\"https://x/?a=1&amp;b='2'\" title='un \"lien\"' class=x onclick=y>z</a>",
	             "<a href=\"https://x/?a=1&amp;b=&#x27;2&#x27;\" title=\"un &quot;lien&quot;\">z</a>");
	assert_clean("<p title=x href='https://x' style=y>z</p>", "<p>z</p>");
	assert_clean("<a href=MAILTO:a@b.c>z</a>", "<a href=\"MAILTO:a@b.c\">z</a>");
	assert_clean("<a href=HTTP://x>z</a>", "<a href=\"HTTP://x\">z</a>");
	assert_clean("<a href=''>z</a><a href>z</a>", "<a>z</a><a>z</a>");
}

static void test_rich_text__links_of_other_schemes_lose_their_target(void **state)
{
	static const char *const targets[] = { "javascript:alert(1)",
		                               "JavaScript:alert(1)",
		                               " https://x",
		                               "java&#9;script:x",
		                               "https://x y",
		                               "data:text/html,x",
		                               "//x",
		                               "/contenus/x",
		                               "x",
		                               "ftp://x",
		                               "https:",
		                               "https://",
		                               "http&#9;://x",
		                               "mailto:",
		                               "https://x\n",
		                               "https:javascript:x",
		                               "vbscript:x",
		                               "&#1;https://x/" };

	for (size_t i = 0; i < N_ELEMENTS(targets); i++) {
		char html[100];

		snprintf(html, sizeof(html), "<a href=\"%s\">z</a>", targets[i]);
		assert_clean(html, "<a>z</a>");
	}
}

static void test_rich_text__payloads_are_harmless(void **state)
{
	FILE *file = fopen("tests/lib/xss.txt", "r");
	char line[1000];
	int n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		struct str out;

		assert_int_equal(rich_text_clean(&arena, str_of(line), &out), 0);
		if (!rich_text_is_clean(out))
			fail_msg("%s gives %s", line, out.s);
		assert_null(strstr(out.s, "href=\"javascript"));
		n++;
	}
	fclose(file);
	assert_true(n > 90);
}

static struct str repeated(struct buf *b, const char *text, size_t bytes)
{
	while (b->len + strlen(text) <= bytes)
		buf_add_text(b, text);
	return buf_view(b);
}

static void test_rich_text__long_and_deep_texts_are_refused(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct str out = STR("untouched");

	assert_int_equal(rich_text_clean(&arena, repeated(&b, "a", RICH_TEXT_MAX_BYTES), &out), 0);
	buf_add_char(&b, 'a');
	assert_int_equal(rich_text_clean(&arena, buf_view(&b), &out), ERR_LIMIT);
	buf_clear(&b);
	assert_int_equal(rich_text_clean(&arena, repeated(&b, "<blockquote>", (RICH_TEXT_MAX_DEPTH - 3) * 12), &out), 0);
	assert_int_equal(rich_text_clean(&arena, repeated(&b, "<blockquote>", (RICH_TEXT_MAX_DEPTH + 1) * 12), &out), ERR_LIMIT);
	assert_int_equal(rich_text_clean(&arena, (struct str)STR("a\xff"), &out), ERR_INVALID);
}

/* Short texts that make large trees, or much work. */
static void test_rich_text__no_text_takes_long(void **state)
{
	static const char *const pieces[] = {
		"<div>",       "<b a>",      "<p><b>", "<table>", "<a href=x>",       "&amp;",  "<svg>",   "<!--", "<li>", "</p>", "<",
		"<x a=b c=d>", "<table><a>", "a ",     "<br>",    "<select><option>", "</b>\n", "<font x>"
	};
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct str out;

	for (size_t i = 0; i < N_ELEMENTS(pieces); i++) {
		int64_t began_us = clock_monotonic_us();
		int r;

		buf_clear(&b);
		r = rich_text_clean(&arena, repeated(&b, pieces[i], RICH_TEXT_MAX_BYTES), &out);
		assert_true(r == 0 || r == ERR_LIMIT);
		if (clock_monotonic_us() - began_us > 10 * US_PER_S)
			fail_msg("%s took %lld us", pieces[i], (long long)(clock_monotonic_us() - began_us));
		arena_reset(&arena);
	}
	buf_clear(&b);
	for (int i = 0; i < 3000; i++)
		buf_addf(&b, "<b a%d>", i);
	assert_int_equal(rich_text_clean(&arena, repeated(&b, "<p>", RICH_TEXT_MAX_BYTES), &out), ERR_LIMIT);
	buf_clear(&b);
	buf_add_text(&b, "<a");
	for (int i = 0; b.len < RICH_TEXT_MAX_BYTES - 20; i++)
		buf_addf(&b, " a%d", i);
	assert_int_equal(rich_text_clean(&arena, buf_view(&b), &out), 0);
}

static void test_rich_text__without_memory(void **state)
{
	int r = ERR_NOMEM, n;

	for (n = 1; r != 0; n++) {
		struct str out = STR("untouched");

		assert_true(n < 100);
		fault_arm(FAULT_ALLOC, n, /* repeat: */ false);
		r = rich_text_clean(&arena, (struct str)STR("<p>un <a href='https://x'>deux</a>"), &out);
		fault_disarm_all();
		if (r != 0) {
			assert_true(r == ERR_NOMEM || r == ERR_LIMIT);
			assert_string_equal(out.s, "untouched");
		}
	}
	assert_true(n > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rich_text__what_is_allowed_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rich_text__other_elements_leave_their_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rich_text__the_result_is_well_formed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rich_text__texts_are_escaped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rich_text__attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rich_text__links_of_other_schemes_lose_their_target, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rich_text__payloads_are_harmless, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rich_text__long_and_deep_texts_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rich_text__no_text_takes_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rich_text__without_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
