/* SQLite's own: opening what may be there, reading what cannot be written, what is stored. */
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "db/sqlite_impl.h"
#include "tests/unit/db/fixture.h"

#define COUNT_THINGS "SELECT count(*) FROM thing"

static void path_in(const struct fixture *f, const char *name, char ret_path[200])
{
	snprintf(ret_path, 200, "%s/%s", f->folder, name);
}

static int try_open(const char *url, bool create, struct error *err)
{
	const struct db_config config = { .url = url, .create = create, .connect_limit_us = 300 * US_PER_MS };
	struct db *db = NULL;
	int r = db_open(&config, &db, err);

	if (r == 0)
		db_close(db);
	return r;
}

static void check_refused(const char *url, int expected, const char *word)
{
	struct error err = { 0 };
	int r = try_open(url, true, &err);

	if (r != expected || err.code != expected || !strstr(err.text, word))
		fail_msg("%s: %d %s", url, r, err.text);
}

static void write_file(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

static void test_sqlite__what_cannot_be_opened_is_explained(void **state)
{
	struct fixture *f = *state;
	char url[300], path[200];

	check_refused("mysql://localhost/x", ERR_CONFIG, "sqlite://");
	check_refused("", ERR_CONFIG, "sqlite://");
	check_refused("sqlite://", ERR_CONFIG, "sqlite:///");
	check_refused("sqlite:///", ERR_CONFIG, "sqlite:///");
	check_refused("sqlite:///:memory:", ERR_CONFIG, "sqlite:///");
	check_refused("sqlite://file.db", ERR_CONFIG, "sqlite:///");
	snprintf(url, sizeof(url), "sqlite:///%s/none/x.db", f->folder);
	check_refused(url, ERR_IO, "there is no folder");
	snprintf(url, sizeof(url), "sqlite:///%s", f->folder);
	check_refused(url, ERR_IO, "is a folder");
	check_refused("sqlite:////dev/null", ERR_IO, "not a regular file");
	path_in(f, "letter.txt", path);
	write_file(path, "Dear database, this is not you; and it is long enough to be looked at, a hundred bytes and a few more...", 100);
	snprintf(url, sizeof(url), "sqlite:///%s", path);
	check_refused(url, ERR_CORRUPT, "not a database");
	snprintf(url, sizeof(url), "sqlite:///%s/letter.txt/x.db", f->folder);
	check_refused(url, ERR_IO, "there is no folder");
}

static void test_sqlite__a_missing_file_is_made_only_when_asked(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char url[300], path[200];

	path_in(f, "new.db", path);
	snprintf(url, sizeof(url), "sqlite:///%s", path);
	assert_int_equal(try_open(url, false, &err), ERR_IO);
	assert_non_null(strstr(err.text, "no such file"));
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(try_open(url, true, &err), 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(try_open(url, false, &err), 0);
	write_file(path, "", 0);
	assert_int_equal(try_open(url, false, &err), 0);
}

static void test_sqlite__paths_may_hold_anything(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	char url[300], path[200];

	snprintf(url, sizeof(url), "sqlite:///%s/a%%20b%%3F%%25%%23.db?mode=ignored", f->folder);
	assert_int_equal(try_open(url, true, &err), 0);
	path_in(f, "a b?%#.db", path);
	assert_int_equal(access(path, F_OK), 0);
}

static void test_sqlite__relative_paths(void **state)
{
	struct fixture *f = *state;
	CLEANUP(cleanup_free) char *before = getcwd(NULL, 0);
	struct error err = { 0 };
	char path[200];

	path_in(f, "relative.db", path);
	assert_int_equal(chdir(f->folder), 0);
	assert_int_equal(try_open("sqlite:///relative.db", true, &err), 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(chdir(before), 0);
}

static int read_pragmas(struct db_conn *conn, void *arg)
{
	assert_int_equal(count_of(conn, "SELECT synchronous FROM pragma_synchronous"), 2);
	assert_int_equal(count_of(conn, "SELECT foreign_keys FROM pragma_foreign_keys"), 1);
	return 0;
}

static void test_sqlite__the_file_is_safe(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
	assert_int_equal(db_write(f->conn, read_pragmas, NULL), 0);
}

static const struct db_statement insert_thing = {
	.sql = "INSERT INTO thing (name, flag, number, ratio, amount, at, doc) VALUES ($1, $2, $3, $4, $5, $6, $7)",
};

static int insert_two(struct db_conn *conn, void *arg)
{
	const struct json_text doc = { STR("{}") };
	int r = db_execute(conn, &insert_thing,
	                   DB_PARAMS(DB_TEXT(str_of("a")), DB_BOOL(true), DB_INT(5), DB_FLOAT(2), DB_DECIMAL((struct decimal){ 25000 }),
	                             DB_TIME((struct instant){ INT64_C(1767603600000000) }), DB_JSON(doc)),
	                   NULL);

	return r < 0 ? r
	             : db_execute(conn, &insert_thing,
	                          DB_PARAMS(DB_TEXT(str_of("b")), DB_BOOL(false), DB_INT(5), DB_FLOAT(2.5),
	                                    DB_DECIMAL((struct decimal){ 25050 }), DB_TIME((struct instant){ INT64_C(1767603600120000) }),
	                                    DB_JSON(doc)),
	                          NULL);
}

/* Byte for byte what Django stores, so that it finds its own when it compares. */
static void test_sqlite__values_are_stored_as_django_does(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(db_write(f->conn, insert_two, NULL), 0);
	assert_int_equal(
	        count_of(f->conn,
	                 "SELECT count(*) FROM thing WHERE name = 'a' AND flag = 1 AND typeof(flag) = 'integer' AND typeof(ratio) = 'real'"
	                 " AND typeof(amount) = 'integer' AND amount = 250 AND at = '2026-01-05 09:00:00' AND typeof(doc) = 'text'"),
	        1);
	assert_int_equal(count_of(f->conn,
	                          "SELECT count(*) FROM thing WHERE name = 'b' AND flag = 0 AND typeof(amount) = 'real' AND amount = 250.5"
	                          " AND at = '2026-01-05 09:00:00.120000'"),
	                 1);
}

static const struct db_statement one_thing = { .sql = "SELECT $cols FROM thing WHERE name = 'x'", .row = &thing_row };

static int read_x(struct fixture *f, const char *assignment, struct thing *ret_thing)
{
	char sql[200];

	must_write(f->conn, "DELETE FROM thing; INSERT INTO thing (name) VALUES ('x')");
	snprintf(sql, sizeof(sql), "UPDATE thing SET %s", assignment);
	must_write(f->conn, sql);
	return db_select_one(f->conn, &one_thing, DB_NO_PARAMS, &f->arena, ret_thing);
}

/* SQLite's types are advice: what is in the file decides. */
static void test_sqlite__odd_values_are_read_or_refused(void **state)
{
	struct fixture *f = *state;
	struct thing t;

	assert_int_equal(read_x(f, "amount = 0.1 + 0.2", &t), 0);
	assert_int_equal(t.amount.cents, 30);
	assert_int_equal(read_x(f, "amount = -1234567890.99", &t), 0);
	assert_int_equal(t.amount.cents, INT64_C(-123456789099));
	assert_int_equal(read_x(f, "ratio = 3, number = 4.0", &t), 0);
	assert_true(t.ratio == 3 && t.number == 4);
	assert_int_equal(read_x(f, "at = '2026-01-05T09:00:00Z', doc = 17", &t), 0);
	assert_true(t.at.us == INT64_C(1767603600000000) && str_is(t.doc.text, "17"));
	assert_int_equal(read_x(f, "number = 'many'", &t), ERR_CORRUPT);
	assert_int_equal(read_x(f, "number = 1.5", &t), ERR_CORRUPT);
	assert_int_equal(read_x(f, "number = 1e30", &t), ERR_CORRUPT);
	assert_int_equal(read_x(f, "at = 'yesterday'", &t), ERR_CORRUPT);
	assert_int_equal(read_x(f, "at = 5", &t), ERR_CORRUPT);
	assert_int_equal(read_x(f, "amount = 'much'", &t), ERR_CORRUPT);
	assert_int_equal(read_x(f, "amount = 9e18", &t), ERR_CORRUPT);
	assert_int_equal(read_x(f, "flag = 'perhaps'", &t), ERR_CORRUPT);
	assert_non_null(strstr(db_error(f->conn), "flag"));
}

static void test_sqlite__damage_is_told_apart(void **state)
{
	struct fixture *f = *state;
	char path[200], garbage[4096];
	int64_t n;
	int fd;

	must_write(f->conn,
	           "INSERT INTO thing (name, number) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
	           " SELECT 'name ' || i, i FROM n");
	close_fixture(f);
	path_in(f, "db.sqlite3", path);
	memset(garbage, 0xA5, sizeof(garbage));
	fd = open(path, O_WRONLY);
	for (int page = 2; page < 12; page++)
		assert_int_equal(pwrite(fd, garbage, sizeof(garbage), page * 4096), sizeof(garbage));
	close(fd);
	open_fixture(f);
	assert_int_equal(db_select_int(f->conn, "SELECT sum(length(name)) FROM thing NOT INDEXED", DB_NO_PARAMS, &n), ERR_CORRUPT);
	assert_int_equal(db_select_int(f->conn, "SELECT 1", DB_NO_PARAMS, &n), 0);
	close_fixture(f);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, garbage, sizeof(garbage), 0), sizeof(garbage));
	close(fd);
	check_refused(f->url, ERR_CORRUPT, "not a database");
	assert_int_equal(unlink(path), 0);
	open_fixture(f);
}

/* Another program, as Django is one. */
static sqlite3 *lock_as_another(struct fixture *f, const char *how)
{
	sqlite3 *other;
	char path[200];

	path_in(f, "db.sqlite3", path);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, how, NULL, NULL, NULL), SQLITE_OK);
	return other;
}

