/*
 * Taking rows: their order, and that neither taking them nor anything else that is done with the outbox reads what it is not about.
 * The second is told by the engine's own plans, of the statements as they were sent.
 */
#include <sqlite3.h>

#include "base/cleanup.h"
#include "db/outbox.h"
#include "db/outbox_lease.h"
#include "db/schema.h"
#include "db/sqlite_impl.h"
#include "db/task_done.h"
#include "tests/unit/db/fixture.h"

#define TEXT(s) ((struct str)STR(s))

static int open_with_schema(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_finish) struct buf differences = BUF_EMPTY;
	enum schema_state before;

	fixture_open_empty(state);
	assert_int_equal(schema_migrate(f->conn, &before, &differences), 0);
	return 0;
}

/* ---- rows ---- */

#define INSERT \
	"INSERT INTO egoejo_outbox (task_id, name, queue, priority, envelope, durable, state, due_at, sent_at, attempts, created_at) "

static void put(struct fixture *f, int n, const char *name, const char *queue, int priority, const char *due)
{
	char sql[600];

	snprintf(sql, sizeof(sql), INSERT "VALUES ('%032x', '%s', '%s', %d, '{}', TRUE, 'new', '%s', NULL, 0, '2026-01-01 00:00:00')",
	         (unsigned)n, name, queue, priority, due);
	must_write(f->conn, sql);
}

struct claiming {
	struct fixture *f;
	struct outbox_wanted wanted;
	int64_t limit;
	struct db_rows rows;
};

static int claim(struct db_conn *db, void *arg)
{
	struct claiming *c = arg;

	return outbox_claim(db, c->wanted, TEXT("somebody"), c->limit, &c->f->arena, &c->rows);
}

/* The names of those that are taken, in their order, each with a space behind. */
static void assert_taken(struct fixture *f, struct outbox_wanted wanted, int64_t limit, const char *names)
{
	struct claiming c = { .f = f, .wanted = wanted, .limit = limit };
	char taken[200] = "";
	const struct outbox_row *row;

	assert_int_equal(outbox_any_due(f->conn, wanted), *names != '\0');
	assert_int_equal(db_write(f->conn, claim, &c), 0);
	row = c.rows.items;
	for (size_t i = 0; i < c.rows.n; i++) {
		assert_int_equal(row[i].attempts, 1);
		snprintf(taken + strlen(taken), sizeof(taken) - strlen(taken), "%.*s ", STR_ARG(row[i].name));
	}
	assert_string_equal(taken, names);
}

#define LOCAL  ((struct outbox_wanted){ .local = true })
#define OTHERS ((struct outbox_wanted){ .others = true })
#define BOTH   ((struct outbox_wanted){ .local = true, .others = true })

static void put_some(struct fixture *f)
{
	put(f, 1, "late", "celery", 9, "2026-01-01 00:00:00");
	put(f, 2, "third", "celery", 0, "2026-01-03 00:00:00.5");
	put(f, 3, "future", "celery", 0, "2999-01-01 00:00:00");
	put(f, 4, "second", "local", 0, "2026-01-02 00:00:00");
	put(f, 5, "first", "mail", 0, "2026-01-01 00:00:00");
	put(f, 6, "fourth", "celery", 0, "2026-01-03 00:00:00.5");
	put(f, 7, "fifth", "local", 3, "2025-01-01 00:00:00");
	put(f, 8, "before", "celery", -1, "2026-01-05 00:00:00");
}

static void test_outbox_claim__the_urgent_first_then_who_waits_longest(void **state)
{
	put_some(*state);
	assert_taken(*state, BOTH, 100, "before first second third fourth fifth late ");
	assert_taken(*state, BOTH, 100, "");
}

static void test_outbox_claim__a_few_at_a_time(void **state)
{
	put_some(*state);
	assert_taken(*state, BOTH, 3, "before first second ");
	assert_taken(*state, BOTH, 3, "third fourth fifth ");
	assert_taken(*state, BOTH, 3, "late ");
}

static void test_outbox_claim__one_kind_leaves_the_other(void **state)
{
	put_some(*state);
	assert_taken(*state, LOCAL, 1, "second ");
	assert_taken(*state, OTHERS, 4, "before first third fourth ");
	assert_taken(*state, LOCAL, 4, "fifth ");
	assert_taken(*state, LOCAL, 4, "");
	assert_taken(*state, OTHERS, 4, "late ");
}

static void test_outbox_claim__nobody_takes_what_is_held(void **state)
{
	struct fixture *f = *state;

	put_some(f);
	must_write(f->conn,
	           "UPDATE egoejo_outbox SET state = 'sent' WHERE name = 'before'; UPDATE egoejo_outbox SET state = 'dead' WHERE name = "
	           "'first'; UPDATE egoejo_outbox SET lease_until = '2026-01-01 00:00:00' WHERE name IN ('third', 'fifth')");
	assert_taken(f, BOTH, 1, "second ");
	assert_taken(f, BOTH, 2, "third fourth ");
	assert_taken(f, BOTH, 9, "fifth late ");
}

