/* Statements, rows and closures: one body for both engines. */
#include <math.h>
#include <pthread.h>

#include "base/cleanup.h"
#include "base/metrics.h"
#include "tests/unit/db/fixture.h"

#define INSERT_THING "INSERT INTO thing (name, flag, number, ratio, amount, at, doc) VALUES ($1, $2, $3, $4, $5, $6, $7)"

static const struct db_statement insert_thing = { .sql = INSERT_THING };
static const struct db_statement insert_returning = { .sql = INSERT_THING " RETURNING $cols", .row = &thing_row };
static const struct db_statement all_things = { .sql = "SELECT $cols FROM thing ORDER BY id", .row = &thing_row };
static const struct db_statement thing_by_name = { .sql = "SELECT $cols FROM thing WHERE name = $1", .row = &thing_row };
static const struct db_statement delete_all = { .sql = "DELETE FROM thing" };
static const struct db_statement add_one = { .sql = "UPDATE thing SET number = number + 1 WHERE name = $1" };
static const struct db_statement insert_part = { .sql = "INSERT INTO part (thing_id) VALUES ($1)" };
static const struct db_statement wrong_syntax = { .sql = "SELEKT 1" };

static const struct thing sample = {
	.name = STR("Été \xf0\x9f\x8c\xb1"),
	.flag = true,
	.number = INT64_C(9007199254740993),
	.ratio = 0.1,
	.amount = { 123456 },
	.at = { INT64_C(1767603600123456) },
	.doc = { STR("[1, 2]") },
};

/* A closure that adds one thing; and what it makes of the result. */
struct insertion {
	struct thing thing;
	int result; /* returned instead of 0 */
	int seen;   /* of db_execute */
	int64_t changed;
};

static int execute_insert(struct db_conn *conn, const struct thing *t, int64_t *ret_changed)
{
	return db_execute(conn, &insert_thing,
	                  DB_PARAMS(DB_TEXT(t->name), DB_BOOL(t->flag), DB_INT(t->number), DB_FLOAT(t->ratio), DB_DECIMAL(t->amount),
	                            DB_TIME(t->at), DB_JSON(t->doc)),
	                  ret_changed);
}

static int insert(struct db_conn *conn, void *arg)
{
	struct insertion *in = arg;

	in->seen = execute_insert(conn, &in->thing, &in->changed);
	return in->seen < 0 ? in->seen : in->result;
}

static int add_thing(struct db_conn *conn, const char *name)
{
	struct insertion in = { .thing = sample };

	in.thing.name = str_of(name);
	return db_write(conn, insert, &in);
}

static void test_query__values_of_every_kind_come_back(void **state)
{
	struct fixture *f = *state;
	struct insertion in = { .thing = sample };
	struct thing t;

	assert_int_equal(db_write(f->conn, insert, &in), 0);
	assert_int_equal(in.changed, 1);
	assert_int_equal(db_select_one(f->conn, &thing_by_name, DB_PARAMS(DB_TEXT(sample.name)), &f->arena, &t), 0);
	assert_int_equal(t.id, 1);
	assert_true(str_equal(t.name, sample.name));
	assert_true(t.flag);
	assert_true(t.number == sample.number);
	assert_true(t.ratio == 0.1);
	assert_int_equal(t.amount.cents, 123456);
	assert_true(t.at.us == sample.at.us);
	assert_true(str_is(t.doc.text, "[1, 2]"));
	assert_int_equal(t.name.s[t.name.len], '\0');
}

