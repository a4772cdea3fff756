/* Alerts by their channels: a mail by what answers as Resend, a post to a webhook. */
#include "cache/cache.h"
#include "tests/unit/tasks/answerer.h"
#include "tests/unit/tasks/runs.h"

#define NAME   "egoejo.critical_alert"
#define ARGS   "[\"T\", {\"user_id\": 7, \"x\": 1}, \"key\", \"2026-11-26T08:00:00+00:00\"]"
#define SENT   "HTTP/1.1 200 OK\r\n\r\n{\"id\": \"re_1\"}"
#define BROKEN "HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n"
#define WRONG  "HTTP/1.1 404 Unknown\r\nContent-Length: 0\r\n\r\n"

struct channels {
	struct answerer mail, webhook;
	char mail_url[60], webhook_url[60];
	struct settings settings;
	struct task_services services;
};

static void start_channels(struct channels *c, const char *mail, const char *webhook)
{
	struct cache_config config = { .max_bytes = 1 << 20, .max_entries = 100 };

	answerer_start(&c->mail, mail);
	answerer_start(&c->webhook, webhook);
	snprintf(c->mail_url, sizeof(c->mail_url), "http://127.0.0.1:%d", c->mail.port);
	snprintf(c->webhook_url, sizeof(c->webhook_url), "http://127.0.0.1:%d/s3cret", c->webhook.port);
	c->settings = (struct settings){ .resend_api_key = "k",
		                         .resend_api_url = c->mail_url,
		                         .admins = "Ana,ana@example.org;Eli,eli@example.org",
		                         .alert_email_enabled = true,
		                         .alert_email_subject_prefix = "[URGENT]",
		                         .alert_webhook_enabled = true,
		                         .alert_webhook_url = c->webhook_url,
		                         .alert_webhook_type = "generic",
		                         .alert_webhook_timeout_seconds = 5 };
	c->services = (struct task_services){ .settings = &c->settings, .cache = cache_create(&config) };
	assert_non_null(c->services.cache);
}

static void stop_channels(struct channels *c, int mails, int posts)
{
	answerer_stop(&c->mail);
	answerer_stop(&c->webhook);
	cache_destroy(c->services.cache);
	assert_int_equal(atomic_load(&c->mail.requests), mails);
	assert_int_equal(atomic_load(&c->webhook.requests), posts);
	answerer_finish(&c->mail);
	answerer_finish(&c->webhook);
}

/* Runs the alert as task number n; its result, or the error. */
static const char *send_alert(struct fixture *f, const struct channels *c, int n, int retries, enum task_outcome expected)
{
	static char said[300];
	struct task_run run = run_of(f, &c->services, NAME, ARGS, n);

	run.retries = retries;
	assert_int_equal(task_execute(&run), expected);
	snprintf(said, sizeof(said), "%.290s", expected == TASK_SUCCEEDED ? run.result.data : run.error.message);
	assert_null(strstr(said, "s3cret"));
	run_done(&run);
	return said;
}

static int64_t count_events(struct fixture *f, const char *channel)
{
	int64_t n;

	assert_ok(db_select_int(
	        f->conn, "SELECT COUNT(*) FROM core_criticalalertevent WHERE event_type = 'T' AND fingerprint = 'key' AND channel = $1",
	        DB_PARAMS(DB_TEXT(str_of(channel))), &n));
	return n;
}

static void test_jobs_alert__both_channels(void **state)
{
	struct fixture *f = *state;
	struct channels c;

	start_channels(&c, SENT, SENT);
	for (int i = 0; i < 2; i++) /* the same message twice */
		assert_string_equal(send_alert(f, &c, 1, 0, TASK_SUCCEEDED),
		                    "{\"sent\": true, \"deduplicated\": false, \"channel\": \"both\"}");
	assert_int_equal(count_events(f, "both"), 1);
	stop_channels(&c, 2, 1);
}

static void test_jobs_alert__within_the_window_one_is_sent(void **state)
{
	struct fixture *f = *state;
	struct channels c;

	start_channels(&c, SENT, SENT);
	send_alert(f, &c, 1, 0, TASK_SUCCEEDED);
	assert_string_equal(send_alert(f, &c, 2, 0, TASK_SUCCEEDED), "{\"sent\": true, \"deduplicated\": true, \"channel\": null}");
	clock_advance_for_tests(299 * US_PER_S);
	assert_string_equal(send_alert(f, &c, 3, 0, TASK_SUCCEEDED), "{\"sent\": true, \"deduplicated\": true, \"channel\": null}");
	clock_advance_for_tests(2 * US_PER_S);
	assert_string_equal(send_alert(f, &c, 4, 0, TASK_SUCCEEDED), "{\"sent\": true, \"deduplicated\": false, \"channel\": \"both\"}");
	assert_int_equal(count_events(f, "both"), 2);
	stop_channels(&c, 4, 2);
}

