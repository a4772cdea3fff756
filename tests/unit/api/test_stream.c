#include "api/stream.h"

#include "base/fault.h"
#include "tests/unit/api/fixture.h"

#define LIMIT   1024
#define HOST    "Host: a\r\n"
#define GET     "GET / HTTP/1.1\r\n" HOST "\r\n"
#define LENGTH  "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
#define BROKEN  "GET / HTTP/1.1\nHost: a\n\n"

/* What a stream comes to: the requests in it, and the status of the last. */
struct example {
	const char *bytes;
	uint64_t requests;
	int status;
};

static const struct example examples[] = {
	{ GET, 1, 0 },
	{ GET GET GET, 3, 0 },
	{ LENGTH GET, 2, 0 },
	{ CHUNKED GET, 2, 0 },
	{ CHUNKED CHUNKED LENGTH LENGTH GET, 5, 0 },
	{ LENGTH "\r\n" GET, 2, 0 }, /* old clients end a body so */
	{ "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n" GET, 2, 0 },
	{ GET "GE", 2, 0 },
	{ BROKEN, 1, 400 },
	{ GET BROKEN GET, 2, 400 },
	{ LENGTH BROKEN, 2, 400 },
	{ CHUNKED BROKEN, 2, 400 },
	{ LENGTH "x" GET, 2, 0 }, /* "xGET" is a method as well as any */
	{ GET "GET / HTTP/3.0\r\n\r\n", 2, 505 },
	{ "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 1, 400 },
	{ GET "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n", 2, 400 },
	{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET, 1, 400 },
};

static void check(const struct example *e, const struct stream *s)
{
	if (s->requests != e->requests || stream_verdict(s, e->requests).status != e->status)
		print_error("%s: %d requests, status %d\n", e->bytes, (int)s->requests, stream_verdict(s, e->requests).status);
	assert_int_equal(s->requests, e->requests);
	assert_int_equal(stream_verdict(s, e->requests).status, e->status);
	for (uint64_t i = 1; i < e->requests; i++)
		assert_int_equal(stream_verdict(s, i).status, 0); /* what was right before stays right */
}

static void test_stream__finds_requests_and_the_first_fault(void **state)
{
	for (size_t i = 0; i < N_ELEMENTS(examples); i++) {
		struct stream s;

		stream_init(&s, LIMIT);
		stream_feed(&s, examples[i].bytes, strlen(examples[i].bytes));
		check(&examples[i], &s);
		stream_finish(&s);
	}
}

/* In two pieces, cut everywhere; and in pieces of one byte. */
static void test_stream__does_not_depend_on_how_it_is_cut(void **state)
{
	for (size_t i = 0; i < N_ELEMENTS(examples); i++) {
		size_t n = strlen(examples[i].bytes);
		struct stream s;

		for (size_t cut = 1; cut < n; cut++) {
			stream_init(&s, LIMIT);
			stream_feed(&s, examples[i].bytes, cut);
			stream_feed(&s, examples[i].bytes + cut, n - cut);
			check(&examples[i], &s);
			stream_finish(&s);
		}
		stream_init(&s, LIMIT);
		for (size_t k = 0; k < n; k++)
			stream_feed(&s, examples[i].bytes + k, 1);
		check(&examples[i], &s);
		stream_finish(&s);
	}
}

static void test_stream__refuses_a_request_that_it_has_not_seen(void **state)
{
	struct stream s;

	stream_init(&s, LIMIT);
	assert_int_equal(stream_verdict(&s, 1).status, 400);
	stream_feed(&s, GET, sizeof(GET) - 1);
	assert_int_equal(stream_verdict(&s, 1).status, 0);
	assert_int_equal(stream_verdict(&s, 2).status, 400);
	stream_finish(&s);
}

static void test_stream__bounds_each_head(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct stream s;

	buf_add_text(&b, "GET / HTTP/1.1\r\n" HOST "X: ");
	while (b.len < LIMIT + 10)
		buf_add_char(&b, 'a');
	for (size_t piece = 1; piece <= b.len; piece += 99) {
		stream_init(&s, LIMIT);
		stream_feed(&s, GET, sizeof(GET) - 1);
		for (size_t at = 0; at < b.len; at += piece)
			stream_feed(&s, b.data + at, b.len - at < piece ? b.len - at : piece);
		assert_int_equal(stream_verdict(&s, 2).status, 431);
		assert_true(s.partial.len <= LIMIT + 1);
		stream_finish(&s);
	}
}

static void test_stream__reports_a_lack_of_memory(void **state)
{
	struct stream s;

	stream_init(&s, LIMIT);
	fault_arm(FAULT_ALLOC, 1, true);
	stream_feed(&s, GET, 10);
	fault_disarm_all();
	assert_int_equal(stream_verdict(&s, 1).status, 503);
	stream_finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream__finds_requests_and_the_first_fault),
		cmocka_unit_test(test_stream__does_not_depend_on_how_it_is_cut),
		cmocka_unit_test(test_stream__refuses_a_request_that_it_has_not_seen),
		cmocka_unit_test(test_stream__bounds_each_head),
		cmocka_unit_test(test_stream__reports_a_lack_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
