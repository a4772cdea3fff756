/*
 * The transport with the real dispatch behind it, over real sockets. Deadlines are not waited for: the clock is moved.
 */
#include "api/server.h"
#include "api/upgrade.h"

#include <pthread.h>
#include <sys/resource.h>

#include "api/head.h"
#include "base/log.h"
#include "base/metrics.h"
#include "tests/unit/api/node.h"
#include "tests/unit/api/peer.h"

#define SECRET      "DJANGO_SECRET_KEY=0123456789012345678901234567890123456789012345678901"
#define HOST        "Host: localhost\r\n"
#define GET(target) "GET " target " HTTP/1.1\r\n" HOST "\r\n"
#define DEVELOPMENT SECRET, "DEBUG=1", "PORT=0", "HTTP_THREADS=3", "EXECUTOR_THREADS=2"

struct fixture {
	struct node *node;
	struct server *server;
	int port;
	bool stopped;
};

static struct fixture *start(const char *const *settings)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err = { 0 };

	log_init(LOG_JSON, LOG_CRITICAL, STDERR_FILENO);
	f->node = node_open(settings);
	if (server_create(&f->node->context, &f->server, &err) < 0 || server_start(f->server, &err) < 0)
		fail_msg("%s", err.text);
	f->port = server_port(f->server);
	return f;
}

static int stop_within(struct fixture *f, int64_t us)
{
	f->stopped = true;
	return server_stop(f->server, clock_monotonic_us() + us);
}

static void finish(struct fixture *f)
{
	if (!f->stopped)
		stop_within(f, 0);
	assert_int_equal(server_connections(f->server), 0);
	server_destroy(f->server);
	node_close(f->node);
	free(f);
}

static int setup(void **state)
{
	*state = start((const char *const[]){ DEVELOPMENT, NULL });
	return 0;
}

static int teardown(void **state)
{
	finish(*state);
	return 0;
}

/* The request came whole to its route, whatever that thinks of it. */
static void assert_served(int status)
{
	assert_in_range(status, 200, 599);
	assert_int_not_equal(status, 408);
	assert_int_not_equal(status, 413);
}

/* ---- requests ---- */

static void test_server__keeps_a_connection(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);

	for (int i = 0; i < 50; i++)
		assert_int_equal(peer_ask(p, i % 2 ? GET("/") : GET("/api/nothing/")), i % 2 ? 200 : 404);
	peer_close(p);
	assert_true(WAIT_FOR(5000, server_connections(f->server) == 0));
}

static void test_server__closes_when_asked_to(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);

	assert_int_equal(peer_ask(p, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"), 200);
	assert_true(peer_is_ended(p));
	peer_close(p);
	p = peer_open(f->port);
	assert_int_equal(peer_ask(p, "GET / HTTP/1.0\r\n" HOST "\r\n"), 200);
	assert_true(peer_is_ended(p));
	peer_close(p);
}

static void test_server__answers_a_pipeline_in_order(void **state)
{
	static const int statuses[] = { 200, 404, 301, 200 };
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);
	struct peer_answer a;

	peer_send(p, GET("/") GET("/nothing/") GET("/api/projets") GET("/livez"));
	for (size_t i = 0; i < N_ELEMENTS(statuses); i++) {
		peer_answer_to(p, &a, true);
		assert_int_equal(a.status, statuses[i]);
		buf_finish(&a.body);
	}
	peer_close(p);
}

static void test_server__reads_a_request_in_pieces(void **state)
{
	static const char request[] = GET("/");
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i + 1 < sizeof(request) - 1; i++)
			peer_send_bytes(p, request + i, 1);
		assert_int_equal(peer_ask(p, "\n"), 200);
	}
	peer_close(p);
}

static void test_server__answers_head_without_a_body(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);
	struct peer_answer get, head;

	peer_send(p, GET("/"));
	peer_answer_to(p, &get, true);
	peer_send(p, "HEAD / HTTP/1.1\r\n" HOST "\r\n" GET("/livez"));
	peer_answer_to(p, &head, false);
	assert_int_equal(head.status, 200);
	assert_true(get.body.len > 100);
	assert_int_equal(atoi(peer_header(&head, "Content-Length")), get.body.len);
	buf_finish(&get.body);
	peer_answer_to(p, &get, true); /* what follows is the next answer, not a body */
	assert_int_equal(get.status, 200);
	buf_finish(&get.body);
	peer_close(p);
}

