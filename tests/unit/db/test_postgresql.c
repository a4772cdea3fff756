/* PostgreSQL's own: outages of every kind, deadlines, mending, types of parameters. */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "tests/unit/db/fixture.h"

#define COUNT_THINGS "SELECT count(*) FROM thing"
#define OWN_PID      "SELECT pg_backend_pid()"

static int64_t since(int64_t start_us)
{
	return clock_monotonic_us() - start_us;
}

static void check_refused(const char *url, int expected, const char *word)
{
	const struct db_config config = { .url = url, .connect_limit_us = 300 * US_PER_MS };
	struct error err = { 0 };
	int64_t start_us = clock_monotonic_us();
	struct db *db = NULL;
	int r = db_open(&config, &db, &err);

	if (r != expected || !strstr(err.text, word) || strstr(err.text, "s3cret"))
		fail_msg("%s: %d %s", url, r, err.text);
	assert_true(since(start_us) < 2 * US_PER_S);
}

static void test_postgresql__what_cannot_be_opened_is_explained(void **state)
{
	struct fixture *f = *state;
	char url[200];

	check_refused("postgres://user:s3cret%zz@127.0.0.1/x", ERR_CONFIG, "postgres://127.0.0.1/x");
	check_refused("postgres://user:p@s3cret@127.0.0.1/x", ERR_CONFIG, "%40");
	check_refused("postgresql://user:s3cret@127.0.0.1:99999999/x", ERR_UNAVAILABLE, "port");
	snprintf(url, sizeof(url), "postgres://user:s3cret@127.0.0.1:%d/x", test_free_port());
	check_refused(url, ERR_UNAVAILABLE, "refused");
	snprintf(url, sizeof(url), "postgres://test:s3cret@127.0.0.1:%d/nothere", f->pg.port);
	check_refused(url, ERR_UNAVAILABLE, "does not exist");
	snprintf(url, sizeof(url), "postgres://nobody:s3cret@127.0.0.1:%d/test", f->pg.port);
	check_refused(url, ERR_UNAVAILABLE, "nobody");
}

/* Accepts (the kernel does) and says nothing. */
static int listen_silently(int *ret_port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*ret_port = ntohs(addr.sin_port);
	return fd;
}

static void test_postgresql__a_silent_server_is_given_up(void **state)
{
	CLEANUP(cleanup_close) int fd = -1;
	char url[200];
	int port;

	fd = listen_silently(&port);
	snprintf(url, sizeof(url), "postgres://user:s3cret@127.0.0.1:%d/x", port);
	check_refused(url, ERR_UNAVAILABLE, "in time");
}

static void test_postgresql__the_shown_url_has_no_credentials(void **state)
{
	struct fixture *f = *state;
	char url[300], expected[100];
	struct db *db;

	snprintf(url, sizeof(url), "postgresql://test:s3cr%%40et@127.0.0.1:%d/test?application_name=x&connect_timeout=3", f->pg.port);
	db = open_db(url, STATEMENT_LIMIT_US);
	snprintf(expected, sizeof(expected), "postgresql://127.0.0.1:%d/test", f->pg.port);
	assert_string_equal(db_shown_url(db), expected);
	db_close(db);
}

static int read_value(struct db_conn *conn)
{
	int64_t n;

	return db_select_int(conn, COUNT_THINGS, DB_NO_PARAMS, &n);
}

/* Away means away: thousands of refusals take no time. */
static void check_away(struct fixture *f)
{
	int64_t start_us = clock_monotonic_us();

	assert_false(db_available(f->db));
	for (int i = 0; i < 5000; i++)
		assert_int_equal(read_value(f->conn), ERR_UNAVAILABLE);
	assert_int_equal(write_script(f->conn, "DELETE FROM thing"), ERR_UNAVAILABLE);
	assert_true(since(start_us) < 500 * US_PER_MS);
}

static void probe_until_back(struct fixture *f)
{
	int64_t deadline_us = clock_monotonic_us() + 30 * US_PER_S;

	for (db_probe(f->db); !db_available(f->db); db_probe(f->db)) {
		assert_true(clock_monotonic_us() < deadline_us);
		nap();
	}
}

struct change {
	int away, back;
};

static void note_change(void *arg, bool available)
{
	struct change *c = arg;

	++*(available ? &c->back : &c->away);
}

