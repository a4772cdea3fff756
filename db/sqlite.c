/*
 * SQLite: statements. Opening is in sqlite_open.c, writing in writer.c.
 *
 * A connection belongs to one thread and is opened without mutexes. Values are stored as Django stores them: datetimes and
 * JSON as text, booleans as 0 and 1, decimals as numbers. The statement limit is a progress handler and a busy handler
 * that look at one deadline.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "db/sqlite_impl.h"
#include "db/value_impl.h"

struct sqlite_prepared {
	sqlite3_stmt *stmt;
	int n;        /* parameters */
	int number[]; /* SQLite numbers "$2" by first appearance: number[i] is the 2 of its i-th parameter */
};

/* Why a write did not reach the disk: full, or a limit on the size of files. */
static bool is_full(int system_errno)
{
	return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG;
}

static int code_of_io(sqlite3 *handle, int rc)
{
	/* A failed COMMIT is the one case that SQLite does not keep the number of; callers clear errno before they step. */
	int system_errno = sqlite3_system_errno(handle) ? sqlite3_system_errno(handle) : errno;

	if (rc == SQLITE_IOERR_NOMEM)
		return ERR_NOMEM;
	if (is_full(system_errno))
		return ERR_FULL;
	return system_errno == EROFS ? ERR_READ_ONLY : ERR_IO;
}

static int code_of_error(const char *message)
{
	struct str text = str_of(message);

	return str_starts(text, "no such table") || str_starts(text, "no such column") ? ERR_SCHEMA : ERR_INTERNAL;
}

static int code_of(sqlite3 *handle, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_INTERRUPT:
		return ERR_TIMEOUT;
	case SQLITE_CONSTRAINT:
		return ERR_CONFLICT;
	case SQLITE_READONLY:
		return ERR_READ_ONLY;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return code_of_io(handle, rc);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_TOOBIG:
		return ERR_LIMIT;
	case SQLITE_MISMATCH:
		return ERR_INVALID;
	case SQLITE_ERROR:
		return code_of_error(sqlite3_errmsg(handle));
	default:
		return ERR_INTERNAL;
	}
}

int sqlite_fail(struct db_conn *conn, int rc)
{
	sqlite3 *handle = sqlite_handle(conn);

	return conn_fail(conn, code_of(handle, rc), "%s", handle ? sqlite3_errmsg(handle) : sqlite3_errstr(rc));
}

