#include "tests/unit/tasks/runs.h"

static void assert_housekeeping(struct fixture *f, const char *expected)
{
	const struct task_services services = { .db = f->db };
	struct task_run run = run_of(f, &services, "egoejo.housekeeping", "[]", 1);

	assert_int_equal(task_execute(&run), TASK_SUCCEEDED);
	assert_text(buf_view(&run.result), expected);
	run_done(&run);
}

static void assert_left(struct fixture *f, const char *sql, int64_t expected)
{
	int64_t n;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	assert_int_equal(n, expected);
}

static void test_housekeeping__nothing_to_do(void **state)
{
	assert_housekeeping(*state, "{\"tokens\": 0, \"metrics\": 0, \"alerts\": 0, \"task_done\": 0}");
}

/* 2500 old ones of each, more than two batches, and one that stays. */
static void test_housekeeping__what_is_old_goes_and_what_is_new_stays(void **state)
{
	struct fixture *f = *state;

#define ID      "'00000000000040008000' || (100000000000 + i)"
#define NUMBERS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) SELECT "
	write_rows(
	        f,
	        "INSERT INTO token_blacklist_outstandingtoken (id, token, expires_at, jti) " NUMBERS
	        "i, '', '2026-01-02 00:00:00', 'old' || i FROM n;"
	        "INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) SELECT '2026-01-01 00:00:00', id FROM "
	        "token_blacklist_outstandingtoken WHERE id % 3 = 0;"
	        "INSERT INTO token_blacklist_outstandingtoken (id, token, expires_at, jti) VALUES (9000, '', '2199-01-01 00:00:00', 'n');"
	        "INSERT INTO token_blacklist_blacklistedtoken (blacklisted_at, token_id) VALUES ('2026-01-01 00:00:00', 9000);"
	        "INSERT INTO egoejo_task_done (task_id, name, period, result, finished_at) VALUES "
	        "('10000000-0000-4000-8000-000000000001', 'x', '2026-W01', '{}', '2026-01-01 00:00:00'),"
	        "('10000000-0000-4000-8000-000000000002', 'x', NULL, '{}', '2199-01-01 00:00:00')");
#define TASKS(id)                                                                               \
	"INSERT INTO egoejo_task_done (task_id, name, period, result, finished_at) " NUMBERS id \
	", 'x', NULL, '{}', '2026-01-01 00:00:00' FROM n"
	write_rows(f, f->engine == DB_SQLITE ? TASKS(ID) : TASKS("CAST(" ID " AS uuid)"));
	assert_housekeeping(f, "{\"tokens\": 2500, \"metrics\": 0, \"alerts\": 0, \"task_done\": 2500}");
	assert_left(f, "SELECT COUNT(*) FROM token_blacklist_outstandingtoken", 1);
	assert_left(f, "SELECT COUNT(*) FROM token_blacklist_blacklistedtoken", 1);
	assert_left(f, "SELECT COUNT(*) FROM egoejo_task_done", 2);
	assert_housekeeping(f, "{\"tokens\": 0, \"metrics\": 0, \"alerts\": 0, \"task_done\": 0}");
}

static void test_housekeeping__a_database_that_fails_is_a_failure(void **state)
{
	struct fixture *f = *state;
	struct task_run run = run_of(f, NULL, "egoejo.housekeeping", "[]", 1);

	fault_arm(FAULT_SQL_STEP, 1, true);
	assert_int_equal(task_execute(&run), TASK_FAILED);
	fault_disarm_all();
	run_done(&run);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_housekeeping__nothing_to_do),
		CASE(test_housekeeping__what_is_old_goes_and_what_is_new_stays),
		CASE(test_housekeeping__a_database_that_fails_is_a_failure),
	};

	return RUN_ON_BOTH(tests);
}