static void test_server__answers_conditional_requests(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);
	struct peer_answer a;
	char request[300];

	peer_send(p, GET("/"));
	peer_answer_to(p, &a, true);
	buf_finish(&a.body);
	snprintf(request, sizeof(request), "GET / HTTP/1.1\r\n" HOST "If-None-Match: %s\r\n\r\n", peer_header(&a, "ETag"));
	for (int i = 0; i < 2; i++) {
		peer_send(p, request);
		peer_answer_to(p, &a, true);
		assert_int_equal(a.status, 304);
		assert_true(strlen(peer_header(&a, "ETag")) > 10);
		assert_non_null(strstr(peer_header(&a, "Vary"), "Accept-Encoding"));
		assert_string_equal(peer_header(&a, "Content-Type"), "");
	}
	assert_int_equal(peer_ask(p, GET("/")), 200);
	peer_close(p);
}

/* The prepared answers of one body: by coding, by origin, each with its own headers, many times over. */
static void test_server__prepares_one_answer_for_each_form(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);
	static const struct {
		const char *fields, *coding, *origin;
	} forms[] = {
		{ "", "", "" },
		{ "Accept-Encoding: gzip\r\n", "gzip", "" },
		{ "Accept-Encoding: br\r\n", "br", "" },
		{ "Origin: http://localhost:3000\r\n", "", "http://localhost:3000" },
		{ "Origin: http://127.0.0.1:5173\r\nAccept-Encoding: gzip\r\n", "gzip", "http://127.0.0.1:5173" },
		{ "Origin: http://evil.example\r\n", "", "" },
	};

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < N_ELEMENTS(forms); i++) {
			struct peer_answer a;
			char request[300];

			snprintf(request, sizeof(request), "GET / HTTP/1.1\r\n" HOST "%s\r\n", forms[i].fields);
			peer_send(p, request);
			peer_answer_to(p, &a, true);
			assert_int_equal(a.status, 200);
			assert_string_equal(peer_header(&a, "Content-Encoding"), forms[i].coding);
			assert_string_equal(peer_header(&a, "Access-Control-Allow-Origin"), forms[i].origin);
			buf_finish(&a.body);
		}
	}
	peer_close(p);
}