/* ---- plans ---- */

#define NUMBERS        "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000) "
#define HEX_SQLITE     "printf('%032x', n)"
#define HEX_POSTGRESQL "CAST(lpad(to_hex(n), 32, '0') AS uuid)"
#define MANY(hex)                                                                                                                         \
	INSERT NUMBERS "SELECT " hex ", 't', CASE WHEN n % 7 = 0 THEN 'local' ELSE 'celery' END, n % 3, '{}', TRUE, CASE WHEN n % 5 = 0 " \
	               "THEN 'sent' WHEN n % 500 = 1 THEN 'dead' ELSE 'new' END, CASE WHEN n % 2 = 0 THEN " EARLY " ELSE " LATE " END, "  \
	               "CASE WHEN n % 5 = 0 THEN " EARLY " END, 0, " EARLY " FROM c;"                                                     \
	               "INSERT INTO egoejo_task_done (task_id, name, result, finished_at) " NUMBERS "SELECT " hex ", 't', 'true', " EARLY \
	               " FROM c"
static const char *const many[] = {
#define EARLY "'2026-01-01 00:00:00'"
#define LATE  "'2999-01-01 00:00:00'"
	[DB_SQLITE] = MANY(HEX_SQLITE),
#undef EARLY
#undef LATE
#define EARLY "CAST('2026-01-01 00:00:00+00' AS timestamptz)"
#define LATE  "CAST('2999-01-01 00:00:00+00' AS timestamptz)"
	[DB_POSTGRESQL] =
	        MANY(HEX_POSTGRESQL) "; ANALYZE egoejo_outbox; ANALYZE egoejo_task_done; SET plan_cache_mode = force_generic_plan",
};

/* Everything that changes rows, once. */
static int change_all(struct db_conn *db, void *arg)
{
	struct fixture *f = arg;
	struct str who = TEXT("somebody"), ids = TEXT("[1,2,3]"), none = { NULL, 0 };
	struct instant now = clock_now();
	struct db_rows rows;
	int64_t n;
	int r = outbox_claim(db, BOTH, who, 10, &f->arena, &rows);

	r |= outbox_renew(db, who, ids) | outbox_give_back(db, who, ids, none) | outbox_put_off(db, who, ids, now, none);
	r |= outbox_sent(db, ids) | outbox_retry(db, who, 4, TEXT("{}"), now, none) | outbox_bury(db, who, 4, none);
	r |= outbox_settle_done(db, ids, &n) | outbox_settle(db, ids) | outbox_send_again(db, ids, none) | outbox_delete(db, 4);
	return r | outbox_revive(db, TEXT("0000000000000000000000000000000f"), &n) | outbox_purge_dead(db, &n);
}

static void run_all(struct fixture *f)
{
	const struct task_done done = { TEXT("x"), TEXT("t"), TEXT("2026-W48") };
	struct outbox_figures figures;
	struct db_rows rows;
	struct str result;

	assert_int_equal(outbox_any_due(f->conn, BOTH), 1);
	assert_int_equal(outbox_list_sent(f->conn, (struct outbox_place){ { 0 }, 0 }, 10, &f->arena, &rows), 0);
	assert_int_equal(outbox_figures(f->conn, &f->arena, &figures), 0);
	assert_int_equal(outbox_list(f->conn, TEXT("dead"), (struct str){ NULL, 0 }, 10, &f->arena, &rows), 0);
	assert_int_equal(outbox_list(f->conn, TEXT("dead"), TEXT("0000000000000000000000000000000f"), 10, &f->arena, &rows), 0);
	assert_int_equal(task_done_find(f->conn, &f->arena, &done, &result), ERR_NOT_FOUND);
	assert_int_equal(db_write(f->conn, change_all, f), 0);
	assert_int_equal(task_done_purge(f->conn, clock_now(), 10), 10);
}

/* What a statement on these tables must be served by, by a part of its text; the last line is for all others. */
static const struct {
	const char *part, *index;
	bool may_sort;
} expectations[] = {
	{ "AND queue = 'local' AND priority", "egoejo_outbox_local", false },
	{ "AND queue <> 'local' AND priority", "egoejo_outbox_others", false },
	{ "ORDER BY sent_at, id", "egoejo_outbox_sent", false },
	{ "min(sent_at)", "egoejo_outbox_sent", false },
	{ "ORDER BY finished_at", "egoejo_task_done_finished", false },
	{ "ORDER BY id LIMIT", "", true },
	{ "", "", false },
};

static void check_plan(const char *sql, const char *plan, const char *scan, const char *sort)
{
	size_t i = 0;

	while (!strstr(sql, expectations[i].part))
		i++;
	if (strstr(plan, scan) || !strstr(plan, expectations[i].index) || (!expectations[i].may_sort && strstr(plan, sort)))
		fail_msg("%s:\n%s", sql, plan);
}

