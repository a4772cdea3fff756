/* Sending, one mail and a batch, by a server that answers as Resend might. */
#include "tests/unit/domain/messages.h"
#include "tests/unit/tasks/answerer.h"
#include "tests/unit/tasks/runs.h"

#define OK      "HTTP/1.1 200 OK\r\n\r\n{\"id\": \"re_1234\"}"
#define INVALID "HTTP/1.1 422 Unprocessable\r\n\r\n{\"name\": \"validation_error\", \"message\": \"no\\ngood\"}"
#define BROKEN  "HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n"
#define SLOWER  "HTTP/1.1 429 Slower\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
#define LATER   "HTTP/1.1 429 Later\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n"

#define ONE        "core.tasks.send_email_task"
#define BATCH      "core.tasks.send_batch_email_task"
#define ONE_ARGS   "[\"ana@example.org\", \"s\", \"h\"]"
#define MAIL(n)    "{\"to_email\": \"u" #n "@example.org\", \"subject\": \"s\", \"html_content\": \"h\"}"
#define BATCH_ARGS "[[" MAIL(0) ", " MAIL(1) ", " MAIL(2) "]]"
#define ID         "00000000-0000-4000-8000-000000000001"

struct resend {
	struct answerer server;
	char url[60];
	struct settings settings;
	struct task_services services;
};

static void start_resend(struct resend *r, const char *const *answers)
{
	answerer_start_script(&r->server, answers);
	snprintf(r->url, sizeof(r->url), "http://127.0.0.1:%d/", r->server.port);
	r->settings = (struct settings){ .resend_api_key = "re_s3cret", .resend_api_url = r->url };
	r->services = (struct task_services){ .settings = &r->settings };
}

static void stop_resend(struct resend *r, int requests)
{
	answerer_stop(&r->server);
	assert_int_equal(atomic_load(&r->server.requests), requests);
}

/* Runs it; the run is to be ended with run_done. */
static struct task_run run_task(struct fixture *f, const struct task_services *services, const char *name, const char *args, int retries,
                                enum task_outcome expected)
{
	struct task_run run = run_of(f, services, name, args, 1);

	run.retries = retries;
	assert_int_equal(task_execute(&run), expected);
	return run;
}

static void assert_run(struct fixture *f, const struct task_services *services, const char *name, const char *args, int retries,
                       const char *expected)
{
	struct task_run run = run_task(f, services, name, args, retries, TASK_SUCCEEDED);

	assert_text(buf_view(&run.result), expected);
	run_done(&run);
}

static int64_t count_batches(struct fixture *f)
{
	int64_t n;

	assert_ok(db_select_int(f->conn, "SELECT COUNT(*) FROM egoejo_outbox WHERE name = '" BATCH "' AND durable", DB_NO_PARAMS, &n));
	return n;
}

/* ---- one ---- */

static void test_jobs_mail__one_is_sent_once(void **state)
{
	static const char *const answers[] = { OK, NULL };
	struct resend resend;

	start_resend(&resend, answers);
	for (int i = 0; i < 2; i++)
		assert_run(*state, &resend.services, ONE, ONE_ARGS, i, "{\"success\": true, \"email_id\": \"re_1234\"}");
	stop_resend(&resend, 1);
	assert_true(str_starts(buf_view(&resend.server.request), "POST /emails HTTP/1.1\r\n"));
	assert_non_null(strstr(resend.server.request.data, "\r\nAuthorization: Bearer re_s3cret\r\n"));
	assert_non_null(strstr(resend.server.request.data, "\r\nIdempotency-Key: " ID ":0\r\n"));
	assert_non_null(strstr(resend.server.request.data, "\r\nContent-Type: application/json\r\n"));
	answerer_finish(&resend.server);
}

static void assert_ends(struct fixture *f, const char *answer, int retries, enum task_outcome outcome, const char *error,
                        int64_t retry_after_s)
{
	const char *const answers[] = { answer, NULL };
	struct resend resend;
	struct task_run run;

	start_resend(&resend, answers);
	run = run_task(f, &resend.services, ONE, ONE_ARGS, retries, outcome);
	assert_string_equal(run.error.message, error);
	assert_null(strstr(run.error.message, "s3cret"));
	if (outcome == TASK_RETRY)
		assert_int_equal(run.retry_after_s, retry_after_s);
	run_done(&run);
	stop_resend(&resend, 1);
	answerer_finish(&resend.server);
}