static void test_server__takes_the_host_of_an_absolute_target(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(peer_ask_once(f->port, "GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 200);
	assert_int_equal(peer_ask_once(f->port, "GET http://evil.example/ HTTP/1.1\r\n" HOST "\r\n"), 400);
}

/* ---- headers ---- */

static void check_protective(const struct peer_answer *a)
{
	static const char *const names[] = {
		"X-Content-Type-Options",
		"X-Frame-Options",
		"X-XSS-Protection",
		"Referrer-Policy",
		"Permissions-Policy",
		"Cross-Origin-Opener-Policy",
		"Content-Security-Policy",
		"Vary",
		"Date",
	};

	for (size_t i = 0; i < N_ELEMENTS(names); i++) {
		if (!*peer_header(a, names[i]))
			print_error("%s is missing in %s\n", names[i], a->head);
		assert_true(*peer_header(a, names[i]));
	}
	assert_non_null(strstr(peer_header(a, "Vary"), "origin"));
	assert_string_equal(peer_header(a, "Strict-Transport-Security"), "");
}

static void test_server__protects_every_answer(void **state)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
		{ GET("/"), 200 },
		{ GET("/nothing/"), 404 },
		{ GET("/api/"), 200 },
		{ "DELETE / HTTP/1.1\r\n" HOST "\r\n", 405 },
		{ "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400 },          /* refused by the door */
		{ GET("/") "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400 }, /* refused by the guard */
		{ "GET /ws/ HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n\r\n", 503 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct peer *p = peer_open(f->port);
		struct peer_answer a;

		peer_send(p, cases[i].request);
		peer_answer_to(p, &a, true);
		if (strstr(cases[i].request + 10, "GET /")) {
			buf_finish(&a.body);
			peer_answer_to(p, &a, true);
		}
		assert_int_equal(a.status, cases[i].status);
		check_protective(&a);
		if (a.status != 405) {
			json_t *json = parse(buf_view(&a.body));

			assert_string_equal(peer_header(&a, "Content-Type"), "application/json");
			assert_true(a.status == 200 || json_is_string(json_object_get(json, "detail")));
			json_decref(json);
		}
		buf_finish(&a.body);
		peer_close(p);
	}
}

static void test_server__is_strict_about_transport_in_production(void **state)
{
	struct fixture *f =
	        start((const char *const[]){ SECRET, "ENABLE_SAKA=true", "SAKA_COMPOST_ENABLED=true", "SAKA_SILO_REDIS_ENABLED=true",
	                                     "ALLOWED_HOSTS=localhost", "PORT=0", "HTTP_THREADS=1", NULL });
	struct peer *p = peer_open(f->port);
	struct peer_answer a;

	peer_send(p, "GET / HTTP/1.1\r\n" HOST "X-Forwarded-Proto: https\r\n\r\n");
	peer_answer_to(p, &a, true);
	assert_int_equal(a.status, 200);
	assert_string_equal(peer_header(&a, "Strict-Transport-Security"), "max-age=31536000; includeSubDomains; preload");
	buf_finish(&a.body);
	peer_send(p, GET("/"));
	peer_answer_to(p, &a, true);
	assert_int_equal(a.status, 301);
	assert_string_equal(peer_header(&a, "Strict-Transport-Security"), "");
	buf_finish(&a.body);
	peer_close(p);
	finish(f);
}

/* ---- what is refused ---- */

/* First on its connection, where the door sees it, and second, where the stream's judge does. */
static void check_refused(struct fixture *f, const char *request, int status)
{
	struct peer *first = peer_open(f->port), *second = peer_open(f->port);
	int got;

	assert_int_equal(peer_ask(first, request), status);
	assert_true(peer_is_ended(first));
	assert_int_equal(peer_ask(second, GET("/")), 200);
	got = peer_ask(second, request);
	assert_int_equal(got, status);
	while (peer_read(second))
		;
	assert_null(second->got.data ? strstr(second->got.data, " 200 ") : NULL); /* nothing behind it was served */
	peer_close(first);
	peer_close(second);
}

static void test_server__refuses_what_is_ambiguous(void **state)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n" HOST "X: a\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400 },
		{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET("/"), 400 },
		{ "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400 },
		{ "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400 },
		{ "POST /api/help-requests/ HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n" GET("/"), 400 },
		{ "POST /api/help-requests/ HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\n\r\n" GET("/"), 400 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		check_refused(f, cases[i].request, cases[i].status);
}

static void test_server__bounds_target_and_head_of_every_request(void **state)
{
	struct fixture *f = *state;
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&b, "GET /");
	for (int i = 0; i < 17000; i++)
		buf_add_char(&b, 'a');
	buf_add_text(&b, " HTTP/1.1\r\n" HOST "\r\n");
	check_refused(f, b.data, 414);
	buf_clear(&b);
	buf_add_text(&b, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 17; i++)
		buf_addf(&b, "X: %01000d\r\n", i);
	buf_add_text(&b, "\r\n");
	check_refused(f, b.data, 431);
}

static void test_server__takes_the_largest_head_that_is_allowed(void **state)
{
	struct fixture *f = *state;
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct peer *p = peer_open(f->port);

	buf_add_text(&b, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < HEAD_MAX_FIELDS - 2; i++)
		buf_addf(&b, "X: %0160d\r\n", i);
	buf_addf(&b, "Y: %0*d\r\n", (int)(16384 - b.len - 7), 0);
	buf_add_text(&b, "\r\n");
	assert_int_equal(b.len, 16384);
	for (int i = 0; i < 3; i++)
		assert_int_equal(peer_ask(p, b.data), 200);
	peer_close(p);
}

static void test_server__lets_a_refused_client_read_why(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);
	char *waste = calloc(1, 4 << 20);
	struct peer_answer a;

	peer_send(p, "POST /api/help-requests/ HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nContent-Length: 4194304\r\n\r\n");
	peer_send_bytes(p, waste, 4 << 20); /* more than the sockets hold: closed at once, this would end in a reset */
	peer_answer_to(p, &a, true);
	assert_int_equal(a.status, 413);
	assert_string_equal(peer_header(&a, "Connection"), "close");
	assert_true(peer_is_ended(p));
	buf_finish(&a.body);
	free(waste);
	peer_close(p);
	assert_true(WAIT_FOR(5000, server_connections(f->server) == 0));
}

static void test_server__says_no_before_100_continue(void **state)
{
	struct fixture *f = *state;
	static const char format[] = "POST /api/help-requests/ HTTP/1.1\r\n" HOST
	                             "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n";
	struct peer *p = peer_open(f->port);
	char request[300];

	snprintf(request, sizeof(request), format, 3000000);
	assert_int_equal(peer_ask(p, request), 413);
	assert_true(peer_is_ended(p));
	peer_close(p);
	p = peer_open(f->port);
	snprintf(request, sizeof(request), format, 2);
	assert_int_equal(peer_ask(p, request), 100);
	assert_served(peer_ask(p, "{}"));
	peer_close(p);
}

/* A chunked body says its length only at the end. */
static void test_server__bounds_a_chunked_body(void **state)
{
	struct fixture *f = *state;
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct peer *p = peer_open(f->port);

	buf_add_text(&b,
	             "POST /api/help-requests/ HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 300; i++)
		buf_addf(&b, "2710\r\n%010000d\r\n", i);
	buf_add_text(&b, "0\r\n\r\n");
	peer_send_bytes(p, b.data, b.len);
	assert_int_equal(peer_ask(p, ""), 413);
	assert_true(peer_is_ended(p));
	peer_close(p);
}

/* ---- WebSocket ---- */

static void test_server__wants_a_fresh_connection_for_websocket(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);
	struct peer_answer a;

	assert_int_equal(peer_ask(p, GET("/")), 200);
	peer_send(p, "GET /ws/chat/ HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n\r\n");
	peer_answer_to(p, &a, true);
	assert_int_equal(a.status, 426);
	assert_string_equal(peer_header(&a, "Upgrade"), "websocket");
	assert_string_equal(peer_header(&a, "Connection"), "close");
	buf_finish(&a.body);
	assert_true(peer_is_ended(p));
	peer_close(p);
}

struct hub {
	atomic_int fd;
	atomic_bool takes;
};

static int take(void *arg, const struct upgrade *upgrade)
{
	struct hub *hub = arg;

	if (upgrade->target != UPGRADE_CHAT || upgrade->id != 7)
		return 500;
	atomic_store(&hub->fd, upgrade->fd);
	return atomic_load(&hub->takes) ? 0 : 503;
}

static void test_server__gives_websocket_requests_away_unread(void **state)
{
	static const char request[] = "GET /ws/chat/7/ HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	struct fixture *f = calloc(1, sizeof(*f));
	struct hub hub = { .fd = -1, .takes = true };
	char bytes[1000];
	struct peer *p;
	int fd;

	f->node = node_open((const char *const[]){ DEVELOPMENT, NULL });
	assert_int_equal(server_create(&f->node->context, &f->server, NULL), 0);
	server_on_upgrade(f->server, take, &hub);
	assert_int_equal(server_start(f->server, NULL), 0);
	f->port = server_port(f->server);
	p = peer_open(f->port);
	peer_send(p, request);
	assert_true(WAIT_FOR(5000, atomic_load(&hub.fd) >= 0));
	fd = atomic_load(&hub.fd);
	clock_advance_for_tests(1000 * US_PER_S); /* no deadline of ours is upon it */
	assert_int_equal(peer_ask_once(f->port, GET("/")), 200);
	assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), sizeof(request) - 1);
	assert_memory_equal(bytes, request, sizeof(request) - 1);
	assert_true(WAIT_FOR(5000, server_connections(f->server) == 0)); /* no longer the server's */
	close(fd);
	assert_true(peer_is_ended(p));
	peer_close(p);
	atomic_store(&hub.takes, false);
	assert_int_equal(peer_ask_once(f->port, request), 503);
	finish(f);
}

