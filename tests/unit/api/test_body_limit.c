/* Who may send a long body where; then the same over real sockets, with what becomes of the bytes. */
#include "api/server.h"
#include "base/log.h"
#include "domain/token.h"
#include "tests/unit/api/node.h"
#include "tests/unit/api/peer.h"

#define KEY    "0123456789012345678901234567890123456789012345678901"
#define SECRET "DJANGO_SECRET_KEY=0123456789012345678901234567890123456789012345678901"
#define MIB    (1024 * 1024)
#define TYPE   "multipart/form-data; boundary=x"
#define SMALL  (1 * MIB)           /* MAX_BODY_BYTES of these tests */
#define LARGE  (3 * MIB + 1 * MIB) /* and what MAX_UPLOAD_BYTES makes of it */

struct fixture {
	struct node *node;
	struct arena arena;
	const char *bearer, *refresh, *expired, *foreign;
};

static const char *token(struct fixture *f, const char *key, enum token_type type, int64_t lifetime_s)
{
	struct token t;

	assert_int_equal(token_issue(str_of(key), type, 1, clock_now(), lifetime_s, &f->arena, &t), 0);
	return arena_printf(&f->arena, "Bearer %.*s", STR_ARG(t.text));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	log_init(LOG_JSON, LOG_CRITICAL, STDERR_FILENO);
	f->node = node_open((const char *const[]){ SECRET, "DEBUG=1", "PORT=0", "HTTP_THREADS=1", "EXECUTOR_THREADS=1",
	                                           "MAX_BODY_BYTES=1048576", "MAX_UPLOAD_BYTES=3145728", NULL });
	node_write(f->node,
	           "INSERT INTO auth_user (id, password, is_superuser, is_staff, is_active, username, last_name, email, date_joined, "
	           "first_name) VALUES (1, '!', FALSE, FALSE, TRUE, 'ana', '', '', '2026-01-05 00:00:00', '')");
	arena_init(&f->arena, 16 * MIB);
	f->bearer = token(f, KEY, TOKEN_ACCESS, 3600);
	f->refresh = token(f, KEY, TOKEN_REFRESH, 3600);
	f->expired = token(f, KEY, TOKEN_ACCESS, -1);
	f->foreign = token(f, "another key, as long as the first one, is no help", TOKEN_ACCESS, 3600);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	node_close(f->node);
	arena_finish(&f->arena);
	free(f);
	return 0;
}

static void assert_limit_(struct fixture *f, const char *method, const char *target, const char *type, const char *authorization,
                          int64_t limit, int line)
{
	struct request *req = node_request(f->node, method, target, NULL);

	req->headers.content_type = str_of(type);
	req->headers.authorization = str_of(authorization);
	if (dispatch_body_limit(req) == limit && req->takes_upload == (limit == LARGE))
		return;
	print_error("%s %s %s %s\n", method, target, type, authorization);
	_fail(__FILE__, line);
}
#define assert_limit(method, target, type, authorization, limit) assert_limit_(f, method, target, type, authorization, limit, __LINE__)

static void test_body_limit__uploads(void **state)
{
	struct fixture *f = *state;

	assert_limit("POST", "/api/projets/", TYPE, f->bearer, LARGE);
	assert_limit("PUT", "/api/projets/5/", TYPE, f->bearer, LARGE);
	assert_limit("PATCH", "/api/projets/5/", TYPE, f->bearer, LARGE);
	assert_limit("POST", "/api/contents/", "Multipart/Form-Data", f->bearer, LARGE);
	assert_limit("POST", "/api/api/projets/?x=1", TYPE, f->bearer, LARGE);
	assert_limit("POST", "/api/projets/", TYPE, "Basic YTpi", LARGE);
}

static void test_body_limit__everything_else(void **state)
{
	struct fixture *f = *state;

	assert_limit("POST", "/api/projets/", "application/json", f->bearer, SMALL);
	assert_limit("POST", "/api/projets/", "application/x-www-form-urlencoded", f->bearer, SMALL);
	assert_limit("POST", "/api/projets/", NULL, f->bearer, SMALL);
	assert_limit("POST", "/api/projets/5/", TYPE, f->bearer, SMALL); /* no such method */
	assert_limit("POST", "/api/projets", TYPE, f->bearer, SMALL);
	assert_limit("POST", "/api/auth/login/", TYPE, f->bearer, SMALL);
	assert_limit("POST", "/api/nothing/", TYPE, f->bearer, SMALL);
	assert_limit("POST", "/%ff", TYPE, f->bearer, SMALL);
	assert_limit("BREW", "/api/projets/", TYPE, f->bearer, SMALL);
}

static void test_body_limit__credentials_that_cannot_be_good(void **state)
{
	struct fixture *f = *state;

	assert_limit("POST", "/api/projets/", TYPE, NULL, SMALL);
	assert_limit("POST", "/api/projets/", TYPE, "", SMALL);
	assert_limit("POST", "/api/projets/", TYPE, "Bearer", SMALL);
	assert_limit("POST", "/api/projets/", TYPE, "Bearer a.b.c", SMALL);
	assert_limit("POST", "/api/projets/", TYPE, "Digest x", SMALL);
	assert_limit("POST", "/api/projets/", TYPE, f->refresh, SMALL);
	assert_limit("POST", "/api/projets/", TYPE, f->expired, SMALL);
	assert_limit("POST", "/api/projets/", TYPE, f->foreign, SMALL);
}