static void test_sqlite__another_program_may_hold_the_lock(void **state)
{
	struct fixture *f = *state;
	int64_t start_us, took_us;
	sqlite3 *other;

	close_fixture(f);
	f->db = open_db(f->url, 300 * US_PER_MS);
	f->conn = connect_db(f->db);
	other = lock_as_another(f, "BEGIN IMMEDIATE; INSERT INTO thing (name) VALUES ('theirs')");
	start_us = clock_monotonic_us();
	assert_int_equal(write_script(f->conn, "INSERT INTO thing (name) VALUES ('ours')"), ERR_TIMEOUT);
	took_us = clock_monotonic_us() - start_us;
	assert_in_range(took_us, 250 * US_PER_MS, 2 * US_PER_S);
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 0);
	assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	must_write(f->conn, "INSERT INTO thing (name) VALUES ('ours')");
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 2);
	sqlite3_close(other);
}

static void test_sqlite__a_locked_file_cannot_be_opened_now(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	sqlite3 *other;

	close_fixture(f);
	other = lock_as_another(f, "PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE");
	assert_int_equal(try_open(f->url, true, &err), ERR_UNAVAILABLE);
	assert_non_null(strstr(err.text, "locked"));
	sqlite3_close(other);
	open_fixture(f);
}

/*
 * Reading what cannot be written. As root everything can be, so these run in a child that is another user. CHECK tells where
 * it failed.
 */
