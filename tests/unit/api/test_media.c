/* GET /media/: what is answered, by the fake transport, and what is sent, by a real server. */
#include "api/conditional.h"
#include "api/server.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/media.h"
#include "tests/unit/api/node.h"
#include "tests/unit/api/peer.h"

#define SECRET "DJANGO_SECRET_KEY=0123456789012345678901234567890123456789012345678901"
#define GIF    "GIF89a\1\0\1\0\0\0\0;"

static int setup(void **state)
{
	*state = node_open((const char *const[]){ SECRET, "DEBUG=1", "PORT=0", "HTTP_THREADS=1", "EXECUTOR_THREADS=1", NULL });
	return 0;
}

static int teardown(void **state)
{
	node_close(*state);
	return 0;
}

static void store(struct node *node, const char *folder, const char *name, struct str bytes)
{
	struct error err = { 0 };
	struct arena a;
	struct str path;

	arena_init(&a, 10000);
	if (media_store(node->media_root, folder, str_of(name), MEDIA_PLAIN_NAME, bytes, &a, &path, &err) < 0)
		fail_msg("%s", err.text);
	arena_finish(&a);
}

/* The part of the file that an answer is about. */
static void assert_part(const struct request *req, struct str bytes)
{
	char got[100];

	assert_true(req->reply.has_file);
	assert_int_equal(req->reply.file_bytes, bytes.len);
	assert_int_equal(pread(req->reply.file, got, sizeof(got), (off_t)req->reply.file_offset) >= (ssize_t)bytes.len, 1);
	assert_memory_equal(got, bytes.s, bytes.len);
}

static void test_media__an_image(void **state)
{
	struct node *node = *state;
	struct request *req;

	store(node, "projets", "é_1.gif", TEXT(GIF));
	req = ASK("GET", "/media/projets/%C3%A9_1.gif", "accept: image/*");
	assert_int_equal(req->reply.status, 200);
	assert_string_equal(req->reply.content_type, "image/gif");
	assert_part(req, TEXT(GIF));
	assert_null(answer_header(req, "Content-Disposition"));
	assert_string_equal(answer_header(req, "Cache-Control"), "public, max-age=86400");
	assert_string_equal(answer_header(req, "Accept-Ranges"), "bytes");
	assert_non_null(strstr(answer_header(req, "Content-Security-Policy"), "sandbox"));
	assert_int_equal(answer_header(req, "ETag")[0], '"');
	assert_non_null(answer_header(req, "Last-Modified"));
	assert_string_equal(req->reply.allow, "GET, HEAD");
	assert_string_equal(request_route_label(req), "/media/{path}");
	assert_int_equal(ASK("HEAD", "/media/projets/%C3%A9_1.gif")->reply.status, 200);
}

/* Whose content nobody has looked at (realtime.md 10.18). */
static void test_media__an_image_of_a_chat_is_an_attachment(void **state)
{
	struct node *node = *state;
	struct request *req;

	store(node, "chat_attachments", "a.gif", TEXT("<script>"));
	req = ASK("GET", "/media/chat_attachments/a.gif");
	assert_int_equal(req->reply.status, 200);
	assert_string_equal(req->reply.content_type, "image/gif");
	assert_string_equal(answer_header(req, "Content-Disposition"), "attachment");
	assert_string_equal(answer_header(ASK("GET", "/media/chat%5Fattachments/a.gif"), "Content-Disposition"), "attachment");
}

static void test_media__all_but_images_is_an_attachment(void **state)
{
	static const struct {
		const char *name, *type;
	} cases[] = { { "a.pdf", "application/pdf" },           { "a.mp3", "audio/mpeg" },
		      { "a.html", "application/octet-stream" }, { "a.svg", "application/octet-stream" },
		      { "a", "application/octet-stream" },      { "a.js", "application/octet-stream" } };
	struct node *node = *state;
	char target[60];

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct request *req;

		store(node, "old", cases[i].name, TEXT("<script>"));
		snprintf(target, sizeof(target), "/media/old/%s", cases[i].name);
		req = ASK("GET", target);
		assert_int_equal(req->reply.status, 200);
		assert_string_equal(req->reply.content_type, cases[i].type);
		assert_string_equal(answer_header(req, "Content-Disposition"), "attachment");
	}
}

