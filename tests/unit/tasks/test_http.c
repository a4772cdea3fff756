/* Requests to outside services, against a server of the test's own. */
#include "tasks/http.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/lib/server.h"
#include "tests/lib/wait.h"
#include "tests/unit/tasks/answerer.h"

#define SECRET "s3cret"

static const struct http_header headers[] = { { "Authorization", STR("Bearer " SECRET) }, { "Content-Type", STR("application/json") } };

static struct http_request request_to(int port, char url[100])
{
	snprintf(url, 100, "http://127.0.0.1:%d/hooks/" SECRET, port);
	return (struct http_request){ .method = "POST", .url = url, .headers = headers, .n_headers = 2, .body = STR("{\"a\": 1}") };
}

static void assert_asks(const char *answer, int expected, struct http_answer *ret)
{
	struct answerer server;
	struct http_request request;
	struct error err = { 0 };
	char url[100];

	answerer_start(&server, answer);
	request = request_to(server.port, url);
	request.answer_max = 1000;
	assert_int_equal(http_send(&request, ret, &err), expected);
	answerer_stop(&server);
	assert_null(strstr(err.text, SECRET));
	assert_true(str_starts(buf_view(&server.request), "POST /hooks/" SECRET " HTTP/1.1\r\n"));
	assert_non_null(strstr(server.request.data, "\r\nAuthorization: Bearer " SECRET "\r\n"));
	assert_non_null(strstr(server.request.data, "\r\nUser-Agent: egoejo/"));
	assert_null(strcasestr(server.request.data, "\r\nExpect:"));
	assert_non_null(strstr(server.request.data, "\r\n\r\n{\"a\": 1}"));
	answerer_finish(&server);
}

static void test_http__an_answer_of_any_status(void **state)
{
	struct http_answer answer;

	assert_asks("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"id\": 42}", 0, &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.content_type, "application/json");
	assert_string_equal(answer.body.data, "{\"id\": 42}");
	assert_false(http_worth_retrying(0, &answer));
	http_answer_finish(&answer);
	assert_asks("HTTP/1.1 429 Slow down\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 0, &answer);
	assert_int_equal(answer.status, 429);
	assert_int_equal(answer.retry_after_s, 7);
	assert_int_equal(answer.body.len, 0);
	assert_true(http_worth_retrying(0, &answer));
	http_answer_finish(&answer);
}

/* Nothing of ours is put off for years because a service has made a mistake. */
static void test_http__a_pause_is_a_day_at_most(void **state)
{
	static const struct {
		const char *said;
		int64_t pause_s;
	} cases[] = { { "86399", 86399 },
		      { "86401", 86400 },
		      { "9000000000000000000", 86400 },
		      { "Fri, 01 Jan 2100 00:00:00 GMT", 86400 },
		      { "Thu, 01 Jan 2015 00:00:00 GMT", 0 },
		      { "soon", 0 } };

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct http_answer answer;
		char text[200];

		snprintf(text, sizeof(text), "HTTP/1.1 503 Away\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", cases[i].said);
		assert_asks(text, 0, &answer);
		assert_int_equal(answer.retry_after_s, cases[i].pause_s);
		http_answer_finish(&answer);
	}
}

static void test_http__a_redirect_is_an_answer(void **state)
{
	struct http_answer answer;

	assert_asks("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", 0, &answer);
	assert_int_equal(answer.status, 302);
	assert_false(http_worth_retrying(0, &answer));
	http_answer_finish(&answer);
}

static void test_http__what_is_too_large_is_refused(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	struct http_answer answer;

	buf_add_text(&b, "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n");
	for (int i = 0; i < 1001; i++)
		buf_add_char(&b, 'x');
	assert_asks(b.data, ERR_LIMIT, &answer);
	assert_int_equal(answer.body.len, 0);
	buf_clear(&b);
	buf_add_text(&b, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 2000; i++)
		buf_addf(&b, "X-Long-%d: %040d\r\n", i, i);
	buf_add_text(&b, "Content-Length: 0\r\n\r\n");
	assert_asks(b.data, ERR_LIMIT, &answer);
}

static void test_http__what_is_cut_is_no_answer(void **state)
{
	struct http_answer answer;

	assert_asks("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\"", ERR_UNAVAILABLE, &answer);
	assert_asks("", ERR_UNAVAILABLE, &answer);
	assert_true(http_worth_retrying(ERR_UNAVAILABLE, &answer));
	assert_true(http_worth_retrying(ERR_TIMEOUT, &answer));
	assert_false(http_worth_retrying(ERR_LIMIT, &answer));
	assert_false(http_worth_retrying(ERR_INVALID, &answer));
}