static void test_postgresql__an_outage_and_its_end(void **state)
{
	struct fixture *f = *state;
	struct db_conn *others[4];
	struct change change = { 0 };

	db_watch(f->db, note_change, &change);
	for (size_t i = 0; i < N_ELEMENTS(others); i++) {
		others[i] = connect_db(f->db);
		assert_int_equal(read_value(others[i]), 0);
	}
	assert_int_equal(read_value(f->conn), 0);
	test_postgres_halt(&f->pg);
	assert_int_equal(read_value(f->conn), ERR_UNAVAILABLE);
	assert_int_equal(change.away, 1);
	check_away(f);
	db_probe(f->db);
	check_away(f);
	test_postgres_restart(&f->pg);
	check_away(f); /* until the prober has been there */
	probe_until_back(f);
	/* One knew that it was broken, the others did not: all are mended, none fails. */
	assert_int_equal(read_value(f->conn), 0);
	for (size_t i = 0; i < N_ELEMENTS(others); i++) {
		assert_int_equal(read_value(others[i]), 0);
		must_write(others[i], "INSERT INTO thing (number) VALUES (1)");
		db_disconnect(others[i]);
	}
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 4);
	assert_int_equal(change.away, 1);
	assert_int_equal(change.back, 1);
	db_watch(f->db, NULL, NULL);
}

static void test_postgresql__the_prober_sees_an_outage_first(void **state)
{
	struct fixture *f = *state;

	test_postgres_halt(&f->pg);
	assert_true(db_available(f->db));
	db_probe(f->db);
	check_away(f);
	test_postgres_restart(&f->pg);
	probe_until_back(f);
	assert_int_equal(read_value(f->conn), 0);
}

static void terminate(struct db_conn *by, int64_t pid)
{
	char sql[100];
	struct db_conn *fresh = connect_db(db_of(by));
	int64_t gone;

	snprintf(sql, sizeof(sql), "SELECT CASE WHEN pg_terminate_backend(%lld, 5000) THEN 1 ELSE 0 END", (long long)pid);
	assert_int_equal(db_select_int(fresh, sql, DB_NO_PARAMS, &gone), 0);
	assert_int_equal(gone, 1);
	db_disconnect(fresh);
}

static void test_postgresql__a_terminated_session_is_mended_unnoticed(void **state)
{
	struct fixture *f = *state;
	int64_t pid = count_of(f->conn, OWN_PID);

	terminate(f->conn, pid);
	db_probe(f->db);
	assert_true(db_available(f->db));
	assert_int_equal(read_value(f->conn), 0);
	assert_true(count_of(f->conn, OWN_PID) != pid);
	/* What needs no mending is left alone. */
	pid = count_of(f->conn, OWN_PID);
	db_probe(f->db);
	assert_int_equal(count_of(f->conn, OWN_PID), pid);
}

static void test_postgresql__a_terminated_session_is_refused_once(void **state)
{
	struct fixture *f = *state;

	terminate(f->conn, count_of(f->conn, OWN_PID));
	assert_int_equal(read_value(f->conn), ERR_UNAVAILABLE);
	assert_false(db_available(f->db));
	db_probe(f->db);
	assert_true(db_available(f->db));
	assert_int_equal(read_value(f->conn), 0);
	must_write(f->conn, "INSERT INTO thing (number) VALUES (1)");
}

static int insert_and_lose_session(struct db_conn *conn, void *arg)
{
	static const struct db_statement insert = { .sql = "INSERT INTO thing (number) VALUES (1)" };
	int r = db_execute(conn, &insert, DB_NO_PARAMS, NULL);

	assert_int_equal(r, 0);
	terminate(arg, count_of(conn, OWN_PID));
	assert_int_equal(db_execute(conn, &insert, DB_NO_PARAMS, NULL), ERR_UNAVAILABLE);
	return 0;
}

static void test_postgresql__a_session_lost_in_a_write(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(db_write(f->conn, insert_and_lose_session, f->conn), ERR_UNAVAILABLE);
	probe_until_back(f);
	assert_int_equal(count_of(f->conn, COUNT_THINGS), 0);
	must_write(f->conn, "INSERT INTO thing (number) VALUES (1)");
}

static void reopen(struct fixture *f, int64_t limit_us)
{
	close_fixture(f);
	f->db = open_db(f->url, limit_us);
	f->conn = connect_db(f->db);
}