static void test_jobs_mail__what_may_pass_is_tried_again(void **state)
{
	struct fixture *f = *state;

	assert_ends(f, BROKEN, 0, TASK_RETRY, "Resend answers 503:  ", 60);
	assert_ends(f, BROKEN, 2, TASK_RETRY, "Resend answers 503:  ", 240);
	assert_ends(f, BROKEN, 3, TASK_FAILED, "Resend answers 503:  ", 0);
	assert_ends(f, LATER, 0, TASK_RETRY, "Resend answers 429:  ", 90);
	assert_ends(f, LATER, 1, TASK_RETRY, "Resend answers 429:  ", 120);
	assert_ends(f, "HTTP/1.1 200 OK\r\n\r\n<html>", 0, TASK_RETRY, "Resend answers without an id", 60);
	assert_ends(f,
	            "HTTP/1.1 409 Conflict\r\n\r\n"
	            "{\"name\": \"concurrent_idempotent_requests\", \"message\": \"wait\"}",
	            0, TASK_RETRY, "Resend answers 409: concurrent_idempotent_requests wait", 60);
}

static void test_jobs_mail__what_is_refused_is_not_tried_again(void **state)
{
	struct fixture *f = *state;

	assert_ends(f, "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", 0, TASK_FAILED, "Resend answers 401:  ", 0);
	assert_ends(f, "HTTP/1.1 302 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 0, TASK_FAILED,
	            "Resend answers 302:  ", 0);
	assert_ends(f,
	            "HTTP/1.1 409 Conflict\r\n\r\n"
	            "{\"name\": \"invalid_idempotent_request\", \"message\": \"other\"}   ",
	            0, TASK_FAILED, "Resend answers 409: invalid_idempotent_request other", 0);
}

static void test_jobs_mail__without_a_key_it_says_so(void **state)
{
	static const struct settings none;
	static const struct task_services services = { .settings = &none };
	struct fixture *f = *state;

	assert_run(f, &services, ONE, ONE_ARGS, 0, "{\"success\": false, \"error\": \"neither RESEND_API_KEY nor EMAIL_HOST is set\"}");
	assert_run(f, &services, BATCH, BATCH_ARGS, 0,
	           "{\"success\": false, \"error\": \"neither RESEND_API_KEY nor EMAIL_HOST is set\", \"sent\": 0, \"failed\": 3}");
	assert_int_equal(count_batches(f), 0);
}

static void test_jobs_mail__the_end_of_the_process_is_no_failure(void **state)
{
	static const char *const answers[] = { BROKEN, NULL };
	atomic_bool stop = true;
	struct resend resend;

	start_resend(&resend, answers);
	for (int i = 0; i < 2; i++) {
		struct task_run run = run_of(*state, &resend.services, i ? BATCH : ONE, i ? BATCH_ARGS : ONE_ARGS, 1);

		run.stop = &stop;
		assert_int_equal(task_execute(&run), TASK_FAILED);
		assert_true(run.hurried);
		run_done(&run);
	}
	assert_int_equal(count_batches(*state), 0);
	answerer_stop(&resend.server);
	answerer_finish(&resend.server);
}

/* ---- a batch ---- */

static void test_jobs_mail__only_what_failed_for_now_is_a_new_batch(void **state)
{
	static const char *const answers[] = { OK, INVALID, BROKEN, NULL };
	struct fixture *f = *state;
	struct resend resend;
	int64_t due_later;

	start_resend(&resend, answers);
	for (int i = 0; i < 2; i++)
		assert_run(f, &resend.services, BATCH, BATCH_ARGS, 0, "{\"success\": false, \"sent\": 1, \"failed\": 2, \"total\": 3}");
	stop_resend(&resend, 3);
	for (int i = 0; i < 3; i++) {
		char key[80];

		snprintf(key, sizeof(key), "Idempotency-Key: " ID ":%d\r\n", i);
		assert_non_null(strstr(resend.server.all.data, key));
	}
	answerer_finish(&resend.server);
	assert_int_equal(count_batches(f), 1);
	assert_text(args_of_last_message(f), "[[{\"to_email\": \"u2@example.org\", \"subject\": \"s\", \"html_content\": \"h\", "
	                                     "\"idempotency_key\": \"" ID ":2\"}]]");
	assert_ok(db_select_int(f->conn, "SELECT COUNT(*) FROM egoejo_outbox WHERE due_at > $1 AND envelope LIKE '%\"retries\": 1,%'",
	                        DB_PARAMS(DB_TIME(((struct instant){ clock_now().us + 50 * US_PER_S }))), &due_later));
	assert_int_equal(due_later, 1);
}

