/* SQLite's writer: groups, savepoints, durability, a full disk. */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "db/sqlite_impl.h"
#include "tests/unit/db/fixture.h"

static const struct db_statement insert_thing = { .sql = "INSERT INTO thing (name, number) VALUES ($1, $2)" };
static const struct db_statement insert_part = { .sql = "INSERT INTO part (thing_id) VALUES ($1)" };
static const struct db_statement insert_doc = { .sql = "INSERT INTO thing (doc) VALUES ($1)" };

#define COUNT_THINGS "SELECT count(*) FROM thing"

/* Holds the writer in a closure until it is let go, so that others gather behind it. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool entered, open;
};

static int wait_at_gate(struct db_conn *conn, void *arg)
{
	struct gate *g = arg;

	pthread_mutex_lock(&g->lock);
	g->entered = true;
	pthread_cond_broadcast(&g->moved);
	while (!g->open)
		pthread_cond_wait(&g->moved, &g->lock);
	pthread_mutex_unlock(&g->lock);
	return 0;
}

enum deed { INSERT, FAIL_ITSELF, BREAK_UNIQUE, BREAK_FOREIGN_KEY, RUN_TOO_LONG };

struct call {
	struct db *db;
	pthread_t thread;
	pthread_barrier_t *queued; /* not used by all */
	enum deed deed;
	int number;
	int result;
	int64_t seen_inside;  /* things that the closure saw before its own */
	int64_t seen_outside; /* things that another connection saw then */
	int runs;
	char error[240];
};

#define ENDLESS "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n) x"

/* An INSERT that does not end: interrupting it makes SQLite roll back the whole transaction. */
static const struct db_statement insert_endlessly = {
	.sql = "INSERT INTO thing (number) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 1 FROM n WHERE i < 0",
};

static int64_t count_outside(struct db *db)
{
	struct db_conn *conn = connect_db(db);
	int64_t n = count_of(conn, COUNT_THINGS);

	db_disconnect(conn);
	return n;
}

static int act(struct db_conn *conn, void *arg)
{
	struct call *c = arg;
	char name[24];
	int r;

	c->runs++;
	snprintf(name, sizeof(name), "thing %d", c->number);
	r = db_select_int(conn, COUNT_THINGS, DB_NO_PARAMS, &c->seen_inside);
	c->seen_outside = count_outside(c->db);
	if (r == 0)
		r = db_execute(conn, &insert_thing, DB_PARAMS(DB_TEXT(str_of(name)), DB_INT(c->number)), NULL);
	if (r < 0)
		return r;
	switch (c->deed) {
	case INSERT:
		return 0;
	case FAIL_ITSELF:
		return ERR_FORBIDDEN;
	case BREAK_UNIQUE:
		return db_execute(conn, &insert_thing, DB_PARAMS(DB_TEXT(str_of(name)), DB_INT(0)), NULL);
	case BREAK_FOREIGN_KEY:
		return db_execute(conn, &insert_part, DB_PARAMS(DB_INT(99999)), NULL);
	case RUN_TOO_LONG:
		return db_execute(conn, &insert_endlessly, DB_NO_PARAMS, NULL);
	}
	return ERR_INTERNAL;
}

static int insert_only(struct db_conn *conn, void *arg)
{
	return db_execute(conn, &insert_thing, DB_PARAMS(DB_TEXT(str_of("only")), DB_INT(1)), NULL);
}

static void *do_call(void *arg)
{
	struct call *c = arg;
	struct db_conn *conn = connect_db(c->db);

	c->result = db_write(conn, act, c);
	snprintf(c->error, sizeof(c->error), "%s", db_error(conn));
	db_disconnect(conn);
	return NULL;
}

struct held {
	struct db_conn *conn;
	struct gate gate;
	pthread_t thread;
};

static void *hold(void *arg)
{
	struct held *h = arg;

	assert_int_equal(db_write(h->conn, wait_at_gate, &h->gate), 0);
	return NULL;
}

/* The writer waits at the gate when this returns. */
static void hold_writer(struct fixture *f, struct held *h)
{
	*h = (struct held){ .conn = f->conn, .gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false } };
	assert_int_equal(pthread_create(&h->thread, NULL, hold, h), 0);
	pthread_mutex_lock(&h->gate.lock);
	while (!h->gate.entered)
		pthread_cond_wait(&h->gate.moved, &h->gate.lock);
	pthread_mutex_unlock(&h->gate.lock);
}

static void let_go(struct held *h)
{
	pthread_mutex_lock(&h->gate.lock);
	h->gate.open = true;
	pthread_cond_broadcast(&h->gate.moved);
	pthread_mutex_unlock(&h->gate.lock);
	pthread_join(h->thread, NULL);
}