static void test_media__what_is_not_there(void **state)
{
	static const char *const targets[] = { "/media/projets/no.gif",
		                               "/media/projets",
		                               "/media/projets/",
		                               "/media/../db.sqlite3",
		                               "/media/%2e%2e/db.sqlite3",
		                               "/media/..%2fdb.sqlite3",
		                               "/media/%2e%2e%2fdb.sqlite3",
		                               "/media/projets/../../db.sqlite3",
		                               "/media/projets/..%5c..%5cdb.sqlite3",
		                               "/media/projets/../projets/a.gif",
		                               "/media/projets/./a.gif",
		                               "/media/projets//a.gif",
		                               "/media//projets/a.gif",
		                               "/media//etc/passwd",
		                               "/media/%2fetc%2fpasswd",
		                               "/media/%252e%252e/db.sqlite3",
		                               "/media/projets/a.gif/",
		                               "/media/projets/.a.gif",
		                               "/media/.spool-1",
		                               "/media/",
		                               "/media" };
	struct node *node = *state;

	store(node, "projets", "a.gif", TEXT(GIF));
	assert_int_equal(ASK("GET", "/media/projets/a.gif")->reply.status, 200);
	for (size_t i = 0; i < N_ELEMENTS(targets); i++)
		assert_answer(ASK("GET", targets[i]), 404, "detail");
	assert_answer(ASK("GET", "/media/projets/a.gif%00"), 400, "detail");
	assert_answer(ASK("GET", "/media/%c0%ae%c0%ae/db.sqlite3"), 400, "detail"); /* overlong */
	assert_answer(ASK("GET", "/media/%ff"), 400, "detail");
	assert_answer(ASK("POST", "/media/projets/a.gif"), 405, NULL);
	assert_answer(ASK("GET", "/media/projets/a.gif", "host: evil.com"), 400, "detail");
}

/* What the scanner has not found clean is not there, where there is a scanner (content.md 11.17). */
static void test_media__what_waits_for_the_scanner(void **state)
{
	static const char *const with[] = { SECRET, "DEBUG=1", "PORT=0", "HTTP_THREADS=1", "EXECUTOR_THREADS=1", "CLAMAV_HOST=h", NULL };
	struct node *node = *state;
	char insert[] = "INSERT INTO egoejo_file_scan (path, task_id, asked_at) VALUES ('projets/a.gif', "
	                "'0123456789abcdef0123456789abcdef', '2026-01-01 00:00:00')";

	store(node, "projets", "a.gif", TEXT(GIF));
	node_write(node, insert);
	assert_int_equal(ASK("GET", "/media/projets/a.gif")->reply.status, 200);
	node_close(node);
	*state = node = node_open(with);
	store(node, "projets", "a.gif", TEXT(GIF));
	store(node, "projets", "b.gif", TEXT(GIF));
	node_write(node, insert);
	assert_int_equal(ASK("GET", "/media/projets/a.gif")->reply.status, 404);
	assert_int_equal(ASK("HEAD", "/media/projets/a.gif")->reply.status, 404);
	assert_int_equal(ASK("GET", "/media/projets/%61.gif")->reply.status, 404);
	assert_int_equal(ASK("GET", "/media/projets/a.gif", "if-modified-since: Fri, 01 Jan 2100 00:00:00 GMT")->reply.status, 404);
	assert_int_equal(ASK("GET", "/media/projets/b.gif")->reply.status, 200);
	assert_int_equal(ASK("GET", "/media/projets/no.gif")->reply.status, 404);
	node_write(node, "DELETE FROM egoejo_file_scan");
	assert_int_equal(ASK("GET", "/media/projets/a.gif")->reply.status, 200);
	fault_arm(FAULT_SQL_STEP, 1, true);
	assert_true(ASK("GET", "/media/projets/a.gif")->reply.status >= 500);
	fault_disarm_all();
}