static void test_jobs_mail__a_mail_keeps_its_key_from_batch_to_batch(void **state)
{
	static const char *const answers[] = { BROKEN, NULL };
	static const char args[] =
	        "[[{\"to_email\": \"u2@example.org\", \"subject\": \"s\", \"html_content\": \"h\", \"idempotency_key\": \"first:2\"}]]";
	struct fixture *f = *state;
	struct resend resend;

	start_resend(&resend, answers);
	assert_run(f, &resend.services, BATCH, args, 1, "{\"success\": false, \"sent\": 0, \"failed\": 1, \"total\": 1}");
	stop_resend(&resend, 1);
	assert_non_null(strstr(resend.server.request.data, "\r\nIdempotency-Key: first:2\r\n"));
	assert_text(args_of_last_message(f), args);
	answerer_finish(&resend.server);
}

static void test_jobs_mail__after_the_last_attempt_they_are_given_up(void **state)
{
	static const char *const answers[] = { BROKEN, NULL };
	struct fixture *f = *state;
	struct resend resend;

	start_resend(&resend, answers);
	assert_run(f, &resend.services, BATCH, BATCH_ARGS, 3, "{\"success\": false, \"sent\": 0, \"failed\": 3, \"total\": 3}");
	stop_resend(&resend, 3);
	assert_int_equal(count_batches(f), 0);
	answerer_finish(&resend.server);
}

static void test_jobs_mail__a_batch_is_sent_as_fast_as_the_service_likes(void **state)
{
	static const char *const answers[] = { OK, SLOWER, OK, OK, NULL };
	struct fixture *f = *state;
	struct resend resend;

	start_resend(&resend, answers);
	assert_run(f, &resend.services, BATCH, BATCH_ARGS, 0, "{\"success\": true, \"sent\": 3, \"failed\": 0, \"total\": 3}");
	stop_resend(&resend, 4);
	assert_int_equal(count_batches(f), 0);
	answerer_finish(&resend.server);
}

static void test_jobs_mail__a_long_pause_is_the_retrys(void **state)
{
	static const char *const answers[] = { OK, LATER, NULL };
	struct fixture *f = *state;
	struct resend resend;
	int64_t due;

	start_resend(&resend, answers);
	assert_run(f, &resend.services, BATCH, BATCH_ARGS, 0, "{\"success\": false, \"sent\": 1, \"failed\": 2, \"total\": 3}");
	stop_resend(&resend, 2);
	assert_text(args_of_last_message(f), "[[{\"to_email\": \"u1@example.org\", \"subject\": \"s\", \"html_content\": \"h\", "
	                                     "\"idempotency_key\": \"" ID ":1\"}, {\"to_email\": \"u2@example.org\", \"subject\": \"s\", "
	                                     "\"html_content\": \"h\", \"idempotency_key\": \"" ID ":2\"}]]");
	assert_ok(db_select_int(f->conn, "SELECT COUNT(*) FROM egoejo_outbox WHERE due_at > $1",
	                        DB_PARAMS(DB_TIME(((struct instant){ clock_now().us + 80 * US_PER_S }))), &due));
	assert_int_equal(due, 1);
	answerer_finish(&resend.server);
}

static void test_jobs_mail__what_is_no_mail_stops_no_other(void **state)
{
	static const char *const answers[] = { OK, NULL };
	struct fixture *f = *state;
	struct resend resend;
	struct task_run run;

	start_resend(&resend, answers);
	assert_run(f, &resend.services, BATCH,
	           "[[3, null, {}, {\"to_email\": \"x\\ny@z\", \"subject\": \"s\", \"html_content\": \"h\"}, " MAIL(0) "]]", 0,
	           "{\"success\": false, \"sent\": 1, \"failed\": 4, \"total\": 5}");
	stop_resend(&resend, 1);
	assert_int_equal(count_batches(f), 0);
	run = run_task(f, &resend.services, BATCH, "[{}]", 0, TASK_FAILED);
	assert_string_equal(run.error.message, "emails_batch must be a list");
	run_done(&run);
	answerer_finish(&resend.server);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_jobs_mail__one_is_sent_once),
		CASE(test_jobs_mail__what_may_pass_is_tried_again),
		CASE(test_jobs_mail__what_is_refused_is_not_tried_again),
		CASE(test_jobs_mail__without_a_key_it_says_so),
		CASE(test_jobs_mail__the_end_of_the_process_is_no_failure),
		CASE(test_jobs_mail__only_what_failed_for_now_is_a_new_batch),
		CASE(test_jobs_mail__a_mail_keeps_its_key_from_batch_to_batch),
		CASE(test_jobs_mail__after_the_last_attempt_they_are_given_up),
		CASE(test_jobs_mail__a_batch_is_sent_as_fast_as_the_service_likes),
		CASE(test_jobs_mail__a_long_pause_is_the_retrys),
		CASE(test_jobs_mail__what_is_no_mail_stops_no_other),
	};

	return RUN_ON_BOTH(tests);
}
