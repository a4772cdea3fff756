/* The mails that the product writes: what is asked for, and once. */
#include "tests/unit/domain/backers.h"
#include "tests/unit/domain/messages.h"
#include "tests/unit/tasks/runs.h"

static const struct settings settings;
static const struct task_services services = { .settings = &settings };

static int64_t count_tasks(struct fixture *f, const char *name)
{
	int64_t n;

	assert_ok(db_select_int(f->conn, "SELECT COUNT(*) FROM egoejo_outbox WHERE name = $1 AND durable AND queue = 'celery'",
	                        DB_PARAMS(DB_TEXT(str_of(name))), &n));
	return n;
}

/* Runs it twice, as the same message delivered twice. */
static void assert_twice(struct fixture *f, const char *name, const char *args, enum task_outcome outcome, char ret_result[200])
{
	for (int i = 0; i < 2; i++) {
		struct task_run run = run_of(f, &services, name, args, 1);

		assert_int_equal(task_execute(&run), outcome);
		if (i)
			assert_text(buf_view(&run.result), outcome == TASK_SUCCEEDED ? ret_result : "");
		snprintf(ret_result, 200, "%.199s", run.result.len ? run.result.data : run.error.message);
		run_done(&run);
	}
}

static void test_jobs_letters__welcome(void **state)
{
	struct fixture *f = *state;
	char result[200];

	add_backer(f, 7, "ana@example.org");
	assert_twice(f, "core.tasks.send_welcome_email", "[7]", TASK_SUCCEEDED, result);
	assert_non_null(strstr(result, "{\"success\": true, \"task_id\": \""));
	assert_int_equal(count_tasks(f, "core.tasks.send_email_task"), 1);
	assert_text(args_of_last_message(f),
	            "[\"ana@example.org\", \"Bienvenue sur EGOEJO\", \"<h1>Bienvenue user7&lt; !</h1><p>Votre compte "
	            "EGOEJO est ouvert. Merci de rejoindre la communauté.</p>\"]");
}

static void test_jobs_letters__nobody_is_welcomed(void **state)
{
	struct fixture *f = *state;
	char result[200];

	add_backer(f, 7, "");
	assert_twice(f, "core.tasks.send_welcome_email", "[8]", TASK_FAILED, result);
	assert_string_equal(result, "no such user");
	assert_twice(f, "core.tasks.send_welcome_email", "[null]", TASK_FAILED, result);
	assert_twice(f, "core.tasks.send_welcome_email", "[7]", TASK_SUCCEEDED, result);
	assert_string_equal(result, "{\"success\": false, \"error\": \"the user has no address\"}");
	assert_int_equal(count_tasks(f, "core.tasks.send_email_task"), 0);
}

static void test_jobs_letters__notification(void **state)
{
	struct fixture *f = *state;
	char result[200];

	assert_twice(f, "core.tasks.send_notification_email", "[\"a@b.c\", \"Été\", \"<script>1 & 2</script>\"]", TASK_SUCCEEDED, result);
	assert_int_equal(count_tasks(f, "core.tasks.send_email_task"), 1);
	assert_text(args_of_last_message(f),
	            "[\"a@b.c\", \"Été\", \"<p>&lt;script&gt;1 &amp; 2&lt;/script&gt;</p>\", \"<script>1 & 2</script>\"]");
	assert_twice(f, "core.tasks.send_notification_email", "[\"a@b.c\", \"s\", 3]", TASK_FAILED, result);
	assert_string_equal(result, "to_email, subject and message must be texts");
}

static void test_jobs_letters__success_is_told_once_to_each(void **state)
{
	struct fixture *f = *state;
	char result[200];

	add_backed_project(f, 5, "Forêt & <b>\n");
	add_backer(f, 1, "ana@example.org");
	add_backer(f, 2, "");
	add_escrow(f, 5, 1, 100005, "RELEASED");
	add_escrow(f, 5, 1, 2000, "RELEASED");
	add_escrow(f, 5, 2, 500, "RELEASED");
	assert_twice(f, "core.tasks.notify_project_success_task", "[5]", TASK_SUCCEEDED, result);
	assert_string_equal(result, "{\"success\": true, \"notified_count\": 1, \"total_escrows\": 3}");
	assert_int_equal(count_tasks(f, "core.tasks.send_batch_email_task"), 1);
	assert_text(args_of_last_message(f),
	            "[[{\"to_email\": \"ana@example.org\", \"subject\": \"Projet réussi : Forêt & <b> \", \"html_content\": \"<p>Bonjour "
	            "user1&lt;,</p><p>Le projet « Forêt &amp; &lt;b&gt; » a réussi. Votre contribution de 1020,05 € lui a été versée.</p>"
	            "<p>Merci pour votre soutien !</p>\", \"text_content\": \"Bonjour user1<,\\n\\nLe projet « Forêt & <b>\\n » a réussi. "
	            "Votre contribution de 1020,05 € lui a été versée.\\n\\nMerci pour votre soutien !\\n\"}]]");
}

static int64_t mails_of_message(struct fixture *f, int64_t from_end)
{
	struct str text = args_of_message(f, from_end);
	json_t *args = json_loadb(text.s, text.len, 0, NULL);
	int64_t n = (int64_t)json_array_size(json_array_get(args, 0));

	json_decref(args);
	return n;
}

static void test_jobs_letters__fifty_mails_are_a_batch(void **state)
{
	struct fixture *f = *state;
	char result[200], address[40];

	add_backed_project(f, 5, "t");
	for (int i = 1; i <= 101; i++) {
		snprintf(address, sizeof(address), "u%d@example.org", i);
		add_backer(f, i, address);
		add_escrow(f, 5, i, 100, "RELEASED");
	}
	assert_twice(f, "core.tasks.notify_project_success_task", "[\"5\"]", TASK_SUCCEEDED, result);
	assert_string_equal(result, "{\"success\": true, \"notified_count\": 101, \"total_escrows\": 101}");
	assert_int_equal(count_tasks(f, "core.tasks.send_batch_email_task"), 3);
	assert_int_equal(mails_of_message(f, 2), 50);
	assert_int_equal(mails_of_message(f, 1), 50);
	assert_int_equal(mails_of_message(f, 0), 1);
}

static void test_jobs_letters__an_unknown_project_is_a_failure(void **state)
{
	struct fixture *f = *state;
	char result[200];

	assert_twice(f, "core.tasks.notify_project_success_task", "[5]", TASK_FAILED, result);
	assert_string_equal(result, "no such project");
	add_backed_project(f, 5, "t");
	assert_twice(f, "core.tasks.notify_project_success_task", "[5]", TASK_SUCCEEDED, result);
	assert_string_equal(result, "{\"success\": true, \"notified_count\": 0, \"total_escrows\": 0}");
	assert_int_equal(count_tasks(f, "core.tasks.send_batch_email_task"), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_jobs_letters__welcome),
		CASE(test_jobs_letters__nobody_is_welcomed),
		CASE(test_jobs_letters__notification),
		CASE(test_jobs_letters__success_is_told_once_to_each),
		CASE(test_jobs_letters__fifty_mails_are_a_batch),
		CASE(test_jobs_letters__an_unknown_project_is_a_failure),
	};

	return RUN_ON_BOTH(tests);
}