static void test_postgresql__a_hanging_backend_is_given_up(void **state)
{
	struct fixture *f = *state;
	int64_t start_us, took_us;
	pid_t pid;

	reopen(f, 300 * US_PER_MS);
	pid = (pid_t)count_of(f->conn, OWN_PID);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	start_us = clock_monotonic_us();
	assert_int_equal(read_value(f->conn), ERR_TIMEOUT);
	took_us = since(start_us);
	assert_in_range(took_us, 290 * US_PER_MS, 1500 * US_PER_MS);
	check_away(f);
	db_probe(f->db);
	assert_true(db_available(f->db));
	assert_int_equal(read_value(f->conn), 0);
	assert_int_equal(kill(pid, SIGCONT), 0);
}

static void test_postgresql__a_hanging_server_costs_the_prober_a_second(void **state)
{
	struct fixture *f = *state;
	pid_t prober =
	        (pid_t)count_of(f->conn, "SELECT pid FROM pg_stat_activity WHERE application_name = 'egoejo' AND pid <> pg_backend_pid()");
	int64_t start_us;

	assert_int_equal(kill(f->pg.pid, SIGSTOP), 0);
	assert_int_equal(kill(prober, SIGSTOP), 0);
	for (int i = 0; i < 2; i++) {
		start_us = clock_monotonic_us();
		db_probe(f->db);
		assert_true(since(start_us) < 2 * US_PER_S);
		assert_false(db_available(f->db));
	}
	assert_int_equal(kill(prober, SIGCONT), 0);
	assert_int_equal(kill(f->pg.pid, SIGCONT), 0);
	probe_until_back(f);
	assert_int_equal(read_value(f->conn), 0);
}

/* A backend that crashes takes all the others with it; the server is the same one afterwards. */
static void test_postgresql__a_crash_of_a_neighbour(void **state)
{
	struct fixture *f = *state;
	struct db_conn *neighbour = connect_db(f->db);
	pid_t pid = (pid_t)count_of(neighbour, OWN_PID);

	assert_int_equal(kill(pid, SIGKILL), 0);
	while (read_value(f->conn) == 0)
		nap();
	for (int64_t deadline_us = clock_monotonic_us() + 30 * US_PER_S; read_value(neighbour) != 0 || read_value(f->conn) != 0;) {
		assert_true(clock_monotonic_us() < deadline_us);
		db_probe(f->db);
	}
	db_disconnect(neighbour);
}

static void test_postgresql__a_connection_made_while_away_is_mended(void **state)
{
	struct fixture *f = *state;
	struct db_conn *late;

	test_postgres_halt(&f->pg);
	db_probe(f->db);
	late = connect_db(f->db);
	assert_int_equal(read_value(late), ERR_UNAVAILABLE);
	test_postgres_restart(&f->pg);
	probe_until_back(f);
	assert_int_equal(read_value(late), 0);
	db_disconnect(late);
}

/* No slot left on the server: whoever has a session goes on. */
static void test_postgresql__too_many_connections(void **state)
{
	struct fixture *f = *state;
	PGconn *taken[64];
	struct db_conn *late;
	size_t n = 0;

	do
		taken[n] = PQconnectdb(f->url);
	while (PQstatus(taken[n]) == CONNECTION_OK && ++n < N_ELEMENTS(taken) - 1);
	assert_true(n > 3 && n < 60);
	late = connect_db(f->db);
	assert_int_equal(read_value(late), ERR_UNAVAILABLE);
	db_probe(f->db);
	assert_true(db_available(f->db));
	assert_int_equal(read_value(f->conn), 0);
	for (size_t i = 0; i <= n; i++)
		PQfinish(taken[i]);
	for (int64_t deadline_us = clock_monotonic_us() + 20 * US_PER_S; read_value(late) != 0;) {
		assert_true(clock_monotonic_us() < deadline_us);
		db_probe(f->db);
	}
	db_disconnect(late);
}

/* Texts become what the column is. */
static int insert_typed(struct db_conn *conn, void *arg)
{
	static const struct db_statement insert = { .sql = "INSERT INTO typed (u, i, j, d, n) VALUES ($1, $2, $3, $4, $5)" };

	return db_execute(conn, &insert,
	                  DB_PARAMS(DB_TEXT(str_of("0123456789abcdef0123456789abcdef")), DB_TEXT(str_of("10.0.0.1")),
	                            DB_TEXT(str_of("{\"a\": 1}")), DB_TEXT(str_of("2026-02-03")), DB_INT(7)),
	                  NULL);
}

