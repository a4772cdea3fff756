#include "domain/alert.h"

#include "tests/unit/domain/fixture.h"
#include "tests/unit/domain/messages.h"

static int ask(struct db_conn *conn, void *alert)
{
	return alert_ask(conn, alert);
}

static void test_alert__asking_writes_a_task_that_stays_here(void **state)
{
	struct fixture *f = *state;
	struct alert alert = { TEXT("REDIS \"away\""), { TEXT("{\"k\": 1}") }, TEXT("a:1") };
	int64_t n;

	assert_ok(db_write(f->conn, ask, &alert));
	assert_ok(db_select_int(f->conn,
	                        "SELECT COUNT(*) FROM egoejo_outbox WHERE name = 'egoejo.critical_alert' AND queue = 'local' AND durable",
	                        DB_NO_PARAMS, &n));
	assert_int_equal(n, 1);
	assert_text(args_of_last_message(f), "[\"REDIS \\\"away\\\"\", {\"k\": 1}, \"a:1\"]");
	alert.dedupe_key = NOTHING;
	assert_ok(db_write(f->conn, ask, &alert));
	assert_text(args_of_last_message(f), "[\"REDIS \\\"away\\\"\", {\"k\": 1}, null]");
}

int main(void)
{
	static const struct CMUnitTest tests[] = { CASE(test_alert__asking_writes_a_task_that_stays_here) };

	return RUN_ON_BOTH(tests);
}
