#include "domain/outage.h"

#include "tests/unit/domain/fixture.h"

#define EVERY_US  (3600 * US_PER_S)
#define SETTLE_US (60 * US_PER_S)
#define MINUTE_US (60 * US_PER_S)

static const struct str key = STR("redis_down:cache");

struct call {
	int64_t since_us, now_us;
	struct instant closed_since;
};

static int claim_it(struct db_conn *db, void *arg)
{
	const struct call *c = arg;
	const struct outage outage = { key, { c->since_us }, EVERY_US, SETTLE_US };

	return outage_claim(db, &outage, (struct instant){ c->now_us });
}

static int close_it(struct db_conn *db, void *arg)
{
	struct call *c = arg;

	return outage_close(db, key, (struct instant){ c->now_us }, &c->closed_since);
}

static int claim(struct fixture *f, int64_t since_us, int64_t now_us)
{
	struct call c = { since_us, now_us, { 0 } };

	return db_write(f->conn, claim_it, &c);
}

static int64_t number(struct fixture *f, const char *sql)
{
	int64_t n;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}

static void test_outage__is_told_once_and_again_at_intervals(void **state)
{
	struct fixture *f = *state;
	int64_t began = january(1);

	assert_int_equal(outage_is_open(f->conn, key), 0);
	assert_int_equal(claim(f, began, began + MINUTE_US), 1);
	assert_int_equal(claim(f, began, began + MINUTE_US), 0);
	assert_int_equal(claim(f, began + 1, began + 59 * MINUTE_US), 0);
	assert_int_equal(claim(f, began + 1, began + 61 * MINUTE_US), 1);
	assert_int_equal(claim(f, began, began + 62 * MINUTE_US), 0);
	assert_int_equal(outage_is_open(f->conn, key), 1);
	assert_int_equal(number(f, "SELECT sent FROM egoejo_alert"), 2);
	assert_int_equal(outage_told_since(f->conn, TEXT("redis_down:"), (struct instant){ began + 61 * MINUTE_US }), 1);
	assert_int_equal(outage_told_since(f->conn, TEXT("redis_down:"), (struct instant){ began + 61 * MINUTE_US + 1 }), 0);
	assert_int_equal(outage_told_since(f->conn, TEXT("other"), (struct instant){ began }), 0);
}

static void test_outage__its_end_is_told_once_and_says_since_when(void **state)
{
	struct fixture *f = *state;
	int64_t began = january(1);
	struct call c = { .now_us = began + 5 * MINUTE_US };

	assert_int_equal(db_write(f->conn, close_it, &c), 0);
	assert_int_equal(claim(f, began, began + MINUTE_US), 1);
	assert_int_equal(db_write(f->conn, close_it, &c), 1);
	assert_int_equal(c.closed_since.us, began);
	assert_int_equal(db_write(f->conn, close_it, &c), 0);
	assert_int_equal(outage_is_open(f->conn, key), 0);
}

static void test_outage__another_one_is_told_at_once(void **state)
{
	struct fixture *f = *state;
	int64_t began = january(1), again = began + 6 * MINUTE_US;
	struct call c = { .now_us = began + 5 * MINUTE_US };

	claim(f, began, began + MINUTE_US);
	claim(f, began, began + 2 * EVERY_US);
	db_write(f->conn, close_it, &c);
	assert_int_equal(claim(f, again, again + MINUTE_US), 1);
	assert_int_equal(number(f, "SELECT sent FROM egoejo_alert"), 1);
	c.now_us = again + 2 * MINUTE_US;
	assert_int_equal(db_write(f->conn, close_it, &c), 1);
	assert_int_equal(c.closed_since.us, again);
}

/* A process that saw the end before this one did must not make this one tell of it anew; but one that never sees it must. */
static void test_outage__one_that_others_have_seen_end_is_told_when_it_lasts(void **state)
{
	struct fixture *f = *state;
	int64_t began = january(1), closed = began + 5 * MINUTE_US;
	struct call c = { .now_us = closed };

	claim(f, began, began + MINUTE_US);
	db_write(f->conn, close_it, &c);
	assert_int_equal(claim(f, began, closed + US_PER_S), 0);
	assert_int_equal(claim(f, began, closed + SETTLE_US), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_outage__is_told_once_and_again_at_intervals),
		CASE(test_outage__its_end_is_told_once_and_says_since_when),
		CASE(test_outage__another_one_is_told_at_once),
		CASE(test_outage__one_that_others_have_seen_end_is_told_when_it_lasts),
	};

	return RUN_ON_BOTH(tests);
}