#define CHECK(condition)                                                    \
	do {                                                                \
		if (!(condition)) {                                         \
			print_error("line %d: %s\n", __LINE__, #condition); \
			return 1;                                           \
		}                                                           \
	} while (0)

struct reader {
	struct fixture *f;
	int expected; /* things */
	enum file_access access;
	int (*more)(struct reader *, struct db *, struct db_conn *); /* what else is to be seen, or NULL */
	int from_parent[2], from_child[2];
};

static int read_as_child(struct reader *reader)
{
	const struct db_config config = { .url = reader->f->url, .create = true };
	struct error err = { 0 };
	struct db_conn *conn;
	struct db *db;
	int64_t n;
	int r = db_open(&config, &db, &err);

	if (r < 0)
		print_error("%s\n", err.text);
	CHECK(r == 0);
	CHECK(db_connect(db, &conn, &err) == 0);
	CHECK(db_read_only(db));
	CHECK(atomic_load(&((struct sqlite_db *)db)->access) == (int)reader->access);
	CHECK(db_select_int(conn, COUNT_THINGS, DB_NO_PARAMS, &n) == 0);
	CHECK(n == reader->expected);
	CHECK(write_script(conn, "DELETE FROM thing") == ERR_READ_ONLY);
	db_probe(db);
	CHECK(db_available(db));
	CHECK(db_select_int(conn, COUNT_THINGS, DB_NO_PARAMS, &n) == 0);
	CHECK(n == reader->expected);
	r = reader->more ? reader->more(reader, db, conn) : 0;
	db_disconnect(conn);
	db_close(db);
	return r;
}

static pid_t start_reader(struct reader *reader)
{
	pid_t pid;

	assert_int_equal(pipe(reader->from_parent), 0);
	assert_int_equal(pipe(reader->from_child), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		_exit(read_as_child(reader));
	}
	return pid;
}

static void finish_reader(struct reader *reader, pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (int i = 0; i < 2; i++) {
		close(reader->from_parent[i]);
		close(reader->from_child[i]);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void set_modes(struct fixture *f, mode_t file, mode_t folder)
{
	char path[200];

	path_in(f, "db.sqlite3", path);
	assert_int_equal(chmod(path, file), 0);
	assert_int_equal(chmod(f->folder, folder), 0);
}

/* Ten things, and the database closed, with the given journal. */
static void leave_file(struct fixture *f, const char *journal_mode)
{
	sqlite3 *other;

	must_write(f->conn, "INSERT INTO thing (name, number) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)"
	                    " SELECT 'name ' || i, i FROM n");
	close_fixture(f);
	other = lock_as_another(f, journal_mode);
	sqlite3_close(other);
}

static void check_reading(struct fixture *f, mode_t file, mode_t folder, enum file_access access)
{
	struct reader reader = { .f = f, .expected = 10, .access = access };

	set_modes(f, file, folder);
	finish_reader(&reader, start_reader(&reader));
	set_modes(f, 0644, 0755);
}

static void test_sqlite__a_file_with_a_rollback_journal_is_read(void **state)
{
	struct fixture *f = *state;

	leave_file(f, "PRAGMA journal_mode=DELETE");
	check_reading(f, 0444, 0555, FILE_READ);
	check_reading(f, 0444, 0777, FILE_READ); /* the file alone */
	check_reading(f, 0666, 0555, FILE_READ); /* the folder alone */
	open_fixture(f);
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 10);
}

static void tell(const int fds[2])
{
	assert_int_equal(write(fds[1], "x", 1), 1);
}

static bool hear(const int fds[2])
{
	char byte;

	return read(fds[0], &byte, 1) == 1;
}

/* Somebody who may write does: the child's next probe sees it. */
static int see_change(struct reader *reader, struct db *db, struct db_conn *conn)
{
	int64_t n;

	CHECK(write(reader->from_child[1], "x", 1) == 1);
	CHECK(hear(reader->from_parent));
	db_probe(db);
	CHECK(db_available(db));
	CHECK(db_select_int(conn, COUNT_THINGS, DB_NO_PARAMS, &n) == 0);
	CHECK(n == 11);
	return 0;
}

static void test_sqlite__a_file_in_wal_mode_without_a_wal_is_read(void **state)
{
	struct fixture *f = *state;
	struct reader reader = { .f = f, .expected = 10, .access = FILE_IMMUTABLE, .more = see_change };
	sqlite3 *other;
	pid_t pid;

	leave_file(f, "PRAGMA journal_mode=WAL");
	set_modes(f, 0444, 0555);
	pid = start_reader(&reader);
	if (hear(reader.from_child)) {
		other = lock_as_another(f, "INSERT INTO thing (name) VALUES ('late')");
		sqlite3_close(other);
		tell(reader.from_parent);
	}
	finish_reader(&reader, pid);
	set_modes(f, 0644, 0755);
	open_fixture(f);
}

/* A crash leaves a WAL with committed rows; then the folder is mounted read-only, say. */
static void test_sqlite__a_wal_that_was_left_behind_is_read(void **state)
{
	struct fixture *f = *state;
	char command[600];

	must_write(f->conn, "INSERT INTO thing (name) VALUES ('1'), ('2'), ('3'), ('4'), ('5'), ('6'), ('7'), ('8'), ('9'), ('10')");
	snprintf(command, sizeof(command), "cd %s && mkdir crashed && cp db.sqlite3 db.sqlite3-wal crashed/", f->folder);
	assert_int_equal(system(command), 0);
	close_fixture(f);
	snprintf(command, sizeof(command), "cd %s && mv crashed/* . && rm -f db.sqlite3-shm && chmod 0444 db.sqlite3-wal", f->folder);
	assert_int_equal(system(command), 0);
	check_reading(f, 0444, 0555, FILE_PRIVATE);
	open_fixture(f);
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 10);
}

static void test_sqlite__beside_a_live_writer_it_is_read(void **state)
{
	struct fixture *f = *state;
	struct reader reader = { .f = f, .expected = 10, .access = FILE_READ, .more = see_change };
	pid_t pid;

	must_write(f->conn, "INSERT INTO thing (name) VALUES ('1'), ('2'), ('3'), ('4'), ('5'), ('6'), ('7'), ('8'), ('9'), ('10')");
	set_modes(f, 0644, 0755);
	pid = start_reader(&reader);
	if (hear(reader.from_child)) {
		must_write(f->conn, "INSERT INTO thing (name) VALUES ('late')");
		tell(reader.from_parent);
	}
	finish_reader(&reader, pid);
}

static void test_sqlite__a_file_that_may_not_be_read(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	pid_t pid;
	int status;

	leave_file(f, "PRAGMA journal_mode=DELETE");
	set_modes(f, 0600, 0755);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		if (geteuid() != 65534)
			set_modes(f, 0000, 0755);
		_exit(try_open(f->url, true, &err) == ERR_IO && strstr(err.text, "Permission denied") ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	set_modes(f, 0644, 0755);
	open_fixture(f);
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, fixture_open, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_sqlite__what_cannot_be_opened_is_explained),
		EACH(test_sqlite__a_missing_file_is_made_only_when_asked),
		EACH(test_sqlite__paths_may_hold_anything),
		EACH(test_sqlite__relative_paths),
		EACH(test_sqlite__the_file_is_safe),
		EACH(test_sqlite__values_are_stored_as_django_does),
		EACH(test_sqlite__odd_values_are_read_or_refused),
		EACH(test_sqlite__damage_is_told_apart),
		EACH(test_sqlite__another_program_may_hold_the_lock),
		EACH(test_sqlite__a_locked_file_cannot_be_opened_now),
		EACH(test_sqlite__a_file_with_a_rollback_journal_is_read),
		EACH(test_sqlite__a_file_in_wal_mode_without_a_wal_is_read),
		EACH(test_sqlite__a_wal_that_was_left_behind_is_read),
		EACH(test_sqlite__beside_a_live_writer_it_is_read),
		EACH(test_sqlite__a_file_that_may_not_be_read),
	};

	return cmocka_run_group_tests(tests, fixture_start_sqlite, fixture_stop);
}
