#include "resilience/reply_guard_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "resilience/reply_reader_impl.h"
#include "tests/lib/test.h"

/* What the guard says of a text, passed whole and byte by byte: both must agree. */
static enum reply_fault fault_of(const char *text, size_t n, bool *ret_between)
{
	struct reply_guard whole, slow;
	enum reply_fault fault = REPLY_FINE;

	reply_guard_init(&whole);
	reply_guard_init(&slow);
	for (size_t i = 0; i < n && fault == REPLY_FINE; i++)
		fault = reply_guard_pass(&slow, text + i, 1);
	assert_int_equal(reply_guard_pass(&whole, text, n), fault);
	if (fault == REPLY_FINE)
		assert_int_equal(reply_guard_between(&whole), reply_guard_between(&slow));
	*ret_between = reply_guard_between(&whole);
	return fault;
}

static void test_reply_guard__passes_whole_replies(void **state)
{
	static const char *const texts[] = {
		"+OK\r\n",
		"-ERR no\r\n",
		":-12\r\n",
		"$-1\r\n",
		"$0\r\n\r\n",
		"$5\r\na\r\nbc\r\n",
		"*-1\r\n",
		"*0\r\n",
		"*2\r\n$1\r\na\r\n:1\r\n",
		"*2\r\n*2\r\n+a\r\n*0\r\n*1\r\n$-1\r\n",
		"+one\r\n+two\r\n",
		"+a\rb\nc\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
	};
	bool between;

	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		size_t n = strlen(texts[i]);

		if (fault_of(texts[i], n, &between) != REPLY_FINE || !between)
			fail_msg("refused: %s", texts[i]);
		/* Any part of the last reply is an unfinished one. */
		assert_int_equal(fault_of(texts[i], n - 1, &between), REPLY_FINE);
		assert_false(between);
	}
}

static void test_reply_guard__stops_the_rest(void **state)
{
	static const struct {
		const char *text;
		enum reply_fault fault;
	} texts[] = {
		{ "OK\r\n", REPLY_MALFORMED },
		{ "\r\n", REPLY_MALFORMED },
		{ "%1\r\n+a\r\n+b\r\n", REPLY_MALFORMED }, /* RESP3 */
		{ "~1\r\n", REPLY_MALFORMED },
		{ ",1.5\r\n", REPLY_MALFORMED },
		{ "$x\r\n", REPLY_MALFORMED },
		{ "$\r\n", REPLY_MALFORMED },
		{ "$-2\r\n", REPLY_MALFORMED },
		{ "*-2\r\n", REPLY_MALFORMED },
		{ "*1x\r\n", REPLY_MALFORMED },
		{ "$99999999999999999999999999\r\n", REPLY_MALFORMED },
		{ "$1\r\nab\r\n", REPLY_MALFORMED },
		{ "$1\r\na\n\n", REPLY_MALFORMED },
		{ "$67108865\r\n", REPLY_TOO_LARGE },
		{ "$9223372036854775807\r\n", REPLY_TOO_LARGE },
		{ "*1048577\r\n", REPLY_TOO_LARGE },
		{ "*2147483647\r\n", REPLY_TOO_LARGE },
		{ "*2\r\n*1048575\r\n", REPLY_TOO_LARGE },
		{ "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", REPLY_TOO_DEEP },
	};
	bool between;

	for (size_t i = 0; i < N_ELEMENTS(texts); i++)
		if (fault_of(texts[i].text, strlen(texts[i].text), &between) != texts[i].fault)
			fail_msg("judged wrongly: %s", texts[i].text);
}

static void test_reply_guard__a_line_without_end_is_stopped(void **state)
{
	struct reply_guard g;
	char chunk[1024];
	size_t passed = 0;

	memset(chunk, 'x', sizeof(chunk));
	reply_guard_init(&g);
	assert_int_equal(reply_guard_pass(&g, "+", 1), REPLY_FINE);
	while (reply_guard_pass(&g, chunk, sizeof(chunk)) == REPLY_FINE)
		assert_true((passed += sizeof(chunk)) <= REPLY_MAX_LINE_BYTES);
}