/* ---- deadlines ---- */

static void test_server__closes_the_silent(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);

	assert_true(WAIT_FOR(10000, server_connections(f->server) == 1)); /* the kernel gives it to us after a second or so */
	clock_advance_for_tests(6 * US_PER_S);
	assert_true(peer_is_ended(p));
	peer_close(p);
}

/* A byte now and then does not help: the end of a phase stands from its beginning. */
static void test_server__waits_ten_seconds_for_a_head(void **state)
{
	struct fixture *f = *state;
	struct peer *first = peer_open(f->port), *second = peer_open(f->port);

	peer_send(first, "GET / HTTP/1.1\r\n");
	assert_int_equal(peer_ask(second, GET("/")), 200);
	peer_send(second, "GET / HTTP/1.1\r\nX");
	assert_true(WAIT_FOR(5000, server_connections(f->server) == 2));
	for (int i = 0; i < 9; i++) {
		clock_advance_for_tests(US_PER_S);
		peer_send(first, "X");
		peer_send(second, "X");
		assert_int_equal(peer_ask_once(f->port, GET("/")), 200);
	}
	clock_advance_for_tests(2 * US_PER_S);
	assert_int_equal(peer_ask(first, ""), 408);
	assert_int_equal(peer_ask(second, ""), 408);
	assert_true(peer_is_ended(first));
	assert_true(peer_is_ended(second));
	peer_close(first);
	peer_close(second);
}

