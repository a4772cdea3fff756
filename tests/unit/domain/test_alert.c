#include "domain/alert.h"

#include "tests/unit/domain/fixture.h"
#include "tests/unit/domain/messages.h"

static int ask(struct db_conn *conn, void *alert)
{
	return alert_ask(conn, alert);
}

/* These arguments, and the present time as the last. */
static void assert_asked(struct fixture *f, const char *expected)
{
	struct str args = args_of_last_message(f), time = { args.s + strlen(expected), args.len - strlen(expected) - 2 };
	struct instant asked;

	assert_true(str_starts(args, expected));
	assert_true(clock_parse(time, &asked));
	assert_in_range(asked.us, clock_now().us - 60 * US_PER_S, clock_now().us);
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
	assert_asked(f, "[\"REDIS \\\"away\\\"\", {\"k\": 1}, \"a:1\", \"");
	alert.dedupe_key = NOTHING;
	assert_ok(db_write(f->conn, ask, &alert));
	assert_asked(f, "[\"REDIS \\\"away\\\"\", {\"k\": 1}, null, \"");
}

static int note(struct db_conn *conn, void *event)
{
	return alert_note(conn, event);
}

static void test_alert__what_was_sent_is_kept(void **state)
{
	struct fixture *f = *state;
	char title[402], fingerprint[602];
	struct alert_event event = { { title, 400 }, "both", { fingerprint, 600 }, { TEXT("{\"user_id\": 1}") } };
	int64_t n;

	for (int i = 0; i < 400; i += 2)
		snprintf(title + i, 3, "é");
	memset(fingerprint, 'f', sizeof(fingerprint));
	assert_ok(db_write(f->conn, note, &event));
	assert_ok(db_select_int(f->conn,
	                        "SELECT COUNT(*) FROM core_criticalalertevent WHERE severity = 'critical' AND channel = 'both' AND "
	                        "LENGTH(event_type) = 100 AND LENGTH(fingerprint) = 255 AND payload_excerpt IS NOT NULL",
	                        DB_NO_PARAMS, &n));
	assert_int_equal(n, 1);
	event.excerpt.text = NOTHING;
	assert_ok(db_write(f->conn, note, &event));
	assert_ok(db_select_int(f->conn, "SELECT COUNT(*) FROM core_criticalalertevent WHERE payload_excerpt IS NULL", DB_NO_PARAMS, &n));
	assert_int_equal(n, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_alert__asking_writes_a_task_that_stays_here),
		CASE(test_alert__what_was_sent_is_kept),
	};

	return RUN_ON_BOTH(tests);
}