/* ---- over sockets ---- */

static struct server *start(struct fixture *f)
{
	struct error err = { 0 };
	struct server *server;

	if (server_create(&f->node->context, &server, &err) < 0 || server_start(server, &err) < 0)
		fail_msg("%s", err.text);
	return server;
}

static void stop(struct server *server)
{
	server_stop(server, clock_monotonic_us() + US_PER_S);
	server_destroy(server);
}

#define HEAD_OF_BODY "--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\n"
#define END_OF_BODY  "\r\n--x--\r\n"

/* Posts a file of n bytes as a part, in a body that ends so; chunked: its length is not announced. */
static int post(struct peer *p, const char *authorization, size_t n, const char *end, bool chunked)
{
	struct buf b = BUF_EMPTY;
	size_t length = strlen(HEAD_OF_BODY) + n + strlen(end);
	struct peer_answer a;

	buf_addf(&b, "POST /api/projets/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: " TYPE "\r\nAuthorization: %s\r\n", authorization);
	if (chunked)
		buf_addf(&b, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", length);
	else
		buf_addf(&b, "Content-Length: %zu\r\n\r\n", length);
	buf_add_text(&b, HEAD_OF_BODY);
	buf_reserve(&b, n);
	memset(b.data + b.len, 't', n);
	b.len += n;
	buf_add_text(&b, end);
	if (chunked)
		buf_add_text(&b, "\r\n0\r\n\r\n");
	peer_send_bytes(p, b.data, b.len);
	buf_finish(&b);
	peer_answer_to(p, &a, true);
	buf_finish(&a.body);
	return a.status;
}

/* Its gates and its parsing have let it pass: what the handler says of a body with a wrong file, or that it is not built. */
static bool is_handled(int status)
{
	return status == 501 || status == 400 || status == 201;
}

static int post_once(struct server *server, const char *authorization, size_t n)
{
	struct peer *p = peer_open(server_port(server));
	int status = post(p, authorization, n, END_OF_BODY, false);

	peer_close(p);
	return status;
}

static void test_body_limit__over_sockets(void **state)
{
	struct fixture *f = *state;
	struct server *server = start(f);
	struct peer *p = peer_open(server_port(server));

	assert_true(is_handled(post(p, f->bearer, 3 * MIB, END_OF_BODY, false)));
	assert_true(is_handled(post(p, f->bearer, 3 * MIB, END_OF_BODY, true)));
	assert_true(is_handled(post(p, f->bearer, 100, END_OF_BODY, false)));
	assert_int_equal(post(p, f->bearer, 3 * MIB, "\r\n--x-", false), 400);
	assert_true(is_handled(post(p, f->bearer, 3 * MIB, END_OF_BODY, false))); /* the connection goes on */
	peer_close(p);
	assert_int_equal(post_once(server, f->bearer, 4 * MIB), 413);
	assert_int_equal(post_once(server, f->expired, 2 * MIB), 403);
	assert_int_equal(post_once(server, "", 2 * MIB), 403);
	stop(server);
}

static void test_body_limit__a_full_disk(void **state)
{
	struct fixture *f = *state;
	struct server *server = start(f);
	struct peer *p = peer_open(server_port(server));

	for (int n = 1; n < 20; n += 6) {
		fault_arm(FAULT_DISK, n, /* repeat: */ false);
		assert_int_equal(post(p, f->bearer, 3 * MIB, END_OF_BODY, false), 503);
		fault_disarm_all();
		assert_true(is_handled(post(p, f->bearer, 3 * MIB, END_OF_BODY, false)));
	}
	fault_arm(FAULT_DISK, 1, /* repeat: */ true); /* what is small needs no disk to come in */
	assert_true(is_handled(post(p, f->bearer, 1000, END_OF_BODY, false)));
	peer_close(p);
	stop(server);
}

/* A slow upload has more time than other requests, in proportion to what has come of it. */
static void test_body_limit__a_slow_upload(void **state)
{
	struct fixture *f = *state;
	struct server *server = start(f);
	struct peer *p = peer_open(server_port(server));
	char *piece = calloc(1, MIB);
	struct peer_answer a;
	size_t n = strlen(HEAD_OF_BODY) + 3 * MIB + strlen(END_OF_BODY);

	memset(piece, 't', MIB);
	peer_send(p, arena_printf(&f->arena,
	                          "POST /api/projets/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: " TYPE
	                          "\r\nAuthorization: %s\r\nContent-Length: %zu\r\n\r\n" HEAD_OF_BODY,
	                          f->bearer, n));
	for (int i = 0; i < 3; i++) {
		peer_send_bytes_read(p, piece, MIB);
		clock_advance_for_tests(25 * US_PER_S);
		usleep(300 * 1000); /* for the sweep to look */
	}
	peer_send(p, END_OF_BODY);
	peer_answer_to(p, &a, true);
	assert_true(is_handled(a.status));
	buf_finish(&a.body);
	peer_close(p);
	free(piece);
	stop(server);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_body_limit__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(uploads),      CASE(everything_else), CASE(credentials_that_cannot_be_good),
		CASE(over_sockets), CASE(a_full_disk),     CASE(a_slow_upload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