#define POST_START "POST /api/help-requests/ HTTP/1.1\r\n" HOST "Content-Type: application/json\r\nExpect: 100-continue\r\n"

static void test_server__demands_a_minimum_rate_of_a_body(void **state)
{
	struct fixture *f = *state;
	struct peer *slow = peer_open(f->port), *quick = peer_open(f->port);
	static char piece[20000];

	memset(piece, ' ', sizeof(piece));
	assert_int_equal(peer_ask(slow, POST_START "Content-Length: 60000\r\n\r\n"), 100);
	assert_int_equal(peer_ask(quick, POST_START "Content-Length: 40002\r\n\r\n"), 100);
	peer_send_bytes_read(quick, piece, sizeof(piece));
	peer_send_bytes_read(slow, piece, 1000);
	clock_advance_for_tests(4 * US_PER_S); /* within the grace */
	assert_int_equal(peer_ask_once(f->port, GET("/")), 200);
	clock_advance_for_tests(3 * US_PER_S);
	assert_int_equal(peer_ask(slow, ""), 408);
	assert_true(peer_is_ended(slow));
	peer_send_bytes(quick, piece, sizeof(piece));
	assert_served(peer_ask(quick, "{}"));
	peer_close(slow);
	peer_close(quick);
}

/* As fast as the rate demands, and still not for ever. */
static void test_server__bounds_the_whole_request(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);
	static char piece[20000];
	struct peer_answer a = { 0 };

	assert_int_equal(peer_ask(p, POST_START "Content-Length: 2000000\r\n\r\n"), 100);
	for (int i = 0; i < 4; i++) {
		peer_send_bytes_read(p, piece, sizeof(piece));
		clock_advance_for_tests(8 * US_PER_S);
		assert_int_equal(peer_ask_once(f->port, GET("/")), 200);
	}
	peer_answer_to(p, &a, true);
	assert_int_equal(a.status, 408);
	buf_finish(&a.body);
	peer_close(p);
}

