#include "tests/unit/domain/fixture.h"
#include "tests/unit/tasks/runs.h"

#define NAME "core.tasks.update_impact_dashboard_metrics"

static void assert_answers(struct fixture *f, const char *args, int n, const char *expected)
{
	struct task_run run = run_of(f, NULL, NAME, args, n);

	assert_int_equal(task_execute(&run), TASK_SUCCEEDED);
	assert_text(buf_view(&run.result), expected);
	run_done(&run);
}

/* How many rows of the user have so many cagnottes. */
static int64_t rows_with(struct fixture *f, int64_t cagnottes)
{
	int64_t n;

	assert_ok(db_select_int(f->conn, "SELECT COUNT(*) FROM impact_dashboard WHERE user_id = 7 AND cagnottes_contributed = $1",
	                        DB_PARAMS(DB_INT(cagnottes)), &n));
	return n;
}

static void test_jobs_dashboard__the_row_is_made_and_made_anew(void **state)
{
	struct fixture *f = *state;

	write_rows(f, "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
	              "first_name) VALUES (7, '', false, 'u', '', 'u@example.org', false, true, '2026-01-01 00:00:00', '')");
	assert_answers(f, "[7]", 1, "{\"success\": true, \"user_id\": 7}");
	assert_int_equal(rows_with(f, 0), 1);
	write_rows(f, "UPDATE impact_dashboard SET cagnottes_contributed = 9");
	assert_answers(f, "[7]", 1, "{\"success\": true, \"user_id\": 7}"); /* the same message again */
	assert_int_equal(rows_with(f, 9), 1);
	assert_answers(f, "[7]", 2, "{\"success\": true, \"user_id\": 7}");
	assert_int_equal(rows_with(f, 0), 1);
}

static void test_jobs_dashboard__nobody_has_none(void **state)
{
	assert_answers(*state, "[8]", 1, "{\"success\": false, \"error\": \"no such user\"}");
	assert_answers(*state, "[null]", 2, "{\"success\": false, \"error\": \"no such user\"}");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_jobs_dashboard__the_row_is_made_and_made_anew),
		CASE(test_jobs_dashboard__nobody_has_none),
	};

	return RUN_ON_BOTH(tests);
}
