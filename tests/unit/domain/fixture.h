/*
 * A database with the whole schema, on either engine: a group of tests has an engine and one connection (its state is a
 * struct fixture), each test begins with empty tables. The same cases run on both.
 */
#ifndef TESTS_UNIT_DOMAIN_FIXTURE_H
#define TESTS_UNIT_DOMAIN_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "db/schema.h"
#include "tests/lib/server.h"
#include "tests/lib/test.h"

#define TEXT(literal) ((struct str)STR(literal))
#define NOTHING       ((struct str){ NULL, 0 })

struct fixture {
	enum db_engine engine;
	struct test_postgres pg;
	char folder[64];
	struct db *db;
	struct db_conn *conn;
	struct arena arena;
};

static inline void assert_text_(struct str text, const char *expected, const char *file, int line)
{
	if (str_equal(text, str_of(expected)))
		return;
	print_error("got \"%.*s\"%s, wanted \"%s\"\n", STR_ARG(text), text.s ? "" : " (absent)", expected ? expected : "(absent)");
	_fail(file, line);
}
#define assert_text(text, expected) assert_text_(text, expected, __FILE__, __LINE__)

static inline int run_script(struct db_conn *conn, void *sql)
{
	return db_script(conn, sql);
}

/* Runs statements in one transaction. Times are texts in UTC, which both engines take. */
static inline void write_rows(struct fixture *f, const char *sql)
{
	char *copy = strdup(sql);
	int r = db_write(f->conn, run_script, copy);

	if (r != 0)
		print_error("%d %s: %s\n", r, db_error(f->conn), copy);
	free(copy);
	assert_int_equal(r, 0);
}

/* A call succeeded. */
#define assert_ok(call) assert_ok_(f, call, __FILE__, __LINE__)

static inline void assert_ok_(struct fixture *f, int r, const char *file, int line)
{
	if (r == 0)
		return;
	print_error("%s: %s\n", error_name(r), db_error(f->conn));
	_fail(file, line);
}

/* Midnight of a day of January 2026, as the fixtures write it: '2026-01-05 00:00:00'. */
static inline int64_t january(int day)
{
	return (INT64_C(1767225600) + (day - 1) * INT64_C(86400)) * US_PER_S;
}

static inline void open_database(struct fixture *f, const char *url)
{
	const struct db_config config = {
		.url = url, .statement_limit_us = 10 * US_PER_S, .connect_limit_us = 10 * US_PER_S, .create = true
	};
	struct buf differences = BUF_EMPTY;
	enum schema_state before;
	struct error err = { 0 };

	if (db_open(&config, &f->db, &err) < 0 || db_connect(f->db, &f->conn, &err) < 0)
		fail_msg("%s: %s", url, err.text);
	if (schema_migrate(f->conn, &before, &differences) < 0)
		fail_msg("schema: %s %s", db_error(f->conn), differences.data ? differences.data : "");
	assert_int_equal(before, SCHEMA_EMPTY);
	buf_finish(&differences);
}

static inline int start_sqlite(void **state)
{
	static struct fixture f;
	char url[100];

	f = (struct fixture){ .engine = DB_SQLITE };
	*state = &f;
	test_folder_make(f.folder);
	snprintf(url, sizeof(url), "sqlite:///%s/db.sqlite3", f.folder);
	open_database(&f, url);
	return 0;
}

static inline int start_postgresql(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .engine = DB_POSTGRESQL };
	*state = &f;
	test_postgres_start(&f.pg);
	open_database(&f, f.pg.url);
	return 0;
}

static inline int stop(void **state)
{
	struct fixture *f = *state;

	db_disconnect(f->conn);
	db_close(f->db);
	if (f->engine == DB_POSTGRESQL)
		test_postgres_stop(&f->pg);
	else
		test_folder_remove(f->folder);
	return 0;
}

/* A statement for each table of the schema; foreign keys are looked at when all have run. */
static const char empty_all_tables[] =
#define TABLE(name, owner) "DELETE FROM " #name ";"
#define COLUMN(name, type, flags)
#define REFERENCE(name, type, flags, table, rule)
#define INDEX(name, flags, columns, where)
#define MIGRATION(app, name)
#include "db/schema.def"
#undef TABLE
#undef COLUMN
#undef REFERENCE
#undef INDEX
#undef MIGRATION
        ;

static inline int begin(void **state)
{
	struct fixture *f = *state;

	arena_init(&f->arena, 1 << 20);
	write_rows(f, empty_all_tables);
	return 0;
}

static inline int end(void **state)
{
	struct fixture *f = *state;

	fault_disarm_all();
	arena_finish(&f->arena);
	return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

/* Runs the cases on SQLite, then on PostgreSQL. */
#define RUN_ON_BOTH(tests)                                                  \
	(cmocka_run_group_tests_name("sqlite", tests, start_sqlite, stop) + \
	 cmocka_run_group_tests_name("postgresql", tests, start_postgresql, stop))

#endif