static void test_server__closes_what_idles(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);

	for (int i = 0; i < 3; i++) { /* each answer starts the time anew */
		assert_int_equal(peer_ask(p, GET("/")), 200);
		clock_advance_for_tests(50 * US_PER_S);
	}
	assert_int_equal(peer_ask(p, GET("/")), 200);
	for (int i = 0; i < 20; i++) { /* the answer is here before its connection idles there */
		clock_advance_for_tests(61 * US_PER_S);
		if (poll(&(struct pollfd){ .fd = p->fd, .events = POLLIN }, 1, 300) == 1)
			break;
	}
	assert_true(peer_is_ended(p));
	peer_close(p);
}

/* ---- limits ---- */

static void test_server__bounds_its_connections(void **state)
{
	struct fixture *f = start((const char *const[]){ DEVELOPMENT, "MAX_CONNECTIONS=3", NULL });
	struct peer *peers[3];

	for (size_t i = 0; i < 3; i++) {
		peers[i] = peer_open(f->port);
		assert_int_equal(peer_ask(peers[i], GET("/")), 200);
	}
	assert_int_equal(peer_ask_once(f->port, GET("/")), 503);
	assert_int_equal(peer_ask(peers[0], GET("/")), 200); /* those inside are served */
	peer_close(peers[0]);
	assert_true(WAIT_FOR(5000, server_connections(f->server) == 2));
	assert_int_equal(peer_ask_once(f->port, GET("/")), 200);
	peer_close(peers[1]);
	peer_close(peers[2]);
	finish(f);
}

static void test_server__bounds_the_connections_of_an_address(void **state)
{
	struct fixture *f =
	        start((const char *const[]){ DEVELOPMENT, "MAX_CONNECTIONS_PER_ADDRESS=2", "TRUSTED_PROXIES=10.0.0.0/8", NULL });

	for (int round = 0; round < 3; round++) {
		struct peer *first = peer_open(f->port), *second = peer_open(f->port);

		assert_int_equal(peer_ask(first, GET("/")), 200);
		assert_int_equal(peer_ask(second, "GET / HTTP/1.1\r\n" HOST HOST "\r\n"), 400); /* it lingers: still counted */
		assert_int_equal(peer_ask_once(f->port, GET("/")), 503);
		peer_close(first);
		peer_close(second);
		assert_true(WAIT_FOR(5000, server_connections(f->server) == 0));
	}
	finish(f);
}

static void test_server__does_not_count_trusted_proxies(void **state)
{
	struct fixture *f = start((const char *const[]){ DEVELOPMENT, "MAX_CONNECTIONS_PER_ADDRESS=2", NULL });
	struct peer *peers[5];

	for (size_t i = 0; i < 5; i++) {
		peers[i] = peer_open(f->port);
		assert_int_equal(peer_ask(peers[i], GET("/")), 200);
	}
	for (size_t i = 0; i < 5; i++)
		peer_close(peers[i]);
	finish(f);
}

static void test_server__survives_a_lack_of_descriptors(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, limit;
	struct peer *inside = peer_open(f->port), *outside;

	assert_int_equal(peer_ask(inside, GET("/")), 200);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	outside = peer_open(f->port); /* waits for its first byte, so it is not accepted yet */
	limit = before;
	limit.rlim_cur = (rlim_t)outside->fd + 1; /* all below are in use */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(peer_ask(outside, GET("/")), 503);
	assert_int_equal(peer_ask(inside, GET("/")), 200);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(peer_ask_once(f->port, GET("/")), 200);
	peer_close(inside);
	peer_close(outside);
}

/* ---- start and stop ---- */

static void test_server__names_what_is_in_the_way_of_listening(void **state)
{
	struct fixture *f = *state;
	char port[20];
	struct node *node;
	struct server *second = NULL;
	struct error err = { 0 };

	snprintf(port, sizeof(port), "PORT=%d", f->port);
	node = node_open((const char *const[]){ SECRET, "DEBUG=1", port, NULL });
	assert_int_equal(server_create(&node->context, &second, &err), ERR_IO);
	assert_null(second);
	assert_non_null(strstr(err.text, "PORT"));
	assert_non_null(strstr(err.text, "in use"));
	node_close(node);
	node = node_open((const char *const[]){ SECRET, "DEBUG=1", "HOST=no such host", NULL });
	assert_int_equal(server_create(&node->context, &second, &err), ERR_CONFIG);
	assert_non_null(strstr(err.text, "HOST"));
	node_close(node);
}

