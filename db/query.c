/*
 * Statements: the gate, the rows, the closure of a write.
 *
 * Rows are built in a scratch buffer of the connection and copied to the caller's arena when their number is known, so
 * that a list costs one arena allocation beside its texts.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "db/driver_impl.h"
#include "db/value_impl.h"

/* Scratch beyond this is given back after the select that needed it. */
#define ROWS_KEPT_BYTES (256 * 1024)

int conn_fail(struct db_conn *conn, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(conn->error, sizeof(conn->error), format, args);
	va_end(args);
	conn->told = true;
	return code;
}

void conn_arm_deadline(struct db_conn *conn, int64_t limit_us)
{
	conn->deadline_us = clock_monotonic_us() + limit_us;
}

const char *db_error(const struct db_conn *conn)
{
	return conn->error;
}

int conn_count_failure(struct db_conn *conn, int r)
{
	if (!conn->told)
		conn_fail(conn, r, "%s", error_name(r));
	if (conn->db->errors[-r])
		metric_add(conn->db->errors[-r], 1);
	return r;
}

/* The end of each call: a failure is told, counted, and poisons the closure it happened in. */
static int leave(struct db_conn *conn, int r)
{
	if (r >= 0 || r == ERR_NOT_FOUND)
		return r;
	conn_count_failure(conn, r);
	if (conn->in_closure && !conn->failed)
		conn->failed = r;
	return r;
}

static int enter(struct db_conn *conn)
{
	if (conn->failed)
		return conn->failed;
	conn->told = false;
	if (!db_available(conn->db))
		return conn_fail(conn, ERR_UNAVAILABLE, "the database is away");
	return conn->in_closure ? 0 : conn->db->driver->ready(conn);
}

static int read_row(struct db_conn *conn, const struct db_row *row, void *prepared, struct arena *arena)
{
	char *item;
	int r;

	if (!buf_reserve(&conn->rows, row->size))
		return ERR_NOMEM;
	item = conn->rows.data + conn->rows.len;
	memset(item, 0, row->size);
	for (size_t i = 0; i < row->n; i++) {
		r = conn->db->driver->column(conn, prepared, (int)i, row->columns[i].kind, arena, item + row->columns[i].offset);
		if (r == ERR_CORRUPT)
			return conn_fail(conn, r, "a value of %s cannot be read", row->columns[i].expression);
		if (r < 0)
			return r;
	}
	conn->rows.len += row->size;
	return 0;
}