static void test_jobs_alert__one_channel_does_without_the_other(void **state)
{
	struct fixture *f = *state;
	struct channels c;

	start_channels(&c, BROKEN, SENT);
	assert_string_equal(send_alert(f, &c, 1, 0, TASK_SUCCEEDED), "{\"sent\": true, \"deduplicated\": false, \"channel\": \"webhook\"}");
	stop_channels(&c, 2, 1);
	start_channels(&c, SENT, WRONG);
	assert_string_equal(send_alert(f, &c, 2, 0, TASK_SUCCEEDED), "{\"sent\": true, \"deduplicated\": false, \"channel\": \"email\"}");
	stop_channels(&c, 2, 1);
	assert_int_equal(count_events(f, "webhook"), 1);
	assert_int_equal(count_events(f, "email"), 1);
}

static void test_jobs_alert__what_nobody_took_is_tried_again_and_claims_nothing(void **state)
{
	struct fixture *f = *state;
	struct channels c;

	start_channels(&c, BROKEN, BROKEN);
	assert_string_equal(send_alert(f, &c, 1, 0, TASK_RETRY), "webhook: the answer is 503");
	assert_string_equal(send_alert(f, &c, 2, 0, TASK_RETRY), "webhook: the answer is 503"); /* not deduplicated */
	assert_string_equal(send_alert(f, &c, 1, 3, TASK_SUCCEEDED), "{\"sent\": false, \"deduplicated\": false, \"channel\": null}");
	stop_channels(&c, 6, 3);
	start_channels(&c, WRONG, WRONG); /* what will not pass is not tried again */
	assert_string_equal(send_alert(f, &c, 1, 0, TASK_SUCCEEDED), "{\"sent\": false, \"deduplicated\": false, \"channel\": null}");
	stop_channels(&c, 2, 1);
}

/* The process died after the mails and before the result: they are not sent a second time, and the claim is its own. */
static void test_jobs_alert__a_second_delivery_sends_what_is_missing(void **state)
{
	struct fixture *f = *state;
	struct channels c;
	const char *forget = "DELETE FROM egoejo_task_done WHERE name = 'egoejo.critical_alert'";

	start_channels(&c, SENT, SENT);
	send_alert(f, &c, 1, 0, TASK_SUCCEEDED);
	write_rows(f, forget);
	assert_string_equal(send_alert(f, &c, 1, 0, TASK_SUCCEEDED), "{\"sent\": true, \"deduplicated\": false, \"channel\": \"both\"}");
	stop_channels(&c, 2, 1);
}

static void test_jobs_alert__what_is_switched_off_is_not_sent(void **state)
{
	struct fixture *f = *state;
	struct channels c;

	start_channels(&c, SENT, SENT);
	c.settings.alert_email_enabled = false;
	assert_string_equal(send_alert(f, &c, 1, 0, TASK_SUCCEEDED), "{\"sent\": true, \"deduplicated\": false, \"channel\": \"webhook\"}");
	c.settings.alert_webhook_enabled = false;
	assert_string_equal(send_alert(f, &c, 2, 0, TASK_SUCCEEDED), "{\"sent\": true, \"deduplicated\": true, \"channel\": null}");
	clock_advance_for_tests(301 * US_PER_S);
	assert_string_equal(send_alert(f, &c, 3, 0, TASK_SUCCEEDED), "{\"sent\": false, \"deduplicated\": false, \"channel\": null}");
	c.settings.alert_email_enabled = true;
	c.settings.admins = NULL;
	assert_string_equal(send_alert(f, &c, 4, 0, TASK_SUCCEEDED), "{\"sent\": false, \"deduplicated\": false, \"channel\": null}");
	stop_channels(&c, 0, 1);
}

static void test_jobs_alert__a_row_that_cannot_be_written_takes_nothing_back(void **state)
{
	struct fixture *f = *state;
	struct channels c;

	start_channels(&c, SENT, SENT);
	write_rows(f, "ALTER TABLE core_criticalalertevent RENAME TO hidden");
	assert_string_equal(send_alert(f, &c, 1, 0, TASK_SUCCEEDED), "{\"sent\": true, \"deduplicated\": false, \"channel\": \"both\"}");
	write_rows(f, "ALTER TABLE hidden RENAME TO core_criticalalertevent");
	stop_channels(&c, 2, 1);
}

static void test_jobs_alert__arguments_that_are_no_alert(void **state)
{
	static const char *const args[] = { "[\"T\", [1]]", "[\"T\", null]", "[\"\", {}]", "[1, {}]" };
	struct fixture *f = *state;
	const struct settings none = { 0 };
	const struct task_services services = { .settings = &none };

	for (size_t i = 0; i < N_ELEMENTS(args); i++) {
		struct task_run run = run_of(f, &services, NAME, args[i], 1);

		assert_int_equal(task_execute(&run), TASK_FAILED);
		assert_string_equal(run.error.type, "TypeError");
		run_done(&run);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_jobs_alert__both_channels),
		CASE(test_jobs_alert__within_the_window_one_is_sent),
		CASE(test_jobs_alert__one_channel_does_without_the_other),
		CASE(test_jobs_alert__what_nobody_took_is_tried_again_and_claims_nothing),
		CASE(test_jobs_alert__a_second_delivery_sends_what_is_missing),
		CASE(test_jobs_alert__what_is_switched_off_is_not_sent),
		CASE(test_jobs_alert__a_row_that_cannot_be_written_takes_nothing_back),
		CASE(test_jobs_alert__arguments_that_are_no_alert),
	};

	return RUN_ON_BOTH(tests);
}
