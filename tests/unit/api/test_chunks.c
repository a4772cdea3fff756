#include "api/chunks.h"

#include "tests/unit/api/fixture.h"

struct example {
	const char *name;
	const char *bytes;
	size_t n;
	enum chunks_state end;
	size_t used; /* when it ends before the last byte; 0 = all */
};
#define GOOD(name, text)                                    \
	{                                                   \
		name, text, sizeof(text) - 1, CHUNKS_END, 0 \
	}
#define SHORT(name, text, used)                                \
	{                                                      \
		name, text, sizeof(text) - 1, CHUNKS_END, used \
	}
#define PART(name, text)                                     \
	{                                                    \
		name, text, sizeof(text) - 1, CHUNKS_MORE, 0 \
	}
#define BAD(name, text)                                     \
	{                                                   \
		name, text, sizeof(text) - 1, CHUNKS_BAD, 0 \
	}

static const struct example examples[] = {
	GOOD("nothing", "0\r\n\r\n"),
	GOOD("one chunk", "5\r\nhello\r\n0\r\n\r\n"),
	GOOD("two chunks, hexadecimal", "a\r\n0123456789\r\n0B\r\n0123456789\n\r\n00\r\n\r\n"),
	GOOD("CRLF as data", "4\r\n\r\n\r\n\r\n0\r\n\r\n"),
	GOOD("extensions", "5;a;b=c;d=\"e f\"\r\nhello\r\n0;x\r\n\r\n"),
	GOOD("a trailer", "0\r\nX: y\r\nZ:\r\n\r\n"),
	SHORT("the next request follows", "0\r\n\r\nGET / HTTP/1.1\r\n", 5),
	PART("no end", "5\r\nhello\r\n"),
	PART("half a size line", "5\r"),
	PART("no empty line behind the trailer", "0\r\nX: y\r\n"),
	BAD("bare LF behind the size", "5\nhello\r\n0\r\n\r\n"),
	BAD("bare LF behind an extension", "5;a\nhello\r\n0\r\n\r\n"),
	BAD("bare LF behind the data", "5\r\nhello\n0\r\n\r\n"),
	BAD("bare LF behind the last size", "0\n\r\n"),
	BAD("bare LF at the end", "0\r\n\n"),
	BAD("bare LF in the trailer", "0\r\nX: y\n\r\n"),
	BAD("bare CR behind the size", "5\rhello\r\n0\r\n\r\n"),
	BAD("bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
	BAD("NUL in an extension", "5;\0\r\nhello\r\n0\r\n\r\n"),
	BAD("more data than said", "5\r\nhello!\r\n0\r\n\r\n"),
	BAD("less data than said", "6\r\nhello\r\n0\r\n\r\n"),
	BAD("no size", "\r\nhello\r\n0\r\n\r\n"),
	BAD("only an extension", ";a\r\nhello\r\n0\r\n\r\n"),
	BAD("a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
	BAD("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
	BAD("a negative size", "-1\r\nhello\r\n0\r\n\r\n"),
	BAD("an underscore", "1_0\r\nhello\r\n0\r\n\r\n"),
	BAD("a blank before the size", " 5\r\nhello\r\n0\r\n\r\n"),
	BAD("a blank behind the size", "5 \r\nhello\r\n0\r\n\r\n"),
	BAD("a size beyond all measure", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
	BAD("a letter that is no digit", "g\r\nhello\r\n0\r\n\r\n"),
	BAD("a folded trailer", "0\r\nX: y\r\n z\r\n\r\n"),
	BAD("a trailer without a name", "0\r\n: y\r\n\r\n"),
	BAD("a trailer without a colon", "0\r\nX\r\n\r\n"),
	BAD("a blank before a trailer's colon", "0\r\nX : y\r\n\r\n"),
	BAD("NUL in a trailer", "0\r\nX: \0\r\n\r\n"),
};

static void check(const struct example *e, enum chunks_state got, size_t used)
{
	size_t wanted = e->used ? e->used : e->n;

	if (got != e->end || (got != CHUNKS_BAD && used != wanted))
		print_error("%s: state %d, wanted %d; used %zu of %zu\n", e->name, got, e->end, used, wanted);
	assert_int_equal(got, e->end);
	if (got != CHUNKS_BAD)
		assert_int_equal(used, wanted);
}

static void test_chunks__follow_the_grammar(void **state)
{
	for (size_t i = 0; i < N_ELEMENTS(examples); i++) {
		struct chunks c;
		size_t used;
		enum chunks_state got;

		chunks_init(&c);
		got = chunks_feed(&c, examples[i].bytes, examples[i].n, &used);
		check(&examples[i], got, used);
	}
}

static void test_chunks__do_not_depend_on_how_they_are_cut(void **state)
{
	for (size_t i = 0; i < N_ELEMENTS(examples); i++) {
		enum chunks_state got = CHUNKS_MORE;
		struct chunks c;
		size_t at = 0, used;

		chunks_init(&c);
		while (at < examples[i].n && got == CHUNKS_MORE) {
			got = chunks_feed(&c, examples[i].bytes + at, 1, &used);
			at += used;
		}
		check(&examples[i], got, at);
	}
}

/* before, then n times fill, then after. */
static enum chunks_state state_of(const char *before, size_t n, const char *after)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct chunks c;
	size_t used;

	buf_add_text(&b, before);
	for (size_t i = 0; i < n; i++)
		buf_add_char(&b, 'a');
	buf_add_text(&b, after);
	chunks_init(&c);
	return chunks_feed(&c, b.data, b.len, &used);
}

static void test_chunks__bound_extensions_and_trailers(void **state)
{
	assert_int_equal(state_of("0;", 1000, "\r\n\r\n"), CHUNKS_END);
	assert_int_equal(state_of("0;", 1100, "\r\n\r\n"), CHUNKS_BAD);
	assert_int_equal(state_of("0\r\nX: ", 8000, "\r\n\r\n"), CHUNKS_END);
	assert_int_equal(state_of("0\r\nX: ", 8300, "\r\n\r\n"), CHUNKS_BAD);
	assert_int_equal(state_of("1000\r\n", 4096, "\r\n0\r\n\r\n"), CHUNKS_END); /* the bound is not for data */
}

static void test_chunks__have_no_bound_together(void **state)
{
	struct chunks c;
	size_t used;

	chunks_init(&c);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(chunks_feed(&c, "1;x\r\na\r\n", 8, &used), CHUNKS_MORE);
	assert_int_equal(chunks_feed(&c, "0\r\n\r\n", 5, &used), CHUNKS_END);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunks__follow_the_grammar),
		cmocka_unit_test(test_chunks__do_not_depend_on_how_they_are_cut),
		cmocka_unit_test(test_chunks__bound_extensions_and_trailers),
		cmocka_unit_test(test_chunks__have_no_bound_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