/* Steps until the end or max_rows; rows may be NULL: nothing is read. */
static int fetch(struct db_conn *conn, const struct db_row *row, void *prepared, struct arena *arena, size_t max_rows)
{
	int r = 0;

	for (size_t n = 0; n < max_rows; n++) {
		if (fault_due(FAULT_SQL_STEP))
			return conn_fail(conn, ERR_IO, "injected fault");
		r = conn->db->driver->step(conn, prepared);
		if (r <= 0)
			return r;
		r = row ? read_row(conn, row, prepared, arena) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* What all calls share. The rows are in conn->rows afterwards. */
struct call {
	const void *key;
	const struct db_statement *statement;
	const struct db_param *params;
	size_t n;
	struct arena *arena;
	size_t max_rows;
	int64_t changed;
};

static int run_entered(struct db_conn *conn, struct call *call)
{
	const struct db_driver *driver = conn->db->driver;
	const struct prepared_entry *e;
	int r = conn_prepare(conn, call->key, call->statement, call->params, call->n, &e);

	if (r < 0)
		return r;
	buf_clear(&conn->rows);
	r = driver->start(conn, e->prepared, call->params, e->n_params);
	if (r == 0)
		r = fetch(conn, call->statement->row, e->prepared, call->arena, call->max_rows);
	call->changed = driver->finish(conn, e->prepared);
	return r;
}

/* PostgreSQL has no NUL in texts; refused for both engines alike. */
static int check_params(struct db_conn *conn, const struct call *call)
{
	for (size_t i = 0; i < call->n; i++)
		if (call->params[i].s.s && memchr(call->params[i].s.s, '\0', call->params[i].s.len))
			return conn_fail(conn, ERR_INVALID, "a NUL in the text of $%zu", i + 1);
	return 0;
}

static int run(struct db_conn *conn, struct call *call)
{
	int r = enter(conn);

	if (r == 0)
		r = check_params(conn, call);
	if (r == 0)
		r = run_entered(conn, call);
	return leave(conn, r);
}

static void shrink_rows(struct db_conn *conn)
{
	if (conn->rows.cap > ROWS_KEPT_BYTES)
		buf_finish(&conn->rows);
}

static int hand_over_rows(struct db_conn *conn, const struct db_row *row, struct arena *arena, struct db_rows *ret_rows)
{
	struct db_rows rows = { NULL, conn->rows.len / row->size };

	if (rows.n) {
		rows.items = arena_alloc(arena, conn->rows.len);
		if (!rows.items)
			return value_arena_error(arena, conn->rows.len);
		memcpy(rows.items, conn->rows.data, conn->rows.len);
	}
	*ret_rows = rows;
	return 0;
}

int db_select(struct db_conn *conn, const struct db_statement *st, const struct db_param *params, size_t n, struct arena *arena,
              struct db_rows *ret_rows)
{
	struct call call = { .key = st, .statement = st, .params = params, .n = n, .arena = arena, .max_rows = SIZE_MAX };
	int r;

	if (!st->row)
		return leave(conn, conn_fail(conn, ERR_INTERNAL, "select without a row table"));
	r = run(conn, &call);
	if (r < 0)
		return r;
	r = hand_over_rows(conn, st->row, arena, ret_rows);
	conn->told = false;
	shrink_rows(conn);
	return leave(conn, r);
}

int db_select_one(struct db_conn *conn, const struct db_statement *st, const struct db_param *params, size_t n, struct arena *arena,
                  void *ret_row)
{
	struct call call = { .key = st, .statement = st, .params = params, .n = n, .arena = arena, .max_rows = 1 };
	int r;

	if (!st->row)
		return leave(conn, conn_fail(conn, ERR_INTERNAL, "select without a row table"));
	r = run(conn, &call);
	if (r < 0)
		return r;
	if (!conn->rows.len)
		return ERR_NOT_FOUND;
	memcpy(ret_row, conn->rows.data, st->row->size);
	return 0;
}

struct int_row {
	int64_t value;
};

int db_select_int(struct db_conn *conn, const char *sql, const struct db_param *params, size_t n, int64_t *ret_value)
{
	static const struct db_column columns[] = { DB_COLUMN(struct int_row, value, INT, "the number") };
	static const struct db_row row = DB_ROW(struct int_row, columns);
	const struct db_statement st = { .sql = sql, .row = &row };
	struct call call = { .key = sql, .statement = &st, .params = params, .n = n, .max_rows = 1 };
	int r = run(conn, &call);

	if (r < 0)
		return r;
	if (!conn->rows.len)
		return ERR_NOT_FOUND;
	memcpy(ret_value, conn->rows.data, sizeof(*ret_value));
	return 0;
}

int db_ping(struct db_conn *conn)
{
	int64_t one;

	return db_select_int(conn, "SELECT 1", DB_NO_PARAMS, &one);
}

int db_execute(struct db_conn *conn, const struct db_statement *st, const struct db_param *params, size_t n, int64_t *ret_changed)
{
	struct call call = { .key = st, .statement = st, .params = params, .n = n, .max_rows = SIZE_MAX };
	int r;

	if (!conn->in_closure)
		return leave(conn, conn_fail(conn, ERR_INTERNAL, "db_execute outside of db_write"));
	if (st->row)
		return leave(conn, conn_fail(conn, ERR_INTERNAL, "db_execute of a statement that returns rows"));
	r = run(conn, &call);
	if (r == 0 && ret_changed)
		*ret_changed = call.changed;
	return r;
}

int db_script(struct db_conn *conn, const char *sql)
{
	int r;

	if (!conn->in_closure)
		return leave(conn, conn_fail(conn, ERR_INTERNAL, "db_script outside of db_write"));
	r = enter(conn);
	if (r == 0)
		r = fault_due(FAULT_SQL_STEP) ? conn_fail(conn, ERR_IO, "injected fault") : conn->db->driver->script(conn, sql);
	return leave(conn, r);
}

int conn_run_closure(struct db_conn *conn, db_write_fn fn, void *arg)
{
	int r;

	conn->in_closure = true;
	conn->failed = 0;
	conn->n_after = 0;
	r = fn(conn, arg);
	if (conn->failed && r >= 0)
		r = conn->failed;
	conn->in_closure = false;
	conn->failed = 0;
	return r;
}

int db_after_commit(struct db_conn *conn, void (*fn)(void *arg), void *arg)
{
	if (!conn->in_closure)
		return ERR_INTERNAL;
	if (conn->n_after == DB_AFTER_COMMIT_MAX)
		return ERR_LIMIT;
	conn->after[conn->n_after++] = (struct after_commit){ fn, arg };
	return 0;
}

bool db_write_in_doubt(const struct db_conn *conn)
{
	return conn->in_doubt;
}

int db_write(struct db_conn *conn, db_write_fn fn, void *arg)
{
	int r;

	if (conn->in_closure)
		return leave(conn, conn_fail(conn, ERR_INTERNAL, "db_write inside of db_write"));
	conn->in_doubt = false;
	r = enter(conn);
	if (r == 0 && db_read_only(conn->db))
		r = conn_fail(conn, ERR_READ_ONLY, "the database is read-only");
	if (r < 0)
		return leave(conn, r);
	conn->n_after = 0;
	r = conn->db->driver->write(conn, fn, arg);
	if (r < 0)
		return r;
	for (size_t i = 0; i < conn->n_after; i++)
		conn->after[i].fn(conn->after[i].arg);
	return r;
}
