/*
 * PostgreSQL: statements and transactions. Sessions are in postgresql_session.c, slots and probing in postgresql_slot.c.
 *
 * Statements are prepared in each session at their first use; parameters and results travel as text. A write is a
 * SERIALIZABLE transaction on the caller's own session, repeated after a serialisation failure, so a closure may reason
 * as if it were alone, as it is on SQLite. Who is disturbed again and again is at last let in alone: where many change one
 * row at the same time, repeating would let some of them fail for ever.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "db/postgresql_impl.h"
#include "db/value_impl.h"

#define PARAMS_MAX 64

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

/* Room for the text of any parameter that is not a text. */
#define SHORT_TEXT 64

/* Type OIDs of pg_type.dat: part of the protocol, they never change. */
#define OID_BOOL        16
#define OID_INT8        20
#define OID_TEXT        25
#define OID_FLOAT8      701
#define OID_TIMESTAMPTZ 1184
#define OID_NUMERIC     1700
#define OID_JSONB       3802

struct pg_prepared {
	char name[16];
	size_t n_columns;
};

static void pg_finalize(struct db_conn *conn, void *prepared)
{
	/* The session forgets its statements when it ends, and none ends before. */
	free(prepared);
}

/*
 * Texts are left untyped where the context tells the type: that may be varchar, but also uuid, inet or jsonb. Where it does
 * not tell ("$1 IS NULL", one parameter in two contexts), the server says so and the statement is prepared again with text.
 */
static Oid oid_of(const struct db_param *p, bool typed)
{
	switch (p->kind) {
	case KIND_BOOL:
		return OID_BOOL;
	case KIND_INT:
		return OID_INT8;
	case KIND_FLOAT:
		return OID_FLOAT8;
	case KIND_DECIMAL:
		return OID_NUMERIC;
	case KIND_TIME:
		return OID_TIMESTAMPTZ;
	case KIND_TEXT:
		return typed ? OID_TEXT : 0;
	case KIND_JSON:
		return typed ? OID_JSONB : 0;
	default:
		return 0;
	}
}

/* Waits for the result of what was just sent; breaks the slot when there is none. */
static int await(struct pg_conn *c, int send_succeeded, PGresult **ret_result)
{
	int r = pg_await(c->link, send_succeeded, c->base.deadline_us, ret_result);

	if (r == 0)
		return 0;
	pg_break(c);
	return conn_fail(&c->base, r, r == ERR_TIMEOUT ? "no answer in time" : "the connection is lost");
}

static bool is_ambiguous(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state && (strcmp(state, "42P18") == 0 || strcmp(state, "42P08") == 0);
}

static int prepare_as(struct pg_conn *c, const char *name, const char *text, const struct db_param *params, size_t n, bool typed,
                      bool *ret_ambiguous)
{
	Oid types[PARAMS_MAX];
	PGresult *result;
	int r;

	for (size_t i = 0; i < n; i++)
		types[i] = oid_of(&params[i], typed);
	r = await(c, PQsendPrepare(c->link, name, text, (int)n, types), &result);
	if (r < 0)
		return r;
	*ret_ambiguous = is_ambiguous(result);
	r = *ret_ambiguous ? 0 : pg_check(c, result);
	PQclear(result);
	return r;
}

static bool has_untyped(const struct db_param *params, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (params[i].kind == KIND_TEXT || params[i].kind == KIND_JSON)
			return true;
	return false;
}

static int64_t statement_limit_us(const struct pg_conn *c)
{
	return c->base.db->config.statement_limit_us;
}

/* In a transaction the first attempt needs a savepoint, for its failure ends the transaction otherwise. */
static int prepare_in(struct pg_conn *c, const char *name, const char *text, const struct db_param *params, size_t n)
{
	bool guarded = c->in_transaction && has_untyped(params, n);
	bool ambiguous = false;
	int r = guarded ? pg_command(c, "SAVEPOINT prepare", statement_limit_us(c), NULL) : 0;

	if (r == 0)
		r = prepare_as(c, name, text, params, n, false, &ambiguous);
	if (r == 0 && ambiguous && guarded)
		r = pg_command(c, "ROLLBACK TO prepare", statement_limit_us(c), NULL);
	if (r == 0 && ambiguous)
		r = prepare_as(c, name, text, params, n, true, &ambiguous);
	if (r == 0 && ambiguous)
		r = conn_fail(&c->base, ERR_INTERNAL, "the type of a parameter cannot be told: %.100s", text);
	if (r == 0 && guarded)
		r = pg_command(c, "RELEASE prepare", statement_limit_us(c), NULL);
	return r;
}

static int pg_prepare(struct db_conn *conn, const char *text, size_t n_columns, const struct db_param *params, size_t n,
                      void **ret_prepared)
{
	CLEANUP(cleanup_free) struct pg_prepared *p = NULL;
	struct pg_conn *c = pg_of(conn);
	int r;

	if (n > PARAMS_MAX)
		return conn_fail(conn, ERR_INTERNAL, "more than %d parameters", PARAMS_MAX);
	p = mem_alloc(sizeof(*p));
	if (!p)
		return ERR_NOMEM;
	snprintf(p->name, sizeof(p->name), "s%u", ++c->n_named);
	p->n_columns = n_columns;
	conn_arm_deadline(conn, statement_limit_us(c));
	r = prepare_in(c, p->name, text, params, n);
	if (r == 0)
		*ret_prepared = TAKE(p);
	return r;
}

