/*
 * Each connection's prepared statements, found by the address of the statement, and the text that a statement has on
 * an engine ($cols expanded). Statements are static, so the table only grows to the number of statements of the program.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "db/driver_impl.h"

static size_t slot_of(const struct prepared_table *t, const void *key)
{
	uint64_t hash = (uint64_t)(uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15);
	size_t i = (size_t)(hash >> 32) & (t->size - 1);

	while (t->entries[i].key && t->entries[i].key != key)
		i = (i + 1) & (t->size - 1);
	return i;
}

static bool grow(struct prepared_table *t)
{
	struct prepared_table bigger = { .n = t->n, .size = t->size ? t->size * 2 : 64 };

	bigger.entries = mem_array(bigger.size, sizeof(*bigger.entries));
	if (!bigger.entries)
		return false;
	for (size_t i = 0; i < t->size; i++)
		if (t->entries[i].key)
			bigger.entries[slot_of(&bigger, t->entries[i].key)] = t->entries[i];
	free(t->entries);
	*t = bigger;
	return true;
}

static void add_columns(struct buf *text, const struct db_row *row)
{
	for (size_t i = 0; i < row->n; i++) {
		if (i)
			buf_add_text(text, ", ");
		buf_add_text(text, row->columns[i].expression);
	}
}

static void add_expanded(struct buf *text, const char *sql, const struct db_row *row)
{
	const char *cols;

	while ((cols = strstr(sql, "$cols")) && row) {
		buf_add(text, sql, (size_t)(cols - sql));
		add_columns(text, row);
		sql = cols + strlen("$cols");
	}
	buf_add_text(text, sql);
}

/* The highest n of "$n" in the text. */
static size_t count_params(const char *sql)
{
	size_t most = 0;

	for (const char *p = strchr(sql, '$'); p; p = strchr(p + 1, '$')) {
		size_t n = strtoul(p + 1, NULL, 10);

		if (p[1] >= '1' && p[1] <= '9' && n > most)
			most = n;
	}
	return most;
}

static int prepare_new(struct db_conn *conn, const struct db_statement *st, const struct db_param *params, size_t n,
                       struct prepared_entry *e)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	const char *own = conn->db->driver->engine == DB_SQLITE ? st->sqlite : st->postgresql;
	const char *sql = own ? own : st->sql;

	if (!sql)
		return conn_fail(conn, ERR_INTERNAL, "the statement has no text for this engine");
	add_expanded(&text, sql, st->row);
	if (text.failed)
		return ERR_NOMEM;
	e->n_params = count_params(text.data);
	if (e->n_params > n)
		return conn_fail(conn, ERR_INTERNAL, "%zu arguments for %zu parameters", n, e->n_params);
	return conn->db->driver->prepare(conn, st, text.data, params, e->n_params, &e->prepared);
}

int conn_prepare(struct db_conn *conn, const void *key, const struct db_statement *st, const struct db_param *params, size_t n,
                 const struct prepared_entry **ret_entry)
{
	struct prepared_table *t = &conn->prepared;
	struct prepared_entry *e;
	int r;

	if (t->n * 2 >= t->size && !grow(t))
		return ERR_NOMEM;
	e = &t->entries[slot_of(t, key)];
	if (!e->key) {
		r = prepare_new(conn, st, params, n, e);
		if (r < 0)
			return r;
		e->key = key;
		t->n++;
	}
	if (e->n_params > n)
		return conn_fail(conn, ERR_INTERNAL, "%zu arguments for %zu parameters", n, e->n_params);
	*ret_entry = e;
	return 0;
}

void conn_forget_prepared(struct db_conn *conn)
{
	struct prepared_table *t = &conn->prepared;

	for (size_t i = 0; i < t->size; i++)
		if (t->entries[i].key)
			conn->db->driver->finalize(conn, t->entries[i].prepared);
	free(t->entries);
	*t = (struct prepared_table){ NULL, 0, 0 };
}