static bool concerns_us(const char *sql)
{
	return (strstr(sql, "egoejo_outbox") || strstr(sql, "egoejo_task_done")) && strncmp(sql, "INSERT", 6) != 0;
}

static size_t n_checked;

static void add_row(struct buf *plan, struct str line)
{
	buf_add_str(plan, line);
	buf_add_text(plan, "\n");
}

static void check_sqlite(sqlite3 *handle, const char *sql)
{
	CLEANUP(buf_finish) struct buf explain = BUF_EMPTY;
	CLEANUP(buf_finish) struct buf plan = BUF_EMPTY;
	sqlite3_stmt *stmt = NULL;

	buf_addf(&explain, "EXPLAIN QUERY PLAN %s", sql);
	assert_int_equal(sqlite3_prepare_v2(handle, buf_view(&explain).s, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		add_row(&plan, str_of((const char *)sqlite3_column_text(stmt, 3)));
	sqlite3_finalize(stmt);
	check_plan(sql, buf_view(&plan).s, "SCAN egoejo", "TEMP B-TREE");
	n_checked++;
}

/* Of the connection that reads, or that of the writer, in a closure. */
static int check_all_sqlite(struct db_conn *conn, void *arg)
{
	sqlite3 *handle = sqlite_handle(conn);

	for (sqlite3_stmt *stmt = sqlite3_next_stmt(handle, NULL); stmt; stmt = sqlite3_next_stmt(handle, stmt))
		if (concerns_us(sqlite3_sql(stmt)))
			check_sqlite(handle, sqlite3_sql(stmt));
	return 0;
}

struct line {
	struct str text, name;
	int64_t n_params;
};

static const struct db_column line_columns[] = { DB_COLUMN(struct line, text, TEXT, "statement"),
	                                         DB_COLUMN(struct line, name, TEXT, "name"),
	                                         DB_COLUMN(struct line, n_params, INT, "cardinality(parameter_types)") };
static const struct db_row named_row = DB_ROW(struct line, line_columns);
static const struct db_row plan_row = { line_columns, 1, sizeof(struct line) };

static void check_postgresql(struct fixture *f, const struct line *named)
{
	CLEANUP(buf_finish) struct buf explain = BUF_EMPTY;
	CLEANUP(buf_finish) struct buf plan = BUF_EMPTY;
	struct db_statement *statement = arena_zalloc(&f->arena, sizeof(*statement)); /* its address is its identity */
	struct db_rows rows;

	buf_addf(&explain, "EXPLAIN EXECUTE %.*s", STR_ARG(named->name));
	for (int64_t i = 0; i < named->n_params; i++)
		buf_addf(&explain, "%s", i ? ", NULL" : " (NULL");
	buf_add_text(&explain, named->n_params ? ")" : "");
	*statement = (struct db_statement){ buf_view(&explain).s, &plan_row };
	assert_int_equal(db_select(f->conn, statement, DB_NO_PARAMS, &f->arena, &rows), 0);
	for (size_t i = 0; i < rows.n; i++)
		add_row(&plan, ((const struct line *)rows.items)[i].text);
	check_plan(named->text.s, buf_view(&plan).s, "Seq Scan on egoejo", "Sort");
	n_checked++;
}

static void check_all_postgresql(struct fixture *f)
{
	static const struct db_statement all = { "SELECT $cols FROM pg_prepared_statements", &named_row };
	const struct line *named;
	struct db_rows rows;

	assert_int_equal(db_select(f->conn, &all, DB_NO_PARAMS, &f->arena, &rows), 0);
	named = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		if (concerns_us(named[i].text.s))
			check_postgresql(f, &named[i]);
}

static void test_outbox_claim__nothing_reads_the_whole_table(void **state)
{
	struct fixture *f = *state;

	must_write(f->conn, many[f->engine]);
	run_all(f);
	n_checked = 0;
	if (f->engine == DB_SQLITE) {
		check_all_sqlite(f->conn, NULL);
		assert_int_equal(db_write(f->conn, check_all_sqlite, NULL), 0);
	} else {
		check_all_postgresql(f);
	}
	assert_in_range(n_checked, 24, 40);
}

#define WITH_SCHEMA(name) cmocka_unit_test_setup_teardown(name, open_with_schema, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SCHEMA(test_outbox_claim__the_urgent_first_then_who_waits_longest),
		WITH_SCHEMA(test_outbox_claim__a_few_at_a_time),
		WITH_SCHEMA(test_outbox_claim__one_kind_leaves_the_other),
		WITH_SCHEMA(test_outbox_claim__nobody_takes_what_is_held),
		WITH_SCHEMA(test_outbox_claim__nothing_reads_the_whole_table),
	};

	return cmocka_run_group_tests_name("sqlite", tests, fixture_start_sqlite, fixture_stop) +
	       cmocka_run_group_tests_name("postgresql", tests, fixture_start_postgresql, fixture_stop);
}