static void test_server__is_not_made_without_memory(void **state)
{
	struct node *node = node_open((const char *const[]){ DEVELOPMENT, NULL });
	struct server *server = NULL;
	struct error err;
	int n = 0, r;

	do {
		fault_arm(FAULT_ALLOC, ++n, false);
		r = server_create(&node->context, &server, &err);
		fault_disarm_all();
		assert_true(r == 0 || r == ERR_NOMEM || r == ERR_IO);
		assert_true(r == 0 || err.text[0]);
	} while (r < 0);
	assert_true(n > 5);
	server_destroy(server); /* made, never started */
	node_close(node);
}

static void test_server__stops_at_once_when_nothing_runs(void **state)
{
	struct fixture *f = *state;
	struct peer *idle = peer_open(f->port), *waiting = peer_open(f->port);
	int64_t before;

	assert_int_equal(peer_ask(idle, GET("/")), 200);
	peer_send(waiting, "GET / HT");
	assert_true(WAIT_FOR(5000, server_connections(f->server) == 2));
	before = clock_monotonic_us();
	assert_int_equal(stop_within(f, 60 * US_PER_S), 0);
	assert_true(clock_monotonic_us() - before < 10 * US_PER_S);
	assert_true(peer_is_ended(idle));
	assert_true(peer_is_ended(waiting));
	peer_close(idle);
	peer_close(waiting);
}

static void *send_the_rest(void *arg)
{
	struct peer *p = arg;
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	bool refused = false;

	assert_int_equal(getpeername(p->fd, (struct sockaddr *)&to, &len), 0);
	WAIT_FOR(5000, ({ /* until the port no longer answers: the server is stopping */
		          int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		          refused = connect(fd, (struct sockaddr *)&to, len) < 0;
		          close(fd);
		          refused;
	         }));
	peer_send(p, "{}");
	return NULL;
}

static void test_server__finishes_what_runs_when_it_stops(void **state)
{
	struct fixture *f = *state;
	struct peer *p = peer_open(f->port);
	struct peer_answer a;
	pthread_t thread;

	assert_int_equal(peer_ask(p, POST_START "Content-Length: 2\r\n\r\n"), 100);
	assert_int_equal(pthread_create(&thread, NULL, send_the_rest, p), 0);
	assert_int_equal(stop_within(f, 60 * US_PER_S), 0);
	pthread_join(thread, NULL);
	peer_answer_to(p, &a, true);
	assert_served(a.status);
	assert_string_equal(peer_header(&a, "Connection"), "close");
	buf_finish(&a.body);
	peer_close(p);
}

static void test_server__cuts_and_counts_what_does_not_end(void **state)
{
	struct fixture *f = *state;
	struct peer *peers[3];

	for (size_t i = 0; i < 3; i++) {
		peers[i] = peer_open(f->port);
		assert_int_equal(peer_ask(peers[i], POST_START "Content-Length: 2\r\n\r\n"), 100);
	}
	assert_int_equal(stop_within(f, 100 * US_PER_MS), 3);
	for (size_t i = 0; i < 3; i++) {
		while (peer_read(peers[i]))
			;
		peer_close(peers[i]);
	}
}

/* ---- what is left behind ---- */

