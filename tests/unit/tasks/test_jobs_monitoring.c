#include "tests/unit/domain/grains.h"
#include "tests/unit/tasks/answerer.h"
#include "tests/unit/tasks/runs.h"

#define BEAT    "core.tasks.check_celery_beat_health"
#define COMPOST "core.tasks.check_compost_failures"
#define REDIS   "core.tasks.check_redis_health"

static const struct task_services services = { .settings = &rules };

/* Its result, as JSON: {status, message, action_required?, backend?}. */
static json_t *result_of(struct fixture *f, const char *name)
{
	struct task_run run = run_of(f, &services, name, "[]", 1);
	json_t *result;

	assert_int_equal(task_execute(&run), TASK_SUCCEEDED);
	result = json_loadb(run.result.data, run.result.len, 0, NULL);
	assert_non_null(result);
	run_done(&run);
	return result;
}

static void assert_status(struct fixture *f, const char *name, const char *status, const char *word)
{
	json_t *result = result_of(f, name);
	bool well = strcmp(status, "ok") == 0;

	assert_string_equal(json_string_value(json_object_get(result, "status")), status);
	assert_non_null(strstr(json_string_value(json_object_get(result, "message")), word));
	assert_int_equal(json_object_get(result, "action_required") == NULL, well);
	json_decref(result);
}

static void add_run_at(struct fixture *f, int64_t seconds_ago, bool dry, bool finished)
{
	char sql[600], at[CLOCK_ISO_SIZE];

	clock_format_sql((struct instant){ clock_now().us - seconds_ago * US_PER_S }, at);
	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_sakacompostlog (started_at, finished_at, dry_run, wallets_affected, total_composted, inactivity_days, "
	         "rate, min_balance, min_amount, source) VALUES ('%s', %s%s%s, %s, 0, 0, 90, 0.1, 50, 10, 'celery')",
	         at, finished ? "'" : "", finished ? at : "NULL", finished ? "'" : "", dry ? "true" : "false");
	write_rows(f, sql);
}

static void add_run(struct fixture *f, int64_t days_ago, bool dry, bool finished)
{
	add_run_at(f, days_ago * (DAY_US / US_PER_S), dry, finished);
}

static void test_jobs_monitoring__a_compost_of_the_last_days_tells_of_beat(void **state)
{
	struct fixture *f = *state;

	assert_status(f, BEAT, "error", "8 jours");
	add_run(f, 9, false, true);
	add_run(f, 1, true, true);
	add_run(f, 1, false, false);
	assert_status(f, BEAT, "error", "8 jours");
	add_run(f, 7, false, true);
	assert_status(f, BEAT, "ok", "1 compost");
}

static void test_jobs_monitoring__what_was_not_composted_is_counted(void **state)
{
	struct fixture *f = *state;

	assert_status(f, COMPOST, "ok", "7 jours");
	add_wallets(f, 1, 3, 200, 91);
	add_wallets(f, 4, 4, 200, 10);
	add_wallets(f, 5, 5, 99, 91); /* would give 9 */
	assert_status(f, COMPOST, "warning", "3 portefeuille");
	add_run(f, 8, false, true);
	add_run(f, 2, true, true);
	assert_status(f, COMPOST, "warning", "3 portefeuille");
	add_run(f, 6, false, true);
	assert_status(f, COMPOST, "ok", "7 jours");
}

/* Of a weekly look each run that was never finished is told once: from an hour to a week and an hour ago. */
static void test_jobs_monitoring__a_run_that_was_never_finished_is_told(void **state)
{
	const int64_t hour = 3600, week = 7 * 24 * hour, moment = 60;
	struct fixture *f = *state;

	add_run_at(f, hour - moment, false, false);
	add_run_at(f, week + hour + moment, false, false);
	assert_status(f, COMPOST, "ok", "7 jours");
	add_run_at(f, hour + moment, false, false);
	assert_status(f, COMPOST, "warning", "1 compost(s) SAKA commencé(s) depuis plus d'une heure");
	add_run_at(f, week + hour - moment, true, false);
	assert_status(f, COMPOST, "warning", "2 compost(s) SAKA commencé(s)");
	add_wallets(f, 1, 3, 200, 91);
	assert_status(f, COMPOST, "warning", "3 portefeuille(s) y sont éligibles. 2 compost(s)");
	add_run(f, 1, false, true);
	assert_status(f, COMPOST, "warning", "2 compost(s) SAKA commencé(s)");
}

static void test_jobs_monitoring__wallets_are_eligible_as_the_settings_say(void **state)
{
	struct fixture *f = *state;
	struct settings other = rules;
	const struct task_services with = { .settings = &other };
	int64_t wallets;

	other.saka_compost_inactivity_days = 5;
	add_wallets(f, 1, 2, 200, 10);
	assert_ok(saka_compost_eligible(f->conn, with.settings, &wallets));
	assert_int_equal(wallets, 2);
	other.saka_compost_min_balance = 201;
	assert_ok(saka_compost_eligible(f->conn, with.settings, &wallets));
	assert_int_equal(wallets, 0);
}

/* A message that is delivered twice finds the same twice, and tells it once. */
static void test_jobs_monitoring__a_mail_is_sent_once_for_a_message(void **state)
{
	static const char *const ok[] = { "HTTP/1.1 200 OK\r\n\r\n{\"id\": \"re_1\"}", NULL };
	static const char *const names[] = { BEAT, COMPOST };
	struct fixture *f = *state;
	struct settings settings = rules;
	const struct task_services with = { .settings = &settings };
	struct answerer resend;
	char url[60];

	add_wallets(f, 1, 3, 200, 91);
	answerer_start_script(&resend, ok);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", resend.port);
	settings.resend_api_key = "re_s3cret";
	settings.resend_api_url = url;
	settings.notify_email = "team@example.org";
	for (int i = 0; i < 4; i++) {
		struct task_run run = run_of(f, &with, names[i / 2], "[]", 1 + i / 2);

		assert_int_equal(task_execute(&run), TASK_SUCCEEDED);
		assert_true(run.policy->durable); /* it sends mail: resilience.md 2.4 */
		run_done(&run);
	}
	answerer_stop(&resend);
	assert_int_equal(atomic_load(&resend.requests), 2);
	assert_non_null(strstr(resend.all.data, "\r\nIdempotency-Key: 00000000-0000-4000-8000-000000000001:0\r\n"));
	assert_non_null(strstr(resend.all.data, "\r\nIdempotency-Key: 00000000-0000-4000-8000-000000000002:0\r\n"));
	assert_non_null(strstr(resend.all.data, "\"to\": [\"team@example.org\"], \"subject\": \"[EGOEJO] Beat"));
	answerer_finish(&resend);
}

static void test_jobs_monitoring__without_redis_all_is_well(void **state)
{
	struct fixture *f = *state;
	json_t *result = result_of(f, REDIS);

	assert_string_equal(json_string_value(json_object_get(result, "status")), "ok");
	assert_string_equal(json_string_value(json_object_get(result, "backend")), "LocMemCache");
	json_decref(result);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_jobs_monitoring__a_compost_of_the_last_days_tells_of_beat),
		CASE(test_jobs_monitoring__what_was_not_composted_is_counted),
		CASE(test_jobs_monitoring__a_run_that_was_never_finished_is_told),
		CASE(test_jobs_monitoring__wallets_are_eligible_as_the_settings_say),
		CASE(test_jobs_monitoring__a_mail_is_sent_once_for_a_message),
		CASE(test_jobs_monitoring__without_redis_all_is_well),
	};

	return RUN_ON_BOTH(tests);
}