/* The text of a parameter at the end of a buffer that has room. */
static void add_param(struct buf *text, const struct db_param *p)
{
	char short_text[SHORT_TEXT];

	switch (p->kind) {
	case KIND_BOOL:
		buf_add_text(text, p->b ? "t" : "f");
		break;
	case KIND_INT:
		buf_addf(text, "%lld", (long long)p->i);
		break;
	case KIND_FLOAT:
		if (isinf(p->f))
			buf_add_text(text, p->f > 0 ? "Infinity" : "-Infinity");
		else
			buf_addf(text, "%.17g", p->f);
		break;
	case KIND_DECIMAL:
		buf_add(text, short_text, value_format_decimal(p->i, short_text));
		break;
	case KIND_TIME:
		buf_add(text, short_text, clock_format_sql((struct instant){ p->i }, short_text));
		buf_add_text(text, "+00");
		break;
	default:
		buf_add_str(text, p->s);
		break;
	}
}

/* Fills values with pointers into c->text, which is reserved at once so that it does not move. */
static int make_values(struct pg_conn *c, const struct db_param *params, size_t n, const char **values)
{
	size_t room = 0;

	for (size_t i = 0; i < n; i++)
		room += params[i].s.len + SHORT_TEXT + 1;
	buf_clear(&c->text);
	if (!buf_reserve(&c->text, room))
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		values[i] = NULL;
		if (value_is_null(&params[i]))
			continue;
		values[i] = c->text.data + c->text.len;
		add_param(&c->text, &params[i]);
		buf_add_char(&c->text, '\0');
	}
	return 0;
}

static int check_shape(struct pg_conn *c, const struct pg_prepared *p)
{
	if (p->n_columns && (size_t)PQnfields(c->result) != p->n_columns)
		return conn_fail(&c->base, ERR_INTERNAL, "%d columns, the row table has %zu", PQnfields(c->result), p->n_columns);
	return 0;
}

static int pg_start(struct db_conn *conn, void *prepared, const struct db_param *params, size_t n)
{
	struct pg_prepared *p = prepared;
	struct pg_conn *c = pg_of(conn);
	const char *values[PARAMS_MAX];
	int r = make_values(c, params, n, values);

	if (r < 0)
		return r;
	conn_arm_deadline(conn, statement_limit_us(c));
	c->row = -1;
	r = await(c, PQsendQueryPrepared(c->link, p->name, (int)n, values, NULL, NULL, 0), &c->result);
	if (r == 0)
		r = pg_check(c, c->result);
	return r < 0 ? r : check_shape(c, p);
}

static int pg_step(struct db_conn *conn, void *prepared)
{
	struct pg_conn *c = pg_of(conn);

	return ++c->row < PQntuples(c->result);
}

static int pg_column(struct db_conn *conn, void *prepared, int i, enum kind kind, struct arena *arena, void *member)
{
	struct pg_conn *c = pg_of(conn);
	struct str text = { PQgetvalue(c->result, c->row, i), (size_t)PQgetlength(c->result, c->row, i) };

	if (!PQgetisnull(c->result, c->row, i))
		return value_from_text(kind, text, arena, member);
	value_set_null(kind, member);
	return 0;
}

static int64_t pg_finish(struct db_conn *conn, void *prepared)
{
	struct pg_conn *c = pg_of(conn);
	int64_t changed = c->result ? strtoll(PQcmdTuples(c->result), NULL, 10) : 0;

	PQclear(TAKE(c->result));
	return changed;
}

static int pg_script(struct db_conn *conn, const char *sql)
{
	pg_of(conn)->ran_script = true;
	return pg_command(pg_of(conn), sql, DB_SCRIPT_LIMIT_US, NULL);
}

/* A command of the transaction itself. */
static int transact(struct pg_conn *c, const char *sql)
{
	if (fault_due(FAULT_SQL_STEP))
		return conn_fail(&c->base, ERR_IO, "injected fault");
	return pg_command(c, sql, c->ran_script ? DB_SCRIPT_LIMIT_US : statement_limit_us(c), NULL);
}

/* A session whose transaction cannot be ended is of no use. */
static void roll_back(struct pg_conn *c)
{
	char error[sizeof(c->base.error)];

	memcpy(error, c->base.error, sizeof(error));
	if (c->link && pg_command(c, "ROLLBACK", statement_limit_us(c), NULL) < 0 && c->link)
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

static int pg_write(struct db_conn *conn, db_write_fn fn, void *arg)
{
	struct pg_conn *c = pg_of(conn);
	int r = write_once(c, fn, arg, /* alone: */ false);

	for (int attempt = 1; r < 0 && c->must_repeat && c->link && attempt < ATTEMPTS_MAX; attempt++) {
		back_off(attempt);
		r = write_once(c, fn, arg, attempt >= ATTEMPTS_BESIDE);
	}
	return r;
}

const struct db_driver postgresql_driver = {
	.engine = DB_POSTGRESQL,
	.create = pg_db_create,
	.open = pg_db_open,
	.destroy = pg_db_destroy,
	.connect = pg_db_connect,
	.disconnect = pg_db_disconnect,
	.ready = pg_db_ready,
	.prepare = pg_prepare,
	.finalize = pg_finalize,
	.start = pg_start,
	.step = pg_step,
	.column = pg_column,
	.finish = pg_finish,
	.script = pg_script,
	.write = pg_write,
	.probe = pg_db_probe,
};