static void test_media__a_folder_that_is_missing(void **state)
{
	struct node *node = *state;

	assert_answer(ASK("GET", "/media/projets/a.gif"), 404, "detail");
}

static void test_media__conditions(void **state)
{
	struct node *node = *state;
	char etag[100], date[100], header[200], old[HTTP_DATE_SIZE];
	struct request *req;
	int64_t s;

	store(node, "p", "a.gif", TEXT(GIF));
	req = ASK("GET", "/media/p/a.gif");
	snprintf(etag, sizeof(etag), "%s", answer_header(req, "ETag"));
	snprintf(date, sizeof(date), "%s", answer_header(req, "Last-Modified"));
	snprintf(header, sizeof(header), "if-none-match: \"x\", %s", etag);
	req = ASK("GET", "/media/p/a.gif", header);
	assert_answer(req, 304, NULL);
	assert_false(req->reply.has_file);
	assert_string_equal(answer_header(req, "ETag"), etag);
	snprintf(header, sizeof(header), "if-modified-since: %s", date);
	assert_answer(ASK("GET", "/media/p/a.gif", header), 304, NULL);
	assert_answer(ASK("HEAD", "/media/p/a.gif", header), 304, NULL);
	assert_int_equal(ASK("GET", "/media/p/a.gif", header, "if-none-match: \"x\"")->reply.status, 200); /* the ETag counts */
	assert_true(http_date_parse(str_of(date), &s));
	http_date_format(s - 1, old);
	snprintf(header, sizeof(header), "if-modified-since: %s", old);
	assert_int_equal(ASK("GET", "/media/p/a.gif", header)->reply.status, 200);
	assert_int_equal(ASK("GET", "/media/p/a.gif", "if-modified-since: yesterday")->reply.status, 200);
}

static void test_media__ranges(void **state)
{
	struct node *node = *state;
	char etag[100], date[100], header[200];
	struct request *req;

	store(node, "p", "a.mp3", TEXT("0123456789"));
	req = ASK("GET", "/media/p/a.mp3", "range: bytes=2-4");
	assert_int_equal(req->reply.status, 206);
	assert_part(req, TEXT("234"));
	assert_string_equal(answer_header(req, "Content-Range"), "bytes 2-4/10");
	assert_string_equal(answer_header(req, "Content-Disposition"), "attachment");
	snprintf(etag, sizeof(etag), "%s", answer_header(req, "ETag"));
	snprintf(date, sizeof(date), "%s", answer_header(req, "Last-Modified"));
	req = ASK("GET", "/media/p/a.mp3", "range: bytes=-1");
	assert_part(req, TEXT("9"));
	req = ASK("GET", "/media/p/a.mp3", "range: bytes=10-");
	assert_answer(req, 416, "detail");
	assert_string_equal(answer_header(req, "Content-Range"), "bytes */10");
	assert_int_equal(ASK("GET", "/media/p/a.mp3", "range: bytes=0-1,3-4")->reply.status, 200);
	assert_int_equal(ASK("HEAD", "/media/p/a.mp3", "range: bytes=2-4")->reply.status, 200);
	snprintf(header, sizeof(header), "if-range: %s", etag);
	assert_int_equal(ASK("GET", "/media/p/a.mp3", "range: bytes=2-4", header)->reply.status, 206);
	assert_int_equal(ASK("GET", "/media/p/a.mp3", "range: bytes=2-4", "if-range: \"x\"")->reply.status, 200);
	assert_int_equal(ASK("GET", "/media/p/a.mp3", "range: bytes=20-", "if-range: \"x\"")->reply.status, 200);
	snprintf(header, sizeof(header), "if-range: W/%s", etag);
	assert_int_equal(ASK("GET", "/media/p/a.mp3", "range: bytes=2-4", header)->reply.status, 200);
	snprintf(header, sizeof(header), "if-range: %s", date);
	assert_int_equal(ASK("GET", "/media/p/a.mp3", "range: bytes=2-4", header)->reply.status, 206);
}