static size_t read_log(int fd, char *text, size_t size)
{
	ssize_t n;

	log_flush();
	n = pread(fd, text, size - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	return (size_t)n;
}

static void test_server__logs_and_counts_each_request(void **state)
{
	struct fixture *f = *state;
	char path[] = "/tmp/egoejo-test-log-XXXXXX", text[4000];
	int fd = mkstemp(path);
	struct metric *ok = metric_series(METRIC_HTTP_REQUESTS, "route=\"/api/projets/{int}/\",method=\"GET\",status=\"4xx\"");
	int64_t before = metric_value(ok);
	json_t *line;

	assert_true(fd >= 0);
	unlink(path);
	log_init(LOG_JSON, LOG_INFO, fd);
	assert_int_equal(
	        peer_ask_once(f->port, "GET /api/projets/12345/?token=hush HTTP/1.1\r\n" HOST "Authorization: Basic hush\r\n\r\n") / 100,
	        4);
	assert_true(WAIT_FOR(5000, read_log(fd, text, sizeof(text)) > 0));
	assert_null(strstr(text, "hush"));
	assert_null(strstr(text, "12345"));
	line = parse(str_of(text));
	assert_string_equal(json_string_value(json_object_get(line, "event")), "http.request");
	assert_string_equal(json_string_value(json_object_get(line, "method")), "GET");
	assert_string_equal(json_string_value(json_object_get(line, "route")), "/api/projets/{int}/");
	assert_int_equal(json_integer_value(json_object_get(line, "status")) / 100, 4);
	assert_string_equal(json_string_value(json_object_get(line, "peer")), "127.0.0.1");
	assert_int_equal(strlen(json_string_value(json_object_get(line, "request_id"))), 16);
	assert_true(json_is_real(json_object_get(line, "duration_ms")));
	assert_true(json_integer_value(json_object_get(line, "bytes")) > 0);
	assert_true(WAIT_FOR(5000, metric_value(ok) == before + 1));
	json_decref(line);
	log_init(LOG_JSON, LOG_CRITICAL, STDERR_FILENO);
	close(fd);
}

struct load {
	int port;
	atomic_int answers;
};

static void *ask_often(void *arg)
{
	static const char *const requests[] = {
		GET("/"),
		GET("/api/projets/"),
		"POST /api/help-requests/ HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}",
		GET("/nothing/"),
		"HEAD /api/ HTTP/1.1\r\n" HOST "\r\n",
	};
	struct load *load = arg;
	struct peer *p = peer_open(load->port);

	for (size_t i = 0; i < 200; i++)
		if (peer_ask(p, requests[i % N_ELEMENTS(requests)]) != 0)
			atomic_fetch_add(&load->answers, 1);
	peer_close(p);
	return NULL;
}

static void test_server__serves_many_at_once(void **state)
{
	struct fixture *f = *state;
	struct load load = { .port = f->port };
	pthread_t threads[8];

	for (size_t i = 0; i < N_ELEMENTS(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &load), 0);
	for (size_t i = 0; i < N_ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&load.answers), 200 * N_ELEMENTS(threads));
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_server__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keeps_a_connection),
		TEST(closes_when_asked_to),
		TEST(answers_a_pipeline_in_order),
		TEST(reads_a_request_in_pieces),
		TEST(answers_head_without_a_body),
		TEST(answers_conditional_requests),
		TEST(prepares_one_answer_for_each_form),
		TEST(takes_the_host_of_an_absolute_target),
		TEST(protects_every_answer),
		cmocka_unit_test(test_server__is_strict_about_transport_in_production),
		TEST(refuses_what_is_ambiguous),
		TEST(bounds_target_and_head_of_every_request),
		TEST(takes_the_largest_head_that_is_allowed),
		TEST(lets_a_refused_client_read_why),
		TEST(says_no_before_100_continue),
		TEST(bounds_a_chunked_body),
		TEST(wants_a_fresh_connection_for_websocket),
		cmocka_unit_test(test_server__gives_websocket_requests_away_unread),
		TEST(closes_the_silent),
		TEST(waits_ten_seconds_for_a_head),
		TEST(demands_a_minimum_rate_of_a_body),
		TEST(bounds_the_whole_request),
		TEST(closes_what_idles),
		cmocka_unit_test(test_server__bounds_its_connections),
		cmocka_unit_test(test_server__bounds_the_connections_of_an_address),
		cmocka_unit_test(test_server__does_not_count_trusted_proxies),
		TEST(survives_a_lack_of_descriptors),
		TEST(names_what_is_in_the_way_of_listening),
		cmocka_unit_test(test_server__is_not_made_without_memory),
		TEST(stops_at_once_when_nothing_runs),
		TEST(finishes_what_runs_when_it_stops),
		TEST(cuts_and_counts_what_does_not_end),
		TEST(logs_and_counts_each_request),
		TEST(serves_many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