static void test_query__no_value_of_every_kind_comes_back(void **state)
{
	struct fixture *f = *state;
	struct insertion in = { .thing = { .number = NULL_INT, .ratio = NULL_FLOAT, .amount = NULL_DECIMAL, .at = NULL_TIME } };
	struct db_rows rows;
	struct thing *t;

	assert_int_equal(db_write(f->conn, insert, &in), 0);
	assert_int_equal(count_of(f->conn,
	                          "SELECT count(*) FROM thing WHERE name IS NULL AND number IS NULL AND ratio IS NULL AND amount IS NULL"
	                          " AND at IS NULL AND doc IS NULL AND flag IS NOT NULL"),
	                 1);
	must_write(f->conn, "UPDATE thing SET flag = NULL");
	assert_int_equal(db_select(f->conn, &all_things, DB_NO_PARAMS, &f->arena, &rows), 0);
	assert_int_equal(rows.n, 1);
	t = rows.items;
	assert_null(t->name.s);
	assert_null(t->doc.text.s);
	assert_false(t->flag);
	assert_true(t->number == NULL_INT && isnan(t->ratio) && t->amount.cents == NULL_DECIMAL.cents && t->at.us == NULL_TIME.us);
}

static void test_query__edges_of_values(void **state)
{
	struct fixture *f = *state;
	struct insertion in = {
		.thing = { .name = STR(""), .number = INT64_MAX, .ratio = -1.7e308, .amount = { -5 }, .at = { -1 }, .doc = { STR("null") } }
	};
	struct thing t;

	must_write(f->conn, "UPDATE thing SET number = 0");
	assert_int_equal(db_write(f->conn, insert, &in), 0);
	assert_int_equal(db_select_one(f->conn, &thing_by_name, DB_PARAMS(DB_TEXT(((struct str)STR("")))), &f->arena, &t), 0);
	assert_true(t.name.s && t.name.len == 0);
	assert_true(t.number == INT64_MAX);
	assert_true(t.ratio == -1.7e308);
	assert_int_equal(t.amount.cents, -5);
	assert_true(t.at.us == -1); /* 1969-12-31 23:59:59.999999 */
	assert_true(str_is(t.doc.text, "null"));
}

static void test_query__many_rows_in_order(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;
	struct thing *things;

	must_write(f->conn,
	           "INSERT INTO thing (name, number) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
	           " SELECT 'name ' || i, i FROM n ORDER BY i");
	assert_int_equal(db_select(f->conn, &all_things, DB_NO_PARAMS, &f->arena, &rows), 0);
	assert_int_equal(rows.n, 1000);
	things = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		assert_int_equal(things[i].number, i + 1);
	assert_true(str_is(things[999].name, "name 1000"));
	must_write(f->conn, "DELETE FROM thing");
	assert_int_equal(db_select(f->conn, &all_things, DB_NO_PARAMS, &f->arena, &rows), 0);
	assert_int_equal(rows.n, 0);
}

static void test_query__one_row_or_not_found(void **state)
{
	struct fixture *f = *state;
	struct thing t = { .id = 77 };
	int64_t n = 78;

	assert_int_equal(db_select_one(f->conn, &all_things, DB_NO_PARAMS, &f->arena, &t), ERR_NOT_FOUND);
	assert_int_equal(t.id, 77);
	assert_int_equal(db_select_int(f->conn, "SELECT id FROM thing WHERE number = $1", DB_PARAMS(DB_INT(5)), &n), ERR_NOT_FOUND);
	assert_int_equal(n, 78);
	assert_int_equal(add_thing(f->conn, "a"), 0);
	assert_int_equal(add_thing(f->conn, "b"), 0);
	assert_int_equal(db_select_one(f->conn, &all_things, DB_NO_PARAMS, &f->arena, &t), 0);
	assert_true(str_is(t.name, "a"));
}