static void test_postgresql__texts_fit_other_types(void **state)
{
	struct fixture *f = *state;
	int64_t n;

	must_write(f->conn, "CREATE TABLE typed (u uuid, i inet, j jsonb, d date, n smallint)");
	assert_int_equal(db_write(f->conn, insert_typed, NULL), 0);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM typed WHERE u = '01234567-89ab-cdef-0123-456789abcdef' AND i = '10.0.0.1'"
	                                   " AND j->>'a' = '1' AND d = '2026-02-03' AND n = 7"),
	                 1);
	assert_int_equal(db_select_int(f->conn, "SELECT count(*) FROM typed WHERE u = $1", DB_PARAMS(DB_TEXT(str_of("not a uuid"))), &n),
	                 ERR_INVALID);
	assert_null(strstr(db_error(f->conn), "not a uuid"));
	assert_int_equal(db_select_int(f->conn, "SELECT count(*) FROM typed WHERE d < $1", DB_PARAMS(DB_TIME((struct instant){ 0 })), &n),
	                 0);
	assert_int_equal(n, 0);
}

/* The same parameter as varchar and as text: the server cannot decide, we do. */
static void test_postgresql__one_text_in_two_contexts(void **state)
{
	static const char *const sql = "SELECT count(*) FROM thing WHERE name = $1 OR concat($1, 'x') = 'x' OR $1 IS NULL";
	struct fixture *f = *state;
	int64_t n;

	must_write(f->conn, "INSERT INTO thing (name) VALUES ('a')");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(db_select_int(f->conn, sql, DB_PARAMS(DB_TEXT(str_of("a"))), &n), 0);
		assert_int_equal(n, 1);
	}
	assert_int_equal(db_select_int(f->conn, sql, DB_PARAMS(DB_TEXT(str_of("b"))), &n), 0);
	assert_int_equal(n, 0);
}

/* Django's migrations may change a type under a running server. */
static void test_postgresql__a_changed_column_costs_one_failure(void **state)
{
	static const char *const sql = "SELECT max(number) FROM thing";
	struct fixture *f = *state;
	int64_t n;

	must_write(f->conn, "INSERT INTO thing (number) VALUES (5)");
	assert_int_equal(count_of(f->conn, sql), 5);
	must_write(f->conn, "ALTER TABLE thing ALTER COLUMN number TYPE integer");
	assert_int_equal(db_select_int(f->conn, sql, DB_NO_PARAMS, &n), ERR_INTERNAL);
	assert_int_equal(count_of(f->conn, sql), 5);
	assert_true(db_available(f->db));
}

static void test_postgresql__big_parameters_and_results(void **state)
{
	static char text[5 * 1000 * 1000];
	static const struct db_column columns[] = { DB_COLUMN(struct thing, name, TEXT, "CAST($1 AS text) || 'x'") };
	static const struct db_row row = { columns, 1, sizeof(struct thing) };
	static const struct db_statement echo = { .sql = "SELECT $cols", .row = &row };
	struct fixture *f = *state;
	struct thing t;

	arena_finish(&f->arena);
	arena_init(&f->arena, 6 * 1000 * 1000);
	memset(text, 'e', sizeof(text));
	assert_int_equal(db_select_one(f->conn, &echo, DB_PARAMS(DB_TEXT(((struct str){ text, sizeof(text) }))), &f->arena, &t), 0);
	assert_int_equal(t.name.len, sizeof(text) + 1);
	assert_int_equal(memcmp(t.name.s, text, sizeof(text)), 0);
}

/* A server that is read-only says so before any closure runs. */
static void test_postgresql__sessions_are_set_up(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM pg_settings WHERE (name, setting) IN (('TimeZone', 'UTC'), "
	                                   "('default_transaction_read_only', 'on'),"
	                                   " ('client_encoding', 'UTF8'), ('application_name', 'egoejo'))"),
	                 4);
	assert_in_range(count_of(f->conn, "SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'"), 1000, 2000);
}

/* The prober mends while threads use what it mends. */
#define THREADS 4

struct traffic {
	struct fixture *f;
	pthread_t thread;
	atomic_bool *stop;
	atomic_int done;
	int refused, other;
};

static void *make_traffic(void *arg)
{
	struct traffic *t = arg;
	struct db_conn *conn = connect_db(t->f->db);

	while (!atomic_load(t->stop)) {
		int r = read_value(conn);

		if (r == 0)
			atomic_fetch_add(&t->done, 1);
		else
			++*(r == ERR_UNAVAILABLE ? &t->refused : &t->other);
	}
	db_disconnect(conn);
	return NULL;
}