static void test_http__nobody_listens(void **state)
{
	struct error err = { 0 };
	struct http_answer answer;
	char url[100];
	struct http_request request = request_to(test_free_port(), url);

	assert_int_equal(http_send(&request, &answer, &err), ERR_UNAVAILABLE);
	assert_non_null(strstr(err.text, "Connection refused"));
	assert_null(strstr(err.text, SECRET));
}

static void test_http__bad_requests_are_not_sent(void **state)
{
	static const char *const urls[] = { "", "nonsense", "ftp://127.0.0.1/", "file:///etc/passwd", "http://[", "http://a b/s3cret" };
	struct http_header bad = { "X-Key", STR("one\r\nX-Other: two") };
	struct error err = { 0 };
	struct http_answer answer;
	char url[100];
	struct http_request request = request_to(1, url);

	request.headers = &bad;
	request.n_headers = 1;
	assert_int_equal(http_send(&request, &answer, &err), ERR_INVALID);
	assert_string_equal(err.text, "the header X-Key has a control character");
	request.n_headers = 0;
	for (size_t i = 0; i < N_ELEMENTS(urls); i++) {
		request.url = urls[i];
		if (strcmp(urls[i], "nonsense") != 0) /* a host of that name may be looked for */
			assert_int_equal(http_send(&request, &answer, &err), ERR_INVALID);
		assert_null(strstr(err.text, SECRET));
	}
}

static void test_http__silence_ends_with_the_deadline(void **state)
{
	struct answerer server;
	struct http_answer answer;
	struct http_request request;
	struct error err = { 0 };
	char url[100];

	answerer_start(&server, NULL);
	request = request_to(server.port, url);
	request.timeout_us = 100 * US_PER_MS;
	assert_int_equal(http_send(&request, &answer, &err), ERR_TIMEOUT);
	assert_null(strstr(err.text, SECRET));
	answerer_stop(&server);
	answerer_finish(&server);
}

struct waiting {
	struct http_request request;
	struct error err;
	int r;
};

static void *send_and_wait(void *arg)
{
	struct waiting *w = arg;
	struct http_answer answer;

	w->r = http_send(&w->request, &answer, &w->err);
	return NULL;
}

static void test_http__gives_up_when_the_process_ends(void **state)
{
	atomic_bool stop = false;
	struct answerer server;
	struct waiting w = { .r = 1 };
	char url[100];
	pthread_t thread;

	answerer_start(&server, NULL);
	w.request = request_to(server.port, url);
	w.request.stop = &stop;
	assert_int_equal(pthread_create(&thread, NULL, send_and_wait, &w), 0);
	assert_true(WAIT_FOR(10000, atomic_load(&server.requests) == 1));
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(w.r, ERR_UNAVAILABLE);
	assert_string_equal(w.err.text, "given up because the process ends");
	answerer_stop(&server);
	answerer_finish(&server);
}

static void test_http__many_threads_at_once(void **state)
{
	enum { THREADS = 8 };
	struct answerer server;
	struct waiting waiting[THREADS];
	pthread_t threads[THREADS];
	char urls[THREADS][100];

	answerer_start(&server, "HTTP/1.1 204 No Content\r\n\r\n");
	for (int i = 0; i < THREADS; i++) {
		waiting[i] = (struct waiting){ .request = request_to(server.port, urls[i]), .r = 1 };
		assert_int_equal(pthread_create(&threads[i], NULL, send_and_wait, &waiting[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(waiting[i].r, 0);
	}
	assert_int_equal(atomic_load(&server.requests), THREADS);
	answerer_stop(&server);
	answerer_finish(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http__an_answer_of_any_status),        cmocka_unit_test(test_http__a_pause_is_a_day_at_most),
		cmocka_unit_test(test_http__a_redirect_is_an_answer),        cmocka_unit_test(test_http__what_is_too_large_is_refused),
		cmocka_unit_test(test_http__what_is_cut_is_no_answer),       cmocka_unit_test(test_http__nobody_listens),
		cmocka_unit_test(test_http__bad_requests_are_not_sent),      cmocka_unit_test(test_http__silence_ends_with_the_deadline),
		cmocka_unit_test(test_http__gives_up_when_the_process_ends), cmocka_unit_test(test_http__many_threads_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