static void test_reply_guard__the_bounds_are_of_one_reply(void **state)
{
	const size_t n = REPLY_MAX_BYTES / 2;
	CLEANUP(cleanup_free) char *text = malloc(n);
	char head[32];
	struct reply_guard g;

	assert_non_null(text);
	memset(text, 'x', n);
	reply_guard_init(&g);
	for (int i = 0; i < 4; i++) { /* twice the bound, in four replies */
		assert_int_equal(reply_guard_pass(&g, head, (size_t)snprintf(head, sizeof(head), "$%zu\r\n", n)), REPLY_FINE);
		assert_int_equal(reply_guard_pass(&g, text, n), REPLY_FINE);
		assert_int_equal(reply_guard_pass(&g, "\r\n", 2), REPLY_FINE);
		assert_true(reply_guard_between(&g));
	}
	assert_int_equal(reply_guard_pass(&g, "*4\r\n", 4), REPLY_FINE); /* in one list */
	for (int i = 0; i < 2; i++) {
		if (reply_guard_pass(&g, head, (size_t)snprintf(head, sizeof(head), "$%zu\r\n", n)) == REPLY_TOO_LARGE)
			return;
		assert_int_equal(reply_guard_pass(&g, text, n), REPLY_FINE);
		assert_int_equal(reply_guard_pass(&g, "\r\n", 2), REPLY_FINE);
	}
	fail_msg("a list beyond the bound passed");
}

/* ---- the reader behind the guard ---- */

static void test_reply_guard__the_reader_gives_typed_replies(void **state)
{
	static const char text[] = "*5\r\n$3\r\na\0b\r\n:-42\r\n$-1\r\n+fine\r\n-ERR no\r\n";
	struct reply_reader reader;
	struct redis_reply *reply = NULL;
	struct error err;

	assert_int_equal(reply_reader_init(&reader), 0);
	for (size_t i = 0; i < sizeof(text) - 2; i++) {
		assert_int_equal(reply_reader_feed(&reader, text + i, 1, &err), 0);
		assert_int_equal(reply_reader_next(&reader, &reply, &err), 0);
		assert_false(reply_reader_between(&reader));
	}
	assert_int_equal(reply_reader_feed(&reader, "\n", 1, &err), 0);
	assert_int_equal(reply_reader_next(&reader, &reply, &err), 1);
	assert_true(reply_reader_between(&reader));
	assert_int_equal(redis_reply_type(reply), REDIS_REPLY_IS_LIST);
	assert_int_equal(redis_reply_size(reply), 5);
	assert_null(redis_reply_at(reply, 5));
	assert_int_equal(redis_reply_type(redis_reply_at(reply, 0)), REDIS_REPLY_IS_TEXT);
	assert_true(str_equal(redis_reply_text(redis_reply_at(reply, 0)), (struct str)STR("a\0b")));
	assert_int_equal(redis_reply_int(redis_reply_at(reply, 1)), -42);
	assert_int_equal(redis_reply_type(redis_reply_at(reply, 1)), REDIS_REPLY_IS_INT);
	assert_int_equal(redis_reply_type(redis_reply_at(reply, 2)), REDIS_REPLY_IS_NIL);
	assert_null(redis_reply_text(redis_reply_at(reply, 2)).s);
	assert_int_equal(redis_reply_type(redis_reply_at(reply, 3)), REDIS_REPLY_IS_STATUS);
	assert_true(str_is(redis_reply_text(redis_reply_at(reply, 3)), "fine"));
	assert_int_equal(redis_reply_type(redis_reply_at(reply, 4)), REDIS_REPLY_IS_ERROR);
	assert_int_equal(redis_reply_int(redis_reply_at(reply, 4)), 0);
	assert_int_equal(redis_reply_size(redis_reply_at(reply, 4)), 0);
	redis_replies_free(&reply, 1);
	assert_null(reply);
	reply_reader_finish(&reader);
}

static void test_reply_guard__the_reader_says_why(void **state)
{
	static const struct {
		const char *text;
		int code;
	} texts[] = {
		{ "x", ERR_CORRUPT }, { ":twelve\r\n", ERR_CORRUPT }, { "*2147483647\r\n", ERR_LIMIT }, { "$67108865\r\n", ERR_LIMIT }
	};

	for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
		struct reply_reader reader;
		struct redis_reply *reply = NULL;
		struct error err = { 0 };
		int r;

		assert_int_equal(reply_reader_init(&reader), 0);
		r = reply_reader_feed(&reader, texts[i].text, strlen(texts[i].text), &err);
		if (r == 0)
			r = reply_reader_next(&reader, &reply, &err);
		assert_int_equal(r, texts[i].code);
		assert_true(*err.text);
		assert_null(reply);
		reply_reader_finish(&reader);
		reply_reader_finish(&reader);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_guard__passes_whole_replies),
		cmocka_unit_test(test_reply_guard__stops_the_rest),
		cmocka_unit_test(test_reply_guard__a_line_without_end_is_stopped),
		cmocka_unit_test(test_reply_guard__the_bounds_are_of_one_reply),
		cmocka_unit_test(test_reply_guard__the_reader_gives_typed_replies),
		cmocka_unit_test(test_reply_guard__the_reader_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
