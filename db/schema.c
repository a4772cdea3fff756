/*
 * The schema: making a database current.
 *
 * Everything happens in one transaction, so a database has the whole of it or nothing. Several processes may start at
 * once: SQLite's write lock, and an advisory lock on PostgreSQL, let one of them work; the others look again and find it done.
 */
#include "db/schema.h"

#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "db/driver_impl.h"
#include "db/schema_impl.h"

/* How long a start waits for another process that migrates. */
#define LOCK_LIMIT_US (60 * US_PER_S)

/* The advisory lock's key: "egoejo" in ASCII. */
#define TRY_LOCK "SELECT CASE WHEN pg_try_advisory_lock(111494924954223) THEN 1 ELSE 0 END"
#define UNLOCK   "SELECT CASE WHEN pg_advisory_unlock(111494924954223) THEN 1 ELSE 0 END"

static const struct db_statement insert_migration = {
	.sql = "INSERT INTO django_migrations (app, name, applied) VALUES ($1, $2, $3)",
};

static const struct db_statement insert_version = {
	.sql = "INSERT INTO egoejo_schema (version, applied_at) VALUES ($1, $2)",
};

/* The server's own limit is that of one statement of a request; the index of a large table takes longer. */
static int allow_time(struct db_conn *conn)
{
	char sql[64];

	if (db_engine(db_of(conn)) != DB_POSTGRESQL)
		return 0;
	snprintf(sql, sizeof(sql), "SET LOCAL statement_timeout = %lld", (long long)(DB_SCRIPT_LIMIT_US / US_PER_MS));
	return db_script(conn, sql);
}

static int run_script(struct db_conn *conn, const struct buf *sql)
{
	int r = sql->failed ? ERR_NOMEM : allow_time(conn);

	return r < 0 ? r : db_script(conn, buf_view(sql).s);
}

static int create_everything(struct db_conn *conn)
{
	CLEANUP(buf_finish) struct buf sql = BUF_EMPTY;

	for (size_t i = 0; i < schema_n_items; i++)
		if (schema_items[i].what == SCHEMA_TABLE)
			schema_add_table(&sql, db_engine(db_of(conn)), i);
	for (size_t i = 0; i < schema_n_items; i++)
		if (schema_items[i].what == SCHEMA_TABLE)
			schema_add_foreign_keys(&sql, db_engine(db_of(conn)), i);
	return run_script(conn, &sql);
}

static int create_missing(struct db_conn *conn, const struct schema_look *look)
{
	CLEANUP(buf_finish) struct buf sql = BUF_EMPTY;

	for (size_t i = 0; i < look->n_missing; i++)
		schema_add_table(&sql, db_engine(db_of(conn)), look->missing[i]);
	for (size_t i = 0; i < look->n_missing; i++)
		schema_add_foreign_keys(&sql, db_engine(db_of(conn)), look->missing[i]);
	for (size_t i = 0; i < schema_n_items; i++)
		if (schema_items[i].what == SCHEMA_TABLE && schema_items[i].owner == OURS)
			schema_add_missing_indexes(&sql, i);
	return run_script(conn, &sql);
}

static int record_migrations(struct db_conn *conn)
{
	struct instant now = clock_now();
	int r = 0;

	for (size_t i = 0; i < schema_n_items && r == 0; i++) {
		const struct schema_item *item = &schema_items[i];

		if (item->what == SCHEMA_MIGRATION)
			r = db_execute(conn, &insert_migration,
			               DB_PARAMS(DB_TEXT(str_of(item->name)), DB_TEXT(str_of(item->columns)), DB_TIME(now)), NULL);
	}
	return r;
}

static int record_version(struct db_conn *conn, const struct schema_look *look)
{
	int r = 0;

	for (int64_t version = look->version + 1; version <= SCHEMA_VERSION && r == 0; version++)
		r = db_execute(conn, &insert_version, DB_PARAMS(DB_INT(version), DB_TIME(clock_now())), NULL);
	return r;
}

static int complete(struct db_conn *conn, const struct schema_look *look)
{
	int r;

	if (look->state == SCHEMA_EMPTY) {
		r = create_everything(conn);
		if (r == 0)
			r = record_migrations(conn);
	} else {
		r = create_missing(conn, look);
	}
	return r < 0 ? r : record_version(conn, look);
}

/* The closure: looks again, since another process may have been here meanwhile. */
static int migrate_locked(struct db_conn *conn, void *arg)
{
	struct schema_look *look = arg;
	int r = schema_look(conn, look);

	if (r < 0 || look->state == SCHEMA_CURRENT)
		return r;
	return look->state == SCHEMA_FOREIGN ? ERR_SCHEMA : complete(conn, look);
}

static void pause_a_little(void)
{
	nanosleep(&(const struct timespec){ 0, 50 * 1000 * 1000 }, NULL);
}

static int lock(struct db_conn *conn)
{
	int64_t deadline_us = clock_monotonic_us() + LOCK_LIMIT_US;
	int64_t mine = 0;
	int r = 0;

	if (db_engine(db_of(conn)) == DB_SQLITE)
		return 0;
	while ((r = db_select_int(conn, TRY_LOCK, DB_NO_PARAMS, &mine)) == 0 && !mine && clock_monotonic_us() < deadline_us)
		pause_a_little();
	return r == 0 && !mine ? ERR_TIMEOUT : r;
}

static void unlock(struct db_conn *conn)
{
	int64_t was_mine;

	if (db_engine(db_of(conn)) == DB_POSTGRESQL)
		(void)db_select_int(conn, UNLOCK, DB_NO_PARAMS, &was_mine);
}

/* SQLite's lock is that of the write itself, which waits no longer than a statement may: ask again. */
static int write_when_free(struct db_conn *conn, struct schema_look *look)
{
	int64_t deadline_us = clock_monotonic_us() + LOCK_LIMIT_US;
	int r;

	while ((r = db_write(conn, migrate_locked, look)) == ERR_TIMEOUT && clock_monotonic_us() < deadline_us)
		pause_a_little();
	return r;
}

static int migrate(struct db_conn *conn, struct schema_look *look)
{
	int r = schema_look(conn, look);

	if (r < 0 || look->state == SCHEMA_CURRENT)
		return r;
	if (look->state == SCHEMA_FOREIGN)
		return ERR_SCHEMA;
	if (db_read_only(db_of(conn)))
		return ERR_READ_ONLY;
	r = lock(conn);
	if (r < 0)
		return r;
	r = write_when_free(conn, look);
	unlock(conn);
	return r;
}

int schema_migrate(struct db_conn *conn, enum schema_state *ret_before, struct buf *ret_differences)
{
	struct schema_look look = { .report = BUF_EMPTY };
	int r = migrate(conn, &look);

	*ret_before = look.state;
	buf_add_str(ret_differences, buf_view(&look.report));
	buf_finish(&look.report);
	return r;
}

int schema_inspect(struct db_conn *conn, enum schema_state *ret_state, struct buf *ret_differences)
{
	struct schema_look look = { .report = BUF_EMPTY };
	int r = schema_look(conn, &look);

	if (r == 0)
		*ret_state = look.state;
	buf_add_str(ret_differences, buf_view(&look.report));
	buf_finish(&look.report);
	return r;
}
