#include "tests/unit/domain/fixture.h"
#include "tests/unit/tasks/runs.h"

#define NAME "core.tasks.update_impact_dashboard_metrics"

static void assert_answers(struct fixture *f, const char *args, const char *expected)
{
	struct task_run run = run_of(f, NULL, NAME, args, 1);

	assert_int_equal(task_execute(&run), TASK_SUCCEEDED);
	assert_text(buf_view(&run.result), expected);
	run_done(&run);
}

static void test_jobs_dashboard__the_row_is_made_and_made_anew(void **state)
{
	struct fixture *f = *state;
	int64_t n;

	write_rows(f, "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
	              "first_name) VALUES (7, '', false, 'u', '', 'u@example.org', false, true, '2026-01-01 00:00:00', '')");
	for (int i = 0; i < 2; i++)
		assert_answers(f, "[7]", "{\"success\": true, \"user_id\": 7}");
	assert_ok(db_select_int(f->conn, "SELECT COUNT(*) FROM impact_dashboard WHERE user_id = 7", DB_NO_PARAMS, &n));
	assert_int_equal(n, 1);
}

static void test_jobs_dashboard__nobody_has_none(void **state)
{
	assert_answers(*state, "[8]", "{\"success\": false, \"error\": \"no such user\"}");
	assert_answers(*state, "[null]", "{\"success\": false, \"error\": \"no such user\"}");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_jobs_dashboard__the_row_is_made_and_made_anew),
		CASE(test_jobs_dashboard__nobody_has_none),
	};

	return RUN_ON_BOTH(tests);
}
