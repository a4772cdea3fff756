/*
 * PostgreSQL: transactions. A write is a SERIALIZABLE transaction on the caller's own session, repeated after a serialisation
 * failure, so a closure may reason as if it were alone, as it is on SQLite. Who is disturbed again and again is at last let in alone:
 * where many change one row at the same time, repeating would let some of them fail for ever.
 */
#include <time.h>

#include "base/clock.h"
#include "base/fault.h"
#include "db/postgresql_impl.h"

/* Repetitions of a transaction that others disturb, and how many of them are made beside others. */
#define ATTEMPTS_MAX    12
#define ATTEMPTS_BESIDE 4

/*
 * A lock on a table comes before the snapshot, as no other kind does: who is alone sees all that was committed before. Every
 * write takes the shared mode, which costs nothing between them; readers take none. The table is hardly ever written.
 */
#define BEGIN        "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE"
#define BEGIN_BESIDE BEGIN "; LOCK TABLE egoejo_schema IN ROW SHARE MODE"
#define BEGIN_ALONE  BEGIN "; LOCK TABLE egoejo_schema IN EXCLUSIVE MODE"

/* A command of the transaction itself. */
static int transact(struct pg_conn *c, const char *sql)
{
	if (fault_due(FAULT_SQL_STEP))
		return conn_fail(&c->base, ERR_IO, "injected fault");
	return pg_command(c, sql, c->ran_script ? DB_SCRIPT_LIMIT_US : pg_statement_limit_us(c), NULL);
}

/* A session whose transaction cannot be ended is of no use. */
static void roll_back(struct pg_conn *c)
{
	char error[sizeof(c->base.error)];

	memcpy(error, c->base.error, sizeof(error));
	if (c->link && pg_command(c, "ROLLBACK", pg_statement_limit_us(c), NULL) < 0 && c->link)
		pg_break(c);
	memcpy(c->base.error, error, sizeof(error));
}

/* Before the first migration there is no such table. */
static int begin(struct pg_conn *c, bool alone)
{
	int r = transact(c, alone ? BEGIN_ALONE : BEGIN_BESIDE);

	if (r != ERR_SCHEMA)
		return r;
	roll_back(c);
	return transact(c, BEGIN);
}

static int write_once(struct pg_conn *c, db_write_fn fn, void *arg, bool alone)
{
	int r, committed;

	c->must_repeat = c->ran_script = false;
	c->base.told = false;
	r = begin(c, alone);
	if (r < 0) {
		roll_back(c);
		return conn_count_failure(&c->base, r);
	}
	c->in_transaction = true;
	c->base.error[0] = '\0';
	r = conn_run_closure(&c->base, fn, arg);
	if (r >= 0) {
		committed = transact(c, "COMMIT");
		c->base.in_doubt = committed < 0 && !c->link;
		if (committed < 0)
			r = conn_count_failure(&c->base, committed);
		else
			db_count_commit(c->base.db, 1);
	}
	if (r < 0)
		roll_back(c);
	c->in_transaction = false;
	return r;
}

static void back_off(int attempt)
{
	long most_us = 1000L << (attempt < 6 ? attempt : 6);
	struct timespec pause = { 0, (clock_monotonic_us() * 7919 % most_us) * 1000 };

	nanosleep(&pause, NULL);
}

int pg_write(struct db_conn *conn, db_write_fn fn, void *arg)
{
	struct pg_conn *c = pg_of(conn);
	int r = write_once(c, fn, arg, /* alone: */ false);

	for (int attempt = 1; r < 0 && c->must_repeat && c->link && attempt < ATTEMPTS_MAX; attempt++) {
		back_off(attempt);
		r = write_once(c, fn, arg, attempt >= ATTEMPTS_BESIDE);
	}
	return r;
}