int sqlite_run(struct db_conn *conn, const char *sql)
{
	int rc;

	errno = 0;
	rc = sqlite3_exec(sqlite_handle(conn), sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : sqlite_fail(conn, rc);
}

/* "$12" is 12; any other form of parameter is 0. */
static int number_of_name(const char *name)
{
	int64_t number;

	if (!name || name[0] != '$' || !str_to_uint(str_of(name + 1), &number) || number > 999)
		return 0;
	return (int)number;
}

static int map_params(struct db_conn *conn, struct sqlite_prepared *p)
{
	for (int i = 0; i < p->n; i++) {
		p->number[i] = number_of_name(sqlite3_bind_parameter_name(p->stmt, i + 1));
		if (!p->number[i])
			return conn_fail(conn, ERR_INTERNAL, "a parameter is not of the form $1");
	}
	return 0;
}

static void sqlite_finalize(struct db_conn *conn, void *prepared)
{
	struct sqlite_prepared *p = prepared;

	sqlite3_finalize(p->stmt);
	free(p);
}

static int wrap(struct db_conn *conn, sqlite3_stmt *stmt, size_t n_columns, struct sqlite_prepared **ret_prepared)
{
	int n = sqlite3_bind_parameter_count(stmt);
	struct sqlite_prepared *p = mem_alloc(sizeof(*p) + (size_t)n * sizeof(p->number[0]));
	int r;

	if (!p) {
		sqlite3_finalize(stmt);
		return ERR_NOMEM;
	}
	p->stmt = stmt;
	p->n = n;
	r = map_params(conn, p);
	if (r == 0 && n_columns && sqlite3_column_count(stmt) != (int)n_columns)
		r = conn_fail(conn, ERR_INTERNAL, "%d columns, the row table has %zu", sqlite3_column_count(stmt), n_columns);
	if (r < 0) {
		sqlite_finalize(conn, p);
		return r;
	}
	*ret_prepared = p;
	return 0;
}

static int sqlite_prepare(struct db_conn *conn, const struct db_statement *st, const char *text, const struct db_param *params, size_t n,
                          void **ret_prepared)
{
	struct sqlite_prepared *p;
	sqlite3_stmt *stmt = NULL;
	int rc, r;

	conn_arm_deadline(conn, conn->db->config.statement_limit_us);
	rc = sqlite3_prepare_v3(sqlite_handle(conn), text, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (rc != SQLITE_OK)
		return sqlite_fail(conn, rc);
	if (!stmt)
		return conn_fail(conn, ERR_INTERNAL, "an empty statement");
	r = wrap(conn, stmt, st->row ? st->row->n : 0, &p);
	if (r == 0)
		*ret_prepared = p;
	return r;
}

/* As Django's adapter and NUMERIC affinity leave it: whole amounts are integers. */
static int bind_decimal(sqlite3_stmt *stmt, int i, int64_t cents)
{
	if (cents % 100 == 0)
		return sqlite3_bind_int64(stmt, i, cents / 100);
	return sqlite3_bind_double(stmt, i, (double)cents / 100);
}

static int bind_time(sqlite3_stmt *stmt, int i, int64_t us)
{
	char text[CLOCK_ISO_SIZE];
	size_t n = clock_format_sql((struct instant){ us }, text);

	return sqlite3_bind_text(stmt, i, text, (int)n, SQLITE_TRANSIENT);
}

/* Texts are borrowed until finish clears the bindings. */
static int bind(sqlite3_stmt *stmt, int i, const struct db_param *p)
{
	if (value_is_null(p))
		return sqlite3_bind_null(stmt, i);
	switch (p->kind) {
	case KIND_BOOL:
		return sqlite3_bind_int(stmt, i, p->b);
	case KIND_INT:
		return sqlite3_bind_int64(stmt, i, p->i);
	case KIND_FLOAT:
		return sqlite3_bind_double(stmt, i, p->f);
	case KIND_DECIMAL:
		return bind_decimal(stmt, i, p->i);
	case KIND_TIME:
		return bind_time(stmt, i, p->i);
	case KIND_TEXT:
	case KIND_JSON:
		return sqlite3_bind_text64(stmt, i, p->s.s, p->s.len, SQLITE_STATIC, SQLITE_UTF8);
	default:
		return SQLITE_MISUSE;
	}
}

static int sqlite_start(struct db_conn *conn, void *prepared, const struct db_param *params, size_t n)
{
	struct sqlite_prepared *p = prepared;

	conn_arm_deadline(conn, conn->db->config.statement_limit_us);
	for (int i = 0; i < p->n; i++) {
		int rc;

		if ((size_t)p->number[i] > n)
			return conn_fail(conn, ERR_INTERNAL, "no argument for $%d", p->number[i]);
		rc = bind(p->stmt, i + 1, &params[p->number[i] - 1]);
		if (rc != SQLITE_OK)
			return sqlite_fail(conn, rc);
	}
	return 0;
}

static int sqlite_step(struct db_conn *conn, void *prepared)
{
	struct sqlite_prepared *p = prepared;
	int rc;

	errno = 0;
	rc = sqlite3_step(p->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : sqlite_fail(conn, rc);
}

static int64_t sqlite_finish(struct db_conn *conn, void *prepared)
{
	struct sqlite_prepared *p = prepared;
	int64_t changed = sqlite3_changes64(sqlite_handle(conn));

	sqlite3_reset(p->stmt);
	sqlite3_clear_bindings(p->stmt);
	return changed;
}

static int read_text(sqlite3_stmt *stmt, int i, enum kind kind, struct arena *arena, void *member)
{
	const char *text = (const char *)sqlite3_column_text(stmt, i);

	if (!text)
		return ERR_NOMEM;
	return value_from_text(kind, (struct str){ text, (size_t)sqlite3_column_bytes(stmt, i) }, arena, member);
}

static int read_integer(enum kind kind, int64_t value, void *member)
{
	switch (kind) {
	case KIND_BOOL:
		*(bool *)member = value != 0;
		return 0;
	case KIND_INT:
		*(int64_t *)member = value;
		return 0;
	case KIND_FLOAT:
		*(double *)member = (double)value;
		return 0;
	case KIND_DECIMAL:
		return __builtin_mul_overflow(value, 100, &((struct decimal *)member)->cents) ? ERR_CORRUPT : 0;
	default:
		return ERR_CORRUPT;
	}
}

static int read_real(enum kind kind, double value, void *member)
{
	switch (kind) {
	case KIND_INT:
		if (!(value >= -0x1p62 && value <= 0x1p62) || value != (double)(int64_t)value)
			return ERR_CORRUPT;
		*(int64_t *)member = (int64_t)value;
		return 0;
	case KIND_FLOAT:
		*(double *)member = value;
		return 0;
	case KIND_DECIMAL:
		return value_decimal_from_double(value, &((struct decimal *)member)->cents) ? 0 : ERR_CORRUPT;
	default:
		return ERR_CORRUPT;
	}
}

static int sqlite_column(struct db_conn *conn, void *prepared, int i, enum kind kind, struct arena *arena, void *member)
{
	sqlite3_stmt *stmt = ((struct sqlite_prepared *)prepared)->stmt;
	int type = sqlite3_column_type(stmt, i);

	if (type == SQLITE_NULL) {
		value_set_null(kind, member);
		return 0;
	}
	/* A column without strict types may hold a number where a text belongs: SQLite has its text form. */
	if (kind == KIND_TEXT || kind == KIND_JSON || type == SQLITE_TEXT || type == SQLITE_BLOB)
		return read_text(stmt, i, kind, arena, member);
	if (type == SQLITE_INTEGER)
		return read_integer(kind, sqlite3_column_int64(stmt, i), member);
	return read_real(kind, sqlite3_column_double(stmt, i), member);
}

static int sqlite_script(struct db_conn *conn, const char *sql)
{
	conn_arm_deadline(conn, DB_SCRIPT_LIMIT_US);
	return sqlite_run(conn, sql);
}

static int sqlite_write(struct db_conn *conn, db_write_fn fn, void *arg)
{
	return writer_write(sqlite_db_of(conn)->writer, conn, fn, arg);
}

const struct db_driver sqlite_driver = {
	.engine = DB_SQLITE,
	.create = sqlite_db_create,
	.open = sqlite_db_open,
	.destroy = sqlite_db_destroy,
	.connect = sqlite_db_connect,
	.disconnect = sqlite_db_disconnect,
	.ready = sqlite_db_ready,
	.prepare = sqlite_prepare,
	.finalize = sqlite_finalize,
	.start = sqlite_start,
	.step = sqlite_step,
	.column = sqlite_column,
	.finish = sqlite_finish,
	.script = sqlite_script,
	.write = sqlite_write,
	.probe = sqlite_db_probe,
};