static void test_query__parameters_by_number(void **state)
{
	struct fixture *f = *state;
	int64_t n;

	assert_int_equal(db_select_int(f->conn, "SELECT $2 * 10 + $1", DB_PARAMS(DB_INT(1), DB_INT(2)), &n), 0);
	assert_int_equal(n, 21);
	assert_int_equal(db_select_int(f->conn, "SELECT $1 + $1 + $2", DB_PARAMS(DB_INT(1), DB_INT(5)), &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(db_select_int(f->conn, "SELECT $1 + $2", DB_PARAMS(DB_INT(1)), &n), ERR_INTERNAL);
	assert_int_equal(db_select_int(f->conn, "SELECT $1 + 1", DB_PARAMS(DB_INT(1)), &n), 0);
}

/* What list filters are written with: one parameter, asked for its absence and compared. */
static void test_query__optional_text_parameters(void **state)
{
	static const char *const sql = "SELECT count(*) FROM thing WHERE ($1 IS NULL OR name = $1) AND number >= $2";
	struct fixture *f = *state;
	int64_t n;

	assert_int_equal(add_thing(f->conn, "a"), 0);
	assert_int_equal(add_thing(f->conn, "b"), 0);
	assert_int_equal(db_select_int(f->conn, sql, DB_PARAMS(DB_TEXT(((struct str){ NULL, 0 })), DB_INT(0)), &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(db_select_int(f->conn, sql, DB_PARAMS(DB_TEXT(str_of("a")), DB_INT(0)), &n), 0);
	assert_int_equal(n, 1);
}

static int optional_in_closure(struct db_conn *conn, void *arg)
{
	int r = db_select_int(conn, "SELECT count(*) FROM thing WHERE $1 IS NULL OR name = $1", DB_PARAMS(DB_TEXT(str_of("a"))), arg);

	return r < 0 ? r : execute_insert(conn, &sample, NULL);
}

static void test_query__optional_text_parameters_inside_a_write(void **state)
{
	struct fixture *f = *state;
	int64_t n = -1;

	assert_int_equal(add_thing(f->conn, "a"), 0);
	assert_int_equal(db_write(f->conn, optional_in_closure, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM thing"), 2);
}

static int insert_and_return(struct db_conn *conn, void *arg)
{
	struct fixture *f = arg;
	struct thing t;
	int r = db_select_one(conn, &insert_returning,
	                      DB_PARAMS(DB_TEXT(sample.name), DB_BOOL(true), DB_INT(5), DB_FLOAT(1), DB_DECIMAL(sample.amount),
	                                DB_TIME(sample.at), DB_JSON(sample.doc)),
	                      &f->arena, &t);

	if (r < 0)
		return r;
	assert_int_equal(t.id, 1);
	assert_int_equal(t.number, 5);
	return 42;
}

static void test_query__returning_and_the_closures_own_result(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(db_write(f->conn, insert_and_return, f), 42);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM thing"), 1);
}

static void test_query__a_negative_result_rolls_back(void **state)
{
	struct fixture *f = *state;
	struct insertion in = { .thing = sample, .result = ERR_FORBIDDEN };

	assert_int_equal(db_write(f->conn, insert, &in), ERR_FORBIDDEN);
	assert_int_equal(in.seen, 0);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM thing"), 0);
}

static void check_conflict(struct fixture *f, const char *sql)
{
	assert_int_equal(write_script(f->conn, sql), ERR_CONFLICT);
	assert_true(strlen(db_error(f->conn)) > 0);
}

static void test_query__broken_constraints_are_conflicts(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add_thing(f->conn, "a"), 0);
	assert_int_equal(add_thing(f->conn, "a"), ERR_CONFLICT);
	check_conflict(f, "INSERT INTO thing (number) VALUES (-1)");
	check_conflict(f, "INSERT INTO part (thing_id) VALUES (NULL)");
	/* Deferred: only the commit would notice. */
	check_conflict(f, "INSERT INTO part (thing_id) VALUES (12345)");
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM part"), 0);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM thing"), 1);
	assert_int_equal(add_thing(f->conn, "b"), 0);
}

static int part_before_its_thing(struct db_conn *conn, void *arg)
{
	int r = db_execute(conn, &insert_part, DB_PARAMS(DB_INT(1)), NULL);

	return r < 0 ? r : execute_insert(conn, &sample, NULL);
}

static void test_query__foreign_keys_are_deferred(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(db_write(f->conn, part_before_its_thing, NULL), 0);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM part JOIN thing ON thing.id = thing_id"), 1);
}

/* Ignores that its first statement failed, and goes on. */
static int ignore_failure(struct db_conn *conn, void *arg)
{
	struct thing twice = sample;
	int r = execute_insert(conn, &twice, NULL);
	int64_t n;

	assert_int_equal(r, 0);
	assert_int_equal(execute_insert(conn, &twice, NULL), ERR_CONFLICT);
	twice.name = str_of("other");
	assert_int_equal(execute_insert(conn, &twice, NULL), ERR_CONFLICT);
	assert_int_equal(db_select_int(conn, "SELECT 1", DB_NO_PARAMS, &n), ERR_CONFLICT);
	return 0;
}

static void test_query__a_failed_statement_dooms_its_closure(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(db_write(f->conn, ignore_failure, NULL), ERR_CONFLICT);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM thing"), 0);
	assert_int_equal(add_thing(f->conn, "a"), 0);
}

static int nested(struct db_conn *conn, void *arg)
{
	struct insertion in = { .thing = sample };

	return db_write(conn, insert, &in);
}

static void test_query__writing_has_one_way(void **state)
{
	struct fixture *f = *state;
	struct thing t;

	assert_int_equal(execute_insert(f->conn, &sample, NULL), ERR_INTERNAL);
	assert_int_equal(db_script(f->conn, "DELETE FROM thing"), ERR_INTERNAL);
	assert_int_equal(db_write(f->conn, nested, NULL), ERR_INTERNAL);
	assert_int_equal(db_select_one(f->conn, &insert_returning,
	                               DB_PARAMS(DB_TEXT(sample.name), DB_BOOL(true), DB_INT(5), DB_FLOAT(1), DB_DECIMAL(sample.amount),
	                                         DB_TIME(sample.at), DB_JSON(sample.doc)),
	                               &f->arena, &t),
	                 ERR_READ_ONLY);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM thing"), 0);
}

static int delete_things(struct db_conn *conn, void *arg)
{
	return db_execute(conn, &delete_all, DB_NO_PARAMS, arg);
}

static void test_query__changed_rows_are_counted(void **state)
{
	struct fixture *f = *state;
	int64_t changed = -1;

	for (char name[] = "a"; *name < 'f'; ++*name)
		assert_int_equal(add_thing(f->conn, name), 0);
	assert_int_equal(db_write(f->conn, delete_things, &changed), 0);
	assert_int_equal(changed, 5);
	assert_int_equal(db_write(f->conn, delete_things, &changed), 0);
	assert_int_equal(changed, 0);
}

static void count_call(void *arg)
{
	++*(int *)arg;
}

struct order {
	int calls, result, orders;
	pthread_t thread;
};

static void note_thread(void *arg)
{
	((struct order *)arg)->thread = pthread_self();
}

static int give_orders(struct db_conn *conn, void *arg)
{
	struct order *o = arg;

	for (int i = 0; i < o->orders; i++)
		if (db_after_commit(conn, count_call, &o->calls) < 0)
			return ERR_LIMIT;
	assert_int_equal(o->calls, 0);
	return o->result;
}

static int order_thread(struct db_conn *conn, void *arg)
{
	return db_after_commit(conn, note_thread, arg);
}

static void test_query__orders_after_commit(void **state)
{
	struct fixture *f = *state;
	struct order o = { .orders = 3 };

	assert_int_equal(db_write(f->conn, give_orders, &o), 0);
	assert_int_equal(o.calls, 3);
	assert_int_equal(db_write(f->conn, order_thread, &o), 0);
	assert_true(pthread_equal(o.thread, pthread_self()));
	assert_int_equal(o.calls, 3);
	o = (struct order){ .orders = 3, .result = ERR_CONFLICT };
	assert_int_equal(db_write(f->conn, give_orders, &o), ERR_CONFLICT);
	assert_int_equal(o.calls, 0);
	o = (struct order){ .orders = 17 };
	assert_int_equal(db_write(f->conn, give_orders, &o), ERR_LIMIT);
	assert_int_equal(o.calls, 0);
	assert_int_equal(db_after_commit(f->conn, count_call, &o.calls), ERR_INTERNAL);
}

struct wrong_row {
	int64_t n;
};
static const struct db_column wrong_columns[] = { DB_COLUMN(struct wrong_row, n, INT, "name") };
static const struct db_row wrong_row = DB_ROW(struct wrong_row, wrong_columns);
static const struct db_statement text_as_number = { .sql = "SELECT $cols FROM thing", .row = &wrong_row };
static const struct db_statement too_many_columns = { .sql = "SELECT $cols, id FROM thing", .row = &wrong_row };
static const struct db_statement no_table = { .sql = "SELECT $cols FROM absent", .row = &wrong_row };
static const struct db_statement no_column = { .sql = "SELECT missing AS name FROM thing", .row = &wrong_row };
static const struct db_statement no_row = { .sql = "SELECT name FROM thing" };
static const struct db_statement no_text = { .row = &wrong_row };

static void check_select(struct fixture *f, const struct db_statement *st, int expected)
{
	struct db_rows rows = { NULL, 99 };
	int r = db_select(f->conn, st, DB_NO_PARAMS, &f->arena, &rows);

	if (r != expected)
		fail_msg("%s: %d %s", st->sql, r, db_error(f->conn));
	assert_true(strlen(db_error(f->conn)) > 0);
	assert_int_equal(rows.n, 99);
}

static void test_query__mistakes_are_named(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add_thing(f->conn, "secret"), 0);
	check_select(f, &text_as_number, ERR_CORRUPT);
	assert_non_null(strstr(db_error(f->conn), "name"));
	assert_null(strstr(db_error(f->conn), "secret"));
	check_select(f, &too_many_columns, ERR_INTERNAL);
	check_select(f, &no_table, ERR_SCHEMA);
	check_select(f, &no_column, ERR_SCHEMA);
	check_select(f, &no_row, ERR_INTERNAL);
	check_select(f, &no_text, ERR_INTERNAL);
	assert_int_equal(write_script(f->conn, wrong_syntax.sql), ERR_INTERNAL);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM thing"), 1);
}

static void test_query__a_nul_is_refused(void **state)
{
	struct fixture *f = *state;
	struct insertion in = { .thing = sample };

	in.thing.name = (struct str)STR("a\0b");
	assert_int_equal(db_write(f->conn, insert, &in), ERR_INVALID);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM thing"), 0);
}

static void test_query__the_arena_bounds_a_select(void **state)
{
	struct fixture *f = *state;
	struct arena small;
	struct db_rows rows;

	must_write(f->conn, "INSERT INTO thing (name, number) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
	                    " SELECT 'a rather long name ' || i, i FROM n");
	for (size_t limit = 100; limit < 30000; limit = limit * 3 / 2) {
		arena_init(&small, limit);
		assert_int_equal(db_select(f->conn, &all_things, DB_NO_PARAMS, &small, &rows), ERR_LIMIT);
		arena_finish(&small);
	}
	assert_int_equal(db_select(f->conn, &all_things, DB_NO_PARAMS, &f->arena, &rows), 0);
	assert_int_equal(rows.n, 500);
}

#define ENDLESS "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n) x"

static int64_t elapsed_us(int64_t since_us)
{
	return clock_monotonic_us() - since_us;
}

static void test_query__a_statement_has_a_limit(void **state)
{
	struct fixture *f = *state;
	struct db *db = open_db(f->url, 600 * US_PER_MS);
	struct db_conn *conn = connect_db(db);
	int64_t n, start_us = clock_monotonic_us();

	assert_int_equal(db_select_int(conn, ENDLESS, DB_NO_PARAMS, &n), ERR_TIMEOUT);
	assert_in_range(elapsed_us(start_us), 400 * US_PER_MS, 1500 * US_PER_MS);
	assert_true(db_available(db));
	assert_int_equal(db_select_int(conn, "SELECT 5", DB_NO_PARAMS, &n), 0);
	assert_int_equal(n, 5);
	db_disconnect(conn);
	db_close(db);
}

static int write_endlessly(struct db_conn *conn, void *arg)
{
	int64_t n;
	int r = execute_insert(conn, &sample, NULL);

	return r < 0 ? r : db_select_int(conn, ENDLESS, DB_NO_PARAMS, &n);
}

static void test_query__the_limit_holds_in_a_write_too(void **state)
{
	struct fixture *f = *state;
	struct db *db = open_db(f->url, 600 * US_PER_MS);
	struct db_conn *conn = connect_db(db);

	assert_int_equal(db_write(conn, write_endlessly, NULL), ERR_TIMEOUT);
	assert_int_equal(count_of(conn, "SELECT count(*) FROM thing"), 0);
	assert_int_equal(add_thing(conn, "a"), 0);
	db_disconnect(conn);
	db_close(db);
}

static void test_query__failures_are_counted(void **state)
{
	struct fixture *f = *state;
	struct metric *conflicts = metric_series(METRIC_DB_ERRORS, "kind=\"conflict\"");
	int64_t before = metric_value(conflicts);

	assert_int_equal(add_thing(f->conn, "a"), 0);
	assert_int_equal(metric_value(conflicts), before);
	assert_int_equal(add_thing(f->conn, "a"), ERR_CONFLICT);
	assert_int_equal(metric_value(conflicts), before + 1);
	assert_int_equal(metric_value(metric_series(METRIC_DB_UP, "")), 1);
}

/* Threads that read, then write what they read plus one: lost updates would show in the sum. */
#define THREADS 6
#define ROUNDS  25

struct counting {
	struct fixture *f;
	pthread_t thread;
	int failed;
};

static int read_then_write(struct db_conn *conn, void *arg)
{
	static const struct db_statement set_number = { .sql = "UPDATE thing SET number = $1 WHERE name = 'counter'" };
	int64_t n;
	int r = db_select_int(conn, "SELECT number FROM thing WHERE name = 'counter'", DB_NO_PARAMS, &n);

	return r < 0 ? r : db_execute(conn, &set_number, DB_PARAMS(DB_INT(n + 1)), NULL);
}

static void *count_up(void *arg)
{
	struct counting *c = arg;
	struct db_conn *conn = connect_db(c->f->db);

	/* A transaction that is disturbed too often answers "retry later". */
	for (int i = 0; i < ROUNDS; i++) {
		int r;

		while ((r = db_write(conn, read_then_write, NULL)) == ERR_UNAVAILABLE && db_available(c->f->db))
			nap();
		c->failed += r != 0;
	}
	db_disconnect(conn);
	return NULL;
}

static void test_query__closures_do_not_disturb_each_other(void **state)
{
	struct fixture *f = *state;
	struct counting counting[THREADS];

	must_write(f->conn, "INSERT INTO thing (name, number) VALUES ('counter', 0)");
	for (int i = 0; i < THREADS; i++) {
		counting[i] = (struct counting){ .f = f };
		assert_int_equal(pthread_create(&counting[i].thread, NULL, count_up, &counting[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(counting[i].thread, NULL);
		assert_int_equal(counting[i].failed, 0);
	}
	assert_int_equal(count_of(f->conn, "SELECT number FROM thing"), THREADS * ROUNDS);
}

/* Two rows in one write, then a select of both: all or nothing must have been written. */
static int write_two(struct db_conn *conn, void *arg)
{
	struct thing second = sample;
	int r = execute_insert(conn, &sample, NULL);

	second.name = str_of("counted");
	if (r == 0)
		r = execute_insert(conn, &second, NULL);
	return r < 0 ? r : db_execute(conn, &add_one, DB_PARAMS(DB_TEXT(str_of("counted"))), NULL);
}

static int scenario(struct fixture *f)
{
	struct db_rows rows;
	int r = db_write(f->conn, write_two, NULL);

	return r < 0 ? r : db_select(f->conn, &all_things, DB_NO_PARAMS, &f->arena, &rows);
}

static void walk_faults(struct fixture *f, enum fault_point point, const char *name)
{
	int n, r = -1;

	for (n = 1; r < 0; n++) {
		assert_true(n < 500);
		must_write(f->conn, "DELETE FROM thing");
		/* A fresh connection: its statements are prepared anew each time. */
		db_disconnect(f->conn);
		f->conn = connect_db(f->db);
		arena_finish(&f->arena);
		arena_init(&f->arena, 1 << 20);
		fault_arm(point, n, false);
		r = scenario(f);
		fault_disarm_all();
		if (r < 0)
			assert_true(strlen(db_error(f->conn)) > 0);
		assert_true(db_available(f->db));
		if (count_of(f->conn, "SELECT count(*) FROM thing") != (r < 0 ? 0 : 2))
			assert_int_equal(count_of(f->conn, "SELECT count(*) FROM thing WHERE number > 5"),
			                 2); /* written, then the select failed */
	}
	if (n < 4)
		fail_msg("%s: only %d faults", name, n);
}

static void test_query__every_step_may_fail(void **state)
{
	walk_faults(*state, FAULT_SQL_STEP, "steps");
}

static void test_query__every_allocation_may_fail(void **state)
{
	walk_faults(*state, FAULT_ALLOC, "allocations");
}

static int open_use_close(const char *url)
{
	const struct db_config config = { .url = url, .create = true };
	struct db_conn *conn = NULL;
	struct error err = { 0 };
	struct db *db = NULL;
	int64_t n;
	int r = db_open(&config, &db, &err);

	if (r == 0)
		r = db_connect(db, &conn, &err);
	if (r < 0)
		assert_true(strlen(err.text) > 0);
	if (r == 0)
		r = db_select_int(conn, "SELECT 1", DB_NO_PARAMS, &n);
	if (r == 0)
		r = write_script(conn, "DELETE FROM thing");
	if (db)
		db_probe(db);
	db_disconnect(conn);
	db_close(db);
	return r;
}

static void test_query__opening_survives_every_failed_allocation(void **state)
{
	struct fixture *f = *state;
	int n, r = -1;

	for (n = 1; r < 0; n++) {
		assert_true(n < 500);
		fault_arm(FAULT_ALLOC, n, false);
		r = open_use_close(f->url);
		fault_disarm_all();
	}
	assert_true(n > 4);
}

static void test_query__the_shown_url_keeps_secrets(void **state)
{
	struct fixture *f = *state;

	assert_null(strchr(db_shown_url(f->db), '@'));
	assert_int_equal(db_engine(f->db), f->engine);
	assert_false(db_read_only(f->db));
	assert_ptr_equal(db_of(f->conn), f->db);
}

#define BOTH(fn) cmocka_unit_test_setup_teardown(fn, fixture_open, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_query__values_of_every_kind_come_back),
		BOTH(test_query__no_value_of_every_kind_comes_back),
		BOTH(test_query__edges_of_values),
		BOTH(test_query__many_rows_in_order),
		BOTH(test_query__one_row_or_not_found),
		BOTH(test_query__parameters_by_number),
		BOTH(test_query__optional_text_parameters),
		BOTH(test_query__optional_text_parameters_inside_a_write),
		BOTH(test_query__returning_and_the_closures_own_result),
		BOTH(test_query__a_negative_result_rolls_back),
		BOTH(test_query__broken_constraints_are_conflicts),
		BOTH(test_query__foreign_keys_are_deferred),
		BOTH(test_query__a_failed_statement_dooms_its_closure),
		BOTH(test_query__writing_has_one_way),
		BOTH(test_query__changed_rows_are_counted),
		BOTH(test_query__orders_after_commit),
		BOTH(test_query__mistakes_are_named),
		BOTH(test_query__a_nul_is_refused),
		BOTH(test_query__the_arena_bounds_a_select),
		BOTH(test_query__a_statement_has_a_limit),
		BOTH(test_query__the_limit_holds_in_a_write_too),
		BOTH(test_query__failures_are_counted),
		BOTH(test_query__closures_do_not_disturb_each_other),
		BOTH(test_query__every_step_may_fail),
		BOTH(test_query__every_allocation_may_fail),
		BOTH(test_query__opening_survives_every_failed_allocation),
		BOTH(test_query__the_shown_url_keeps_secrets),
	};
	int sqlite = cmocka_run_group_tests_name("SQLite", tests, fixture_start_sqlite, fixture_stop);

	return sqlite + cmocka_run_group_tests_name("PostgreSQL", tests, fixture_start_postgresql, fixture_stop);
}