/* Starts the calls in order behind a held writer, lets go, and waits for all. */
static void run_in_one_group(struct fixture *f, struct db *db, struct call *calls, int n)
{
	struct held held;

	hold_writer(f, &held);
	for (int i = 0; i < n; i++) {
		calls[i].db = db;
		calls[i].number = i + 1;
		assert_int_equal(pthread_create(&calls[i].thread, NULL, do_call, &calls[i]), 0);
	}
	while (writer_waiting(((struct sqlite_db *)db)->writer) < (size_t)n)
		nap();
	let_go(&held);
	for (int i = 0; i < n; i++)
		pthread_join(calls[i].thread, NULL);
}

static void test_writer__what_waits_is_one_transaction(void **state)
{
	struct fixture *f = *state;
	struct call calls[20] = { 0 };
	int64_t inside = 0;

	run_in_one_group(f, f->db, calls, 20);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(calls[i].result, 0);
		assert_int_equal(calls[i].seen_outside, 0);
		inside += calls[i].seen_inside;
	}
	/* Each saw those before it, nobody outside saw any: 0 + 1 + … + 19. */
	assert_int_equal(inside, 190);
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 20);
}

static void test_writer__a_failed_closure_is_undone_alone(void **state)
{
	struct fixture *f = *state;
	struct call calls[9] = { [2].deed = FAIL_ITSELF, [4].deed = BREAK_UNIQUE, [6].deed = BREAK_FOREIGN_KEY };

	run_in_one_group(f, f->db, calls, 9);
	assert_int_equal(calls[2].result, ERR_FORBIDDEN);
	assert_int_equal(calls[4].result, ERR_CONFLICT);
	assert_non_null(strstr(calls[4].error, "UNIQUE"));
	assert_int_equal(calls[6].result, ERR_CONFLICT);
	assert_non_null(strstr(calls[6].error, "FOREIGN KEY"));
	for (int i = 0; i < 9; i++)
		if (i != 2 && i != 4 && i != 6)
			assert_int_equal(calls[i].result, 0);
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 6);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM thing WHERE number IN (3, 5, 7)"), 0);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM part"), 0);
}

static void test_writer__a_lost_transaction_runs_again_without_the_culprit(void **state)
{
	struct fixture *f = *state;
	struct call calls[6] = { [3].deed = RUN_TOO_LONG };

	close_fixture(f);
	f->db = open_db(f->url, 300 * US_PER_MS);
	f->conn = connect_db(f->db);
	run_in_one_group(f, f->db, calls, 6);
	for (int i = 0; i < 6; i++) {
		if (calls[i].result != (i == 3 ? ERR_TIMEOUT : 0))
			fail_msg("call %d: %d %s", i, calls[i].result, calls[i].error);
	}
	assert_int_equal(calls[3].runs, 1);
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 5);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM thing WHERE number = 4"), 0);
}

/* More than a group, and more than the threads of a server. */
#define MANY 150

static void test_writer__more_than_a_group_waits(void **state)
{
	struct fixture *f = *state;
	static struct call calls[MANY];

	memset(calls, 0, sizeof(calls));
	run_in_one_group(f, f->db, calls, MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(calls[i].result, 0);
	assert_int_equal(count_of(f->conn, COUNT_THINGS), MANY);
}

static void test_writer__every_step_of_a_group_may_fail(void **state)
{
	struct fixture *f = *state;
	int n, r = -1;

	for (n = 0; r < 0; n++) {
		assert_true(n < 50);
		fault_arm(FAULT_SQL_STEP, n + 1, false);
		r = db_write(f->conn, insert_only, NULL);
		fault_disarm_all();
		assert_true(r == 0 || r == ERR_IO);
		if (r < 0)
			assert_int_equal(count_of(f->conn, COUNT_THINGS), 0);
	}
	/* begin, savepoint, insert, release, commit */
	assert_int_equal(n, 6);
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 1);
}

/* A child that writes and acknowledges each commit on a pipe, until it is killed. */
static void write_until_killed(const char *url, int pipe_fd)
{
	struct db *db = open_db(url, STATEMENT_LIMIT_US);
	struct call c = { .db = db };
	struct db_conn *conn = connect_db(db);

	for (c.number = 1;; c.number++)
		if (db_write(conn, act, &c) != 0 || write(pipe_fd, &c.number, sizeof(c.number)) != sizeof(c.number))
			_exit(1);
}

