#include "db/backup.h"

#include <sys/stat.h>

#include "tests/unit/db/fixture.h"

#define COUNT_THINGS "SELECT count(*) FROM thing"

struct watching {
	struct fixture *f;
	struct db_conn *writer;
	int64_t calls, last;
	bool forward;
};

/* Something is written between the steps: the copy must not see it, nor begin anew. */
static void write_meanwhile(void *arg, int64_t done, int64_t pages)
{
	struct watching *w = arg;

	w->calls++;
	w->forward = w->forward && done > w->last && done <= pages;
	w->last = done;
	must_write(w->writer, "INSERT INTO thing (number) VALUES (0)");
}

static void fill(struct fixture *f, int rows)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO thing (doc) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT "
	         "hex(randomblob(8000)) FROM n",
	         rows);
	must_write(f->conn, sql);
}

static int64_t count_in(const char *path)
{
	char url[300];
	struct db *db;
	struct db_conn *conn;
	int64_t n;

	snprintf(url, sizeof(url), "sqlite:///%s", path);
	db = open_db(url, STATEMENT_LIMIT_US);
	conn = connect_db(db);
	n = count_of(conn, COUNT_THINGS);
	db_disconnect(conn);
	db_close(db);
	return n;
}

static void test_backup__is_the_state_of_one_moment_while_others_write(void **state)
{
	struct fixture *f = *state;
	struct watching w = { .f = f, .writer = connect_db(f->db), .forward = true };
	struct error err = { 0 };
	struct stat st;
	char path[200], journal[220];
	const struct db_backup backup = { .path = path, .progress = write_meanwhile, .arg = &w };

	fill(f, 900); /* 14 MiB: several steps */
	snprintf(path, sizeof(path), "%s/copy", f->folder);
	if (db_backup(f->conn, &backup, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(w.calls >= 3 && w.forward);
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 900 + w.calls);
	snprintf(journal, sizeof(journal), "%s-wal", path);
	assert_int_equal(stat(journal, &st), -1);
	assert_int_equal(count_in(path), 900);
	must_write(f->conn, "INSERT INTO thing (number) VALUES (1)"); /* the source is as usable as before */
	db_disconnect(w.writer);
}

static void test_backup__the_file_of_a_database_is_known(void **state)
{
	struct fixture *f = *state;
	char path[200];

	snprintf(path, sizeof(path), "%s/db.sqlite3", f->folder);
	assert_string_equal(db_file(f->db), path);
}

static void test_backup__what_cannot_be_written_is_said(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char path[200];
	const struct db_backup backup = { .path = path };

	snprintf(path, sizeof(path), "%s/none/copy", f->folder);
	assert_int_equal(db_backup(f->conn, &backup, &err), ERR_IO);
	assert_non_null(strstr(err.text, path));
	must_write(f->conn, "INSERT INTO thing (number) VALUES (1)");
	snprintf(path, sizeof(path), "%s/copy", f->folder);
	assert_int_equal(db_backup(f->conn, &backup, &err), 0);
	assert_int_equal(count_in(path), 1);
}

static void test_backup__postgresql_has_pg_dump(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	const struct db_backup backup = { .path = "nowhere" };

	assert_null(db_file(f->db));
	assert_int_equal(db_backup(f->conn, &backup, &err), ERR_INVALID);
	assert_non_null(strstr(err.text, "pg_dump"));
	assert_null(strstr(err.text, "@"));
}

int main(void)
{
	static const struct CMUnitTest on_sqlite[] = {
		cmocka_unit_test_setup_teardown(test_backup__is_the_state_of_one_moment_while_others_write, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(test_backup__the_file_of_a_database_is_known, fixture_open, fixture_close),
		cmocka_unit_test_setup_teardown(test_backup__what_cannot_be_written_is_said, fixture_open, fixture_close),
	};
	static const struct CMUnitTest on_postgresql[] = {
		cmocka_unit_test_setup_teardown(test_backup__postgresql_has_pg_dump, fixture_open, fixture_close),
	};

	return cmocka_run_group_tests_name("sqlite", on_sqlite, fixture_start_sqlite, fixture_stop) +
	       cmocka_run_group_tests_name("postgresql", on_postgresql, fixture_start_postgresql, fixture_stop);
}
