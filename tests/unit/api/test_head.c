#include "api/head.h"

#include "tests/unit/api/fixture.h"

#define LIMIT 16384
#define HOST  "Host: a\r\n"

struct example {
	const char *name;
	const char *bytes;
	size_t n;
	int status; /* 0 = whole and accepted */
};
#define EXAMPLE(name, text, status)                  \
	{                                            \
		name, text, sizeof(text) - 1, status \
	}

static const struct example examples[] = {
	EXAMPLE("a plain request", "GET / HTTP/1.1\r\n" HOST "\r\n", 0),
	EXAMPLE("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 0),
	EXAMPLE("query and percent signs", "GET /a%20b/?c=d&e=|{}\"<> HTTP/1.1\r\n" HOST "\r\n", 0),
	EXAMPLE("any token as method", "M-SEARCH / HTTP/1.1\r\n" HOST "\r\n", 0),
	EXAMPLE("no blank after the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", 0),
	EXAMPLE("blanks and tabs round a value", "GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n", 0),
	EXAMPLE("an empty value", "GET / HTTP/1.1\r\n" HOST "X:\r\n\r\n", 0),
	EXAMPLE("bytes beyond ASCII in a value", "GET / HTTP/1.1\r\n" HOST "X: \xc3\xa9\xff\r\n\r\n", 0),
	EXAMPLE("a length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 0),
	EXAMPLE("chunks", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n", 0),
	EXAMPLE("one empty line before it", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 0),
	EXAMPLE("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 0),
	EXAMPLE("absolute-form", "GET http://a/b HTTP/1.1\r\n" HOST "\r\n", 0),
	EXAMPLE("absolute-form without a path", "GET HTTPS://a HTTP/1.1\r\n" HOST "\r\n", 0),

	EXAMPLE("HTTP/0.9", "GET /\r\n\r\n", 400),
	EXAMPLE("two blanks", "GET  / HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("a blank in the target", "GET /a b HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("a tab for a blank", "GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("a blank behind the version", "GET / HTTP/1.1 \r\n" HOST "\r\n", 400),
	EXAMPLE("a blank before the method", " GET / HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("no method", "/ HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("a method that is no token", "GE(T / HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("a lower-case version", "GET / http/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("half a version", "GET / HTTP/1\r\n" HOST "\r\n", 400),
	EXAMPLE("letters in the version", "GET / HTTP/1.x\r\n" HOST "\r\n", 400),
	EXAMPLE("a longer version", "GET / HTTP/1.10\r\n" HOST "\r\n", 400),
	EXAMPLE("HTTP/1.2", "GET / HTTP/1.2\r\n" HOST "\r\n", 505),
	EXAMPLE("HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
	EXAMPLE("HTTP/0.9 said aloud", "GET / HTTP/0.9\r\n" HOST "\r\n", 505),
	EXAMPLE("a fragment", "GET /#a HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("a target beyond ASCII", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("NUL in the target", "GET /\0 HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("DEL in the target", "GET /\x7f HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("authority-form", "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("GET *", "GET * HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("a relative target", "GET a HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("another scheme", "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("absolute-form without a host", "GET http:///a HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("user information", "GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("two empty lines before it", "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400),
	EXAMPLE("TLS", "\x16\x03\x01\x02", 400),

	EXAMPLE("bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400),
	EXAMPLE("bare LF behind one field", "GET / HTTP/1.1\r\n" HOST "X: y\n\r\n", 400),
	EXAMPLE("bare LF at the end", "GET / HTTP/1.1\r\n" HOST "\n", 400),
	EXAMPLE("CR CR LF", "GET / HTTP/1.1\r\n" HOST "X: y\r\r\n\r\n", 400),
	EXAMPLE("bare CR in a value", "GET / HTTP/1.1\r\n" HOST "X: y\rz\r\n\r\n", 400),
	EXAMPLE("a folded line", "GET / HTTP/1.1\r\n" HOST "X: y\r\n z\r\n\r\n", 400),
	EXAMPLE("a line folded with a tab", "GET / HTTP/1.1\r\n" HOST "X: y\r\n\tz\r\n\r\n", 400),
	EXAMPLE("a blank before the first field", "GET / HTTP/1.1\r\n " HOST "\r\n", 400),
	EXAMPLE("a blank before the colon", "GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400),
	EXAMPLE("a tab before the colon", "GET / HTTP/1.1\r\n" HOST "X\t: y\r\n\r\n", 400),
	EXAMPLE("no colon", "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", 400),
	EXAMPLE("no name", "GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n", 400),
	EXAMPLE("a name that is no token", "GET / HTTP/1.1\r\n" HOST "X[]: y\r\n\r\n", 400),
	EXAMPLE("a name beyond ASCII", "GET / HTTP/1.1\r\n" HOST "\xc3\xa9: y\r\n\r\n", 400),
	EXAMPLE("NUL in a value", "GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n", 400),
	EXAMPLE("NUL in a name", "GET / HTTP/1.1\r\n" HOST "X\0: b\r\n\r\n", 400),
	EXAMPLE("a control character in a value", "GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", 400),
	EXAMPLE("a vertical tab at the edge of a value",
	        "GET / HTTP/1.1\r\nHost: \x0b"
	        "a\r\n\r\n",
	        400),
	EXAMPLE("DEL in a value", "GET / HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n", 400),

	EXAMPLE("no Host", "GET / HTTP/1.1\r\n\r\n", 400),
	EXAMPLE("two Hosts", "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400),
	EXAMPLE("two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST "HOST: b\r\n\r\n", 400),
	EXAMPLE("two lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
	EXAMPLE("the same length twice", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\ncontent-length: 5\r\n\r\n", 400),
	EXAMPLE("a list of lengths", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n", 400),
	EXAMPLE("a signed length", "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n", 400),
	EXAMPLE("a negative length", "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n", 400),
	EXAMPLE("a hexadecimal length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n", 400),
	EXAMPLE("an empty length", "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400),
	EXAMPLE("a length in two parts", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5 6\r\n\r\n", 400),
	EXAMPLE("a length beyond 64 bits", "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551621\r\n\r\n", 400),
	EXAMPLE("length and chunks", "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
	EXAMPLE("chunks and length", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
	EXAMPLE("chunks twice", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
	EXAMPLE("chunks in HTTP/1.0", "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400),
	EXAMPLE("another coding", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
	EXAMPLE("chunks, not last", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n", 400),
	EXAMPLE("nearly chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 400),
	EXAMPLE("quoted chunked", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", 400),
	EXAMPLE("an empty coding", "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", 400),
};

static void explain(const struct example *e, enum head_state state, const struct head *h)
{
	print_error("%s: state %d, status %d, wanted %d\n", e->name, state, h->verdict.status, e->status);
}

static void test_head__accepts_and_refuses_by_rfc_9112(void **state)
{
	for (size_t i = 0; i < N_ELEMENTS(examples); i++) {
		const struct example *e = &examples[i];
		enum head_state wanted = e->status ? HEAD_BAD : HEAD_WHOLE, got;
		struct head h;

		head_init(&h, LIMIT);
		got = head_scan(&h, e->bytes, e->n);
		if (got != wanted || h.verdict.status != e->status)
			explain(e, got, &h);
		assert_int_equal(got, wanted);
		assert_int_equal(h.verdict.status, e->status);
		assert_true(!e->status == !h.verdict.detail);
		if (!e->status)
			assert_int_equal(h.at, e->n);
	}
}

/* Byte by byte the verdict is the same, and it is reached at the last byte of an accepted head, never before. */
static void test_head__is_not_whole_before_its_last_byte(void **state)
{
	for (size_t i = 0; i < N_ELEMENTS(examples); i++) {
		const struct example *e = &examples[i];
		enum head_state got = HEAD_PARTIAL;
		struct head h;
		size_t n = 0;

		head_init(&h, LIMIT);
		while (got == HEAD_PARTIAL && n < e->n)
			got = head_scan(&h, e->bytes, ++n);
		if (!e->status)
			assert_int_equal(n, e->n);
		if (h.verdict.status != e->status)
			explain(e, got, &h);
		assert_int_equal(h.verdict.status, e->status);
	}
}

static void test_head__leaves_what_follows_alone(void **state)
{
	static const char text[] = "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n\r\n\0GET";
	struct head h;

	head_init(&h, LIMIT);
	assert_int_equal(head_scan(&h, text, sizeof(text) - 1), HEAD_WHOLE);
	assert_int_equal(h.at, sizeof(text) - 1 - 6);
	assert_int_equal(h.framing.length, 3);
}

static void test_head__tells_method_and_target(void **state)
{
	static const char text[] = "\r\nGET /ws/chat/1/?a=b HTTP/1.1\r\n" HOST "Upgrade: WebSocket\r\n\r\n";
	struct head h;

	head_init(&h, LIMIT);
	assert_int_equal(head_scan(&h, text, sizeof(text) - 1), HEAD_WHOLE);
	assert_text(((struct str){ text + h.method_at, h.method_len }), "GET");
	assert_text(((struct str){ text + h.target_at, h.target_len }), "/ws/chat/1/?a=b");
	assert_true(h.upgrade_is_websocket);
}

static bool is_websocket(const char *fields)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct head h;

	buf_addf(&b, "GET /ws/ HTTP/1.1\r\n" HOST "%s\r\n", fields);
	head_init(&h, LIMIT);
	assert_int_equal(head_scan(&h, b.data, b.len), HEAD_WHOLE);
	return h.upgrade_is_websocket;
}

/* The hub's library has a use-after-free on other values: only exactly this one may reach it. */
static void test_head__knows_exactly_one_upgrade(void **state)
{
	assert_true(is_websocket("Upgrade: websocket\r\n"));
	assert_false(is_websocket(""));
	assert_false(is_websocket("Upgrade: websocket, h2c\r\n"));
	assert_false(is_websocket("Upgrade: h2c\r\n"));
	assert_false(is_websocket("Upgrade:\r\n"));
	assert_false(is_websocket("Upgrade: websocket\r\nUpgrade: h2c\r\n"));
	assert_false(is_websocket("Upgrade: h2c\r\nUpgrade: websocket\r\n"));
	assert_false(is_websocket("Upgrade: websocket\r\nUpgrade: websocket\r\n"));
}

/* A head of exactly n bytes: its target, or else one field, is as long as it takes. */
static void build(struct buf *b, size_t n, bool long_target)
{
	const char *before = long_target ? "GET /" : "GET / HTTP/1.1\r\n" HOST "X: ";
	const char *after = long_target ? " HTTP/1.1\r\n" HOST "\r\n" : "\r\n\r\n";

	buf_clear(b);
	buf_add_text(b, before);
	while (b->len < n - strlen(after))
		buf_add_char(b, 'a');
	buf_add_text(b, after);
	assert_int_equal(b->len, n);
}

static int status_of(const struct buf *b, size_t limit)
{
	struct head h;

	head_init(&h, limit);
	return head_scan(&h, b->data, b->len) == HEAD_WHOLE ? 0 : h.verdict.status;
}

static void test_head__is_limited_to_the_byte(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	build(&b, LIMIT, false);
	assert_int_equal(status_of(&b, LIMIT), 0);
	build(&b, LIMIT + 1, false);
	assert_int_equal(status_of(&b, LIMIT), 431);
	build(&b, LIMIT, true);
	assert_int_equal(status_of(&b, LIMIT), 0);
	build(&b, LIMIT + 1, true);
	assert_int_equal(status_of(&b, LIMIT), 431); /* the request line alone is within */
	build(&b, LIMIT + 100, true);
	assert_int_equal(status_of(&b, LIMIT), 414);
	b.len = LIMIT; /* not whole, and not too long yet */
	assert_int_equal(status_of(&b, LIMIT), 0);
	b.len = LIMIT + 1;
	assert_int_equal(status_of(&b, LIMIT), 414);
}

static void test_head__bounds_the_number_of_fields(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&b, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 1; i < HEAD_MAX_FIELDS; i++)
		buf_add_text(&b, "X: y\r\n");
	buf_add_text(&b, "\r\n");
	assert_int_equal(status_of(&b, LIMIT), 0);
	b.len -= 2;
	buf_add_text(&b, "X: y\r\n\r\n");
	assert_int_equal(status_of(&b, LIMIT), 431);
}

static void test_head__splits_targets(void **state)
{
	static const struct {
		const char *method, *target, *path, *authority;
	} good[] = {
		{ "GET", "/", "/", NULL },
		{ "GET", "//a/b?c", "//a/b?c", NULL },
		{ "OPTIONS", "*", "*", NULL },
		{ "GET", "http://a.example:80/b/?c=d", "/b/?c=d", "a.example:80" },
		{ "GET", "HTTP://a", "/", "a" },
		{ "GET", "https://a?b", "/?b", "a" },
		{ "GET", "http://[::1]:1/", "/", "[::1]:1" },
	};
	struct str path, authority;

	for (size_t i = 0; i < N_ELEMENTS(good); i++) {
		struct head_verdict v = head_target_split(str_of(good[i].method), str_of(good[i].target), *state, &path, &authority);

		assert_int_equal(v.status, 0);
		assert_text(path, good[i].path);
		assert_text(authority, good[i].authority);
	}
	assert_int_equal(head_target_split(TEXT("GET"), TEXT(""), *state, &path, &authority).status, 400);
}

static void test_head__reports_memory_as_a_refusal(void **state)
{
	struct str path, authority;
	struct arena none;

	arena_init(&none, 0);
	assert_int_equal(head_target_split(TEXT("GET"), TEXT("http://a/b"), &none, &path, &authority).status, 431);
	arena_finish(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head__accepts_and_refuses_by_rfc_9112),
		cmocka_unit_test(test_head__is_not_whole_before_its_last_byte),
		cmocka_unit_test(test_head__leaves_what_follows_alone),
		cmocka_unit_test(test_head__tells_method_and_target),
		cmocka_unit_test(test_head__knows_exactly_one_upgrade),
		cmocka_unit_test(test_head__is_limited_to_the_byte),
		cmocka_unit_test(test_head__bounds_the_number_of_fields),
		cmocka_unit_test_setup_teardown(test_head__splits_targets, setup_arena, teardown_arena),
		cmocka_unit_test(test_head__reports_memory_as_a_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