static void test_writer__what_was_acknowledged_survives_a_kill(void **state)
{
	struct fixture *f = *state;
	int pipe_fds[2], last = 0, number, status;
	pid_t pid;

	close_fixture(f);
	for (int round = 0; round < 5; round++) {
		assert_int_equal(pipe(pipe_fds), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			write_until_killed(f->url, pipe_fds[1]);
		close(pipe_fds[1]);
		while (last < 20 + round * 13 && read(pipe_fds[0], &number, sizeof(number)) == sizeof(number))
			last = number;
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		while (read(pipe_fds[0], &number, sizeof(number)) == sizeof(number))
			last = number;
		close(pipe_fds[0]);
		open_fixture(f);
		assert_true(last > 0);
		assert_int_equal(count_of(f->conn, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
		/* All that was acknowledged, and at most the one under way. */
		assert_in_range(count_of(f->conn, COUNT_THINGS) - last, 0, 1);
		must_write(f->conn, "DELETE FROM thing");
		close_fixture(f);
		last = 0;
	}
	open_fixture(f);
}

static int write_big(struct db_conn *conn, void *arg)
{
	return db_execute(conn, &insert_doc, DB_PARAMS(DB_JSON(((struct json_text){ *(struct str *)arg }))), NULL);
}

/* In a child, which tells where it failed by its exit status. */
#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition)) {                                             \
			print_error("%s: %s\n", #condition, db_error(f->conn)); \
			return 1;                                               \
		}                                                               \
	} while (0)

/* No file may grow beyond a limit: what a full disk looks like to SQLite. */
static int fill_and_recover(struct fixture *f)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	const struct rlimit limited = { 1000000, RLIM_INFINITY };
	static char text[100000];
	struct str doc = { text, sizeof(text) };
	int r = 0, n = 0;

	signal(SIGXFSZ, SIG_IGN);
	memset(text, '1', sizeof(text));
	open_fixture(f);
	CHECK(setrlimit(RLIMIT_FSIZE, &limited) == 0);
	while (n < 100 && (r = db_write(f->conn, write_big, &doc)) == 0)
		n++;
	CHECK(r == ERR_FULL && n >= 3);
	/* Again and again: still full, nothing worse; reads go on. */
	for (int i = 0; i < 10; i++) {
		CHECK(db_write(f->conn, write_big, &doc) == ERR_FULL);
		CHECK(count_of(f->conn, COUNT_THINGS) == n);
	}
	db_probe(f->db);
	CHECK(db_available(f->db));
	CHECK(setrlimit(RLIMIT_FSIZE, &unlimited) == 0);
	CHECK(db_write(f->conn, write_big, &doc) == 0);
	CHECK(count_of(f->conn, COUNT_THINGS) == n + 1);
	CHECK(count_of(f->conn, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1);
	close_fixture(f);
	return 0;
}

static void test_writer__a_full_disk_refuses_writes_only(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	close_fixture(f);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fill_and_recover(f));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	open_fixture(f);
}

static void test_writer__a_moved_file_is_not_written(void **state)
{
	struct fixture *f = *state;
	struct call c = { .db = f->db, .number = 1 };
	char path[160], moved[200];

	snprintf(path, sizeof(path), "%s/db.sqlite3", f->folder);
	snprintf(moved, sizeof(moved), "%s.away", path);
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(db_write(f->conn, act, &c), ERR_UNAVAILABLE);
	assert_non_null(strstr(db_error(f->conn), "moved"));
	assert_int_equal(c.runs, 0);
	assert_int_equal(rename(moved, path), 0);
	assert_int_equal(db_write(f->conn, act, &c), 0);
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 1);
}

#define WRITERS 8
#define WRITES  40

static void *write_many(void *arg)
{
	struct call *c = arg;
	struct db_conn *conn = connect_db(c->db);
	struct call one = *c;

	for (int i = 0; i < WRITES; i++) {
		one.number = c->number * 1000 + i;
		one.deed = i % 5 == 4 ? BREAK_UNIQUE : INSERT;
		if (db_write(conn, act, &one) == (one.deed == INSERT ? 0 : ERR_CONFLICT))
			c->runs++;
	}
	db_disconnect(conn);
	return NULL;
}

static void test_writer__concurrent_callers_get_their_own_results(void **state)
{
	struct fixture *f = *state;
	struct call calls[WRITERS] = { 0 };

	for (int i = 0; i < WRITERS; i++) {
		calls[i].db = f->db;
		calls[i].number = i;
		assert_int_equal(pthread_create(&calls[i].thread, NULL, write_many, &calls[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(calls[i].thread, NULL);
		assert_int_equal(calls[i].runs, WRITES);
	}
	assert_int_equal(count_of(f->conn, COUNT_THINGS), WRITERS * WRITES * 4 / 5);
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, fixture_open, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_writer__what_waits_is_one_transaction),
		EACH(test_writer__a_failed_closure_is_undone_alone),
		EACH(test_writer__a_lost_transaction_runs_again_without_the_culprit),
		EACH(test_writer__more_than_a_group_waits),
		EACH(test_writer__every_step_of_a_group_may_fail),
		EACH(test_writer__what_was_acknowledged_survives_a_kill),
		EACH(test_writer__a_full_disk_refuses_writes_only),
		EACH(test_writer__a_moved_file_is_not_written),
		EACH(test_writer__concurrent_callers_get_their_own_results),
	};

	return cmocka_run_group_tests(tests, fixture_start_sqlite, fixture_stop);
}
