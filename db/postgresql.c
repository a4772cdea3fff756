/*
 * PostgreSQL: statements. Sessions are in postgresql_session.c, slots and probing in postgresql_slot.c, transactions in
 * postgresql_write.c.
 *
 * Statements are prepared in each session at their first use; parameters and results travel as text.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "db/postgresql_impl.h"
#include "db/value_impl.h"

#define PARAMS_MAX 64

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
	bool typed; /* its texts are of type text */
	char *text; /* of a statement that is planned at each run; owned */
};

static void pg_finalize(struct db_conn *conn, void *prepared)
{
	struct pg_prepared *p = prepared;

	/* The session forgets its statements when it ends, and none ends before. */
	free(p->text);
	free(p);
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

static void set_types(const struct db_param *params, size_t n, bool typed, Oid *types)
{
	for (size_t i = 0; i < n; i++)
		types[i] = oid_of(&params[i], typed);
}

static int prepare_as(struct pg_conn *c, const char *name, const char *text, const struct db_param *params, size_t n, bool typed,
                      bool *ret_ambiguous)
{
	Oid types[PARAMS_MAX];
	PGresult *result;
	int r;

	set_types(params, n, typed, types);
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

/* In a transaction the first attempt needs a savepoint, for its failure ends the transaction otherwise. */
static int prepare_in(struct pg_conn *c, const char *name, const char *text, const struct db_param *params, size_t n, bool *ret_typed)
{
	bool guarded = c->in_transaction && has_untyped(params, n);
	bool ambiguous = false;
	int r = guarded ? pg_command(c, "SAVEPOINT prepare", pg_statement_limit_us(c), NULL) : 0;

	if (r == 0)
		r = prepare_as(c, name, text, params, n, false, &ambiguous);
	*ret_typed = ambiguous;
	if (r == 0 && ambiguous && guarded)
		r = pg_command(c, "ROLLBACK TO prepare", pg_statement_limit_us(c), NULL);
	if (r == 0 && ambiguous)
		r = prepare_as(c, name, text, params, n, true, &ambiguous);
	if (r == 0 && ambiguous)
		r = conn_fail(&c->base, ERR_INTERNAL, "the type of a parameter cannot be told: %.100s", text);
	if (r == 0 && guarded)
		r = pg_command(c, "RELEASE prepare", pg_statement_limit_us(c), NULL);
	return r;
}

static int pg_prepare(struct db_conn *conn, const struct db_statement *st, const char *text, const struct db_param *params, size_t n,
                      void **ret_prepared)
{
	struct pg_conn *c = pg_of(conn);
	struct pg_prepared *p;
	int r;

	if (n > PARAMS_MAX)
		return conn_fail(conn, ERR_INTERNAL, "more than %d parameters", PARAMS_MAX);
	p = mem_alloc(sizeof(*p));
	if (!p)
		return ERR_NOMEM;
	snprintf(p->name, sizeof(p->name), "s%u", ++c->n_named);
	p->n_columns = st->row ? st->row->n : 0;
	conn_arm_deadline(conn, pg_statement_limit_us(c));
	r = prepare_in(c, p->name, text, params, n, &p->typed);
	if (r == 0 && st->replan && !(p->text = mem_strdup(text)))
		r = ERR_NOMEM;
	if (r < 0)
		pg_finalize(conn, p);
	else
		*ret_prepared = p;
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

/* The name finds the statement and its plan; its text makes the server plan it for what the tables are like now. */
static int send_query(struct pg_conn *c, const struct pg_prepared *p, const struct db_param *params, size_t n, const char *const *values)
{
	Oid types[PARAMS_MAX];

	if (!p->text)
		return PQsendQueryPrepared(c->link, p->name, (int)n, values, NULL, NULL, 0);
	set_types(params, n, p->typed, types);
	return PQsendQueryParams(c->link, p->text, (int)n, types, values, NULL, NULL, 0);
}

static int pg_start(struct db_conn *conn, void *prepared, const struct db_param *params, size_t n)
{
	struct pg_prepared *p = prepared;
	struct pg_conn *c = pg_of(conn);
	const char *values[PARAMS_MAX];
	int r = make_values(c, params, n, values);

	if (r < 0)
		return r;
	conn_arm_deadline(conn, pg_statement_limit_us(c));
	c->row = -1;
	r = await(c, send_query(c, p, params, n, values), &c->result);
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