static void wait_until_all_read(struct traffic *traffic)
{
	for (int i = 0; i < THREADS; i++)
		for (int before = atomic_load(&traffic[i].done); atomic_load(&traffic[i].done) == before;)
			sched_yield();
}

static void test_postgresql__restarts_under_traffic(void **state)
{
	struct fixture *f = *state;
	struct traffic traffic[THREADS];
	atomic_bool stop = false;
	int refused = 0;

	for (int i = 0; i < THREADS; i++) {
		traffic[i] = (struct traffic){ .f = f, .stop = &stop };
		assert_int_equal(pthread_create(&traffic[i].thread, NULL, make_traffic, &traffic[i]), 0);
	}
	for (int round = 0; round < 2; round++) {
		wait_until_all_read(traffic);
		test_postgres_restart(&f->pg);
		probe_until_back(f);
		for (int i = 0; i < 10; i++)
			db_probe(f->db);
	}
	wait_until_all_read(traffic);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(traffic[i].thread, NULL);
		refused += traffic[i].refused;
		assert_int_equal(traffic[i].other, 0);
	}
	assert_true(refused > 0);
	probe_until_back(f);
	assert_int_equal(read_value(f->conn), 0);
}

/* ---- many who change the same row ---- */

#define CROWD   24
#define CHANGES 20

struct changer {
	pthread_t thread;
	struct db *db;
	int failed;
};

/* Reads, then writes: what it read must still be true at the commit. */
static int change_row(struct db_conn *conn, void *arg)
{
	static const struct db_statement update = { "UPDATE thing SET number = $1 WHERE id = 1" };
	int64_t number;
	int r = db_select_int(conn, "SELECT number FROM thing WHERE id = 1 FOR UPDATE", DB_NO_PARAMS, &number);

	return r < 0 ? r : db_execute(conn, &update, DB_PARAMS(DB_INT(number + 1)), NULL);
}

static void *change_repeatedly(void *arg)
{
	struct changer *c = arg;
	struct db_conn *conn = connect_db(c->db);

	for (int i = 0; i < CHANGES; i++)
		c->failed += db_write(conn, change_row, NULL) < 0;
	db_disconnect(conn);
	return NULL;
}

static void test_postgresql__nobody_is_disturbed_for_ever(void **state)
{
	struct changer crowd[CROWD];
	struct fixture *f = *state;
	int failed = 0;

	must_write(f->conn, "INSERT INTO thing (id, number) VALUES (1, 0); CREATE TABLE egoejo_schema (version integer)");
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = (struct changer){ .db = f->db };
		assert_int_equal(pthread_create(&crowd[i].thread, NULL, change_repeatedly, &crowd[i]), 0);
	}
	for (int i = 0; i < CROWD; i++) {
		pthread_join(crowd[i].thread, NULL);
		failed += crowd[i].failed;
	}
	assert_int_equal(failed, 0);
	assert_int_equal(count_of(f->conn, "SELECT number FROM thing"), CROWD * CHANGES);
}

#define EACH(fn) cmocka_unit_test_setup_teardown(fn, fixture_open, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_postgresql__what_cannot_be_opened_is_explained),
		EACH(test_postgresql__a_silent_server_is_given_up),
		EACH(test_postgresql__the_shown_url_has_no_credentials),
		EACH(test_postgresql__an_outage_and_its_end),
		EACH(test_postgresql__the_prober_sees_an_outage_first),
		EACH(test_postgresql__a_terminated_session_is_mended_unnoticed),
		EACH(test_postgresql__a_terminated_session_is_refused_once),
		EACH(test_postgresql__a_session_lost_in_a_write),
		EACH(test_postgresql__a_hanging_backend_is_given_up),
		EACH(test_postgresql__a_hanging_server_costs_the_prober_a_second),
		EACH(test_postgresql__a_crash_of_a_neighbour),
		EACH(test_postgresql__a_connection_made_while_away_is_mended),
		EACH(test_postgresql__too_many_connections),
		EACH(test_postgresql__texts_fit_other_types),
		EACH(test_postgresql__one_text_in_two_contexts),
		EACH(test_postgresql__a_changed_column_costs_one_failure),
		EACH(test_postgresql__big_parameters_and_results),
		EACH(test_postgresql__sessions_are_set_up),
		EACH(test_postgresql__restarts_under_traffic),
		EACH(test_postgresql__nobody_is_disturbed_for_ever),
	};

	return cmocka_run_group_tests(tests, fixture_start_postgresql, fixture_stop);
}