static void test_media__an_empty_file(void **state)
{
	struct node *node = *state;

	store(node, "p", "a.txt", TEXT(""));
	assert_int_equal(ASK("GET", "/media/p/a.txt")->reply.file_bytes, 0);
	assert_answer(ASK("GET", "/media/p/a.txt", "range: bytes=0-"), 416, "detail");
}

/* ---- sent ---- */

#define HOST "Host: localhost\r\n"

static void test_media__is_sent(void **state)
{
	struct node *node = *state;
	struct error err = { 0 };
	struct server *server;
	struct peer_answer a;
	struct peer *p;
	char *big = calloc(1, 3000000);

	log_init(LOG_JSON, LOG_CRITICAL, STDERR_FILENO);
	for (unsigned i = 0; i < 3000000; i++)
		big[i] = (char)(i * 7919U >> 5);
	store(node, "p", "big.pdf", (struct str){ big, 3000000 });
	store(node, "p", "none.pdf", TEXT(""));
	assert_int_equal(server_create(&node->context, &server, &err), 0);
	assert_int_equal(server_start(server, &err), 0);
	p = peer_open(server_port(server));
	peer_send(p, "GET /media/p/big.pdf HTTP/1.1\r\n" HOST "\r\n");
	peer_answer_to(p, &a, true);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body.len, 3000000);
	assert_memory_equal(a.body.data, big, 3000000);
	assert_string_equal(peer_header(&a, "X-Content-Type-Options"), "nosniff");
	assert_string_equal(peer_header(&a, "Content-Disposition"), "attachment");
	assert_string_equal(peer_header(&a, "Vary"), "origin");
	assert_non_null(strstr(a.head, "\r\nContent-Security-Policy: default-src 'none'; sandbox\r\n"));
	assert_non_null(strstr(a.head, "\r\nContent-Security-Policy: default-src 'self'"));
	buf_finish(&a.body);
	peer_send(p, "GET /media/p/big.pdf HTTP/1.1\r\n" HOST "Range: bytes=1000000-1999999\r\n\r\n");
	peer_answer_to(p, &a, true);
	assert_int_equal(a.status, 206);
	assert_int_equal(a.body.len, 1000000);
	assert_memory_equal(a.body.data, big + 1000000, 1000000);
	buf_finish(&a.body);
	peer_send(p, "HEAD /media/p/big.pdf HTTP/1.1\r\n" HOST "\r\n");
	peer_answer_to(p, &a, false);
	assert_string_equal(peer_header(&a, "Content-Length"), "3000000");
	peer_send(p, "GET /media/p/none.pdf HTTP/1.1\r\n" HOST "\r\n");
	peer_answer_to(p, &a, true);
	assert_int_equal(a.status, 200);
	assert_string_equal(peer_header(&a, "Content-Length"), "0");
	assert_int_equal(peer_ask(p, "GET /media/p/no.pdf HTTP/1.1\r\n" HOST "\r\n"), 404);
	peer_close(p);
	server_stop(server, clock_monotonic_us() + US_PER_S);
	server_destroy(server);
	free(big);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_media__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_image),
		CASE(an_image_of_a_chat_is_an_attachment),
		CASE(all_but_images_is_an_attachment),
		CASE(what_is_not_there),
		CASE(what_waits_for_the_scanner),
		CASE(a_folder_that_is_missing),
		CASE(conditions),
		CASE(ranges),
		CASE(an_empty_file),
		CASE(is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
