/* The schema: created, recognised, completed, refused; one body for both engines. */
#include <sys/wait.h>

#include "base/cleanup.h"
#include "db/schema_impl.h"
#include "tests/unit/db/fixture.h"

static size_t count_items(enum schema_what what, int owner)
{
	enum schema_owner present = DJANGO;
	size_t n = 0;

	for (size_t i = 0; i < schema_n_items; i++) {
		if (schema_items[i].what == SCHEMA_TABLE)
			present = schema_items[i].owner;
		n += schema_items[i].what == what && (owner < 0 || (int)present == owner || what == SCHEMA_MIGRATION);
	}
	return n;
}

static int inspect(struct fixture *f, enum schema_state *ret_state, char *ret_report, size_t size)
{
	CLEANUP(buf_finish) struct buf report = BUF_EMPTY;
	int r = schema_inspect(f->conn, ret_state, &report);

	snprintf(ret_report, size, "%s", buf_view(&report).s);
	return r;
}

static void check_state(struct fixture *f, enum schema_state expected)
{
	enum schema_state state = SCHEMA_EMPTY;
	char report[4096];

	assert_int_equal(inspect(f, &state, report, sizeof(report)), 0);
	if (state != expected)
		fail_msg("state %d, expected %d: %s", state, expected, report);
	if (expected == SCHEMA_CURRENT || expected == SCHEMA_EMPTY)
		assert_string_equal(report, "");
}

static int migrate(struct fixture *f, enum schema_state *ret_before, char *ret_report, size_t size)
{
	CLEANUP(buf_finish) struct buf report = BUF_EMPTY;
	int r = schema_migrate(f->conn, ret_before, &report);

	snprintf(ret_report, size, "%s", buf_view(&report).s);
	return r;
}

static void must_migrate(struct fixture *f, enum schema_state before)
{
	enum schema_state state = SCHEMA_FOREIGN;
	char report[4096];
	int r = migrate(f, &state, report, sizeof(report));

	if (r != 0)
		fail_msg("%d %s: %s", r, db_error(f->conn), report);
	assert_int_equal(state, before);
}

struct django {
	const char *from, *to; /* a change of the text, or NULL */
};

/* Appends text with each `from` replaced. */
static void add_changed(struct buf *sql, const char *text, const struct django *change)
{
	const char *hit;

	while (change->from && (hit = strstr(text, change->from))) {
		buf_add(sql, text, (size_t)(hit - text));
		buf_add_text(sql, change->to);
		text = hit + strlen(change->from);
	}
	buf_add_text(sql, text);
}

static int create_django(struct db_conn *conn, void *arg)
{
	CLEANUP(buf_finish) struct buf tables = BUF_EMPTY;
	CLEANUP(buf_finish) struct buf sql = BUF_EMPTY;
	enum db_engine engine = db_engine(db_of(conn));

	for (size_t i = 0; i < schema_n_items; i++)
		if (schema_items[i].what == SCHEMA_TABLE && schema_items[i].owner == DJANGO)
			schema_add_table(&tables, engine, i);
	for (size_t i = 0; i < schema_n_items; i++)
		if (schema_items[i].what == SCHEMA_TABLE && schema_items[i].owner == DJANGO)
			schema_add_foreign_keys(&tables, engine, i);
	add_changed(&sql, buf_view(&tables).s, arg);
	assert_false(sql.failed);
	return db_script(conn, sql.data);
}

/* What Django leaves: its tables, without ours. */
static void make_django(struct fixture *f, const char *from, const char *to)
{
	struct django change = { from, to };
	int r = db_write(f->conn, create_django, &change);

	if (r != 0)
		fail_msg("%d %s", r, db_error(f->conn));
}

static void test_schema__the_list_is_sound(void **state)
{
	assert_int_equal(count_items(SCHEMA_TABLE, DJANGO), 49);
	assert_int_equal(count_items(SCHEMA_TABLE, OURS), 7);
	assert_int_equal(count_items(SCHEMA_MIGRATION, -1), 67);
	for (size_t i = 0; i < schema_n_items; i++) {
		const struct schema_item *item = &schema_items[i];
		bool found = !item->refers_to;

		for (size_t t = 0; t < schema_n_items; t++)
			found |= item->refers_to && schema_items[t].what == SCHEMA_TABLE &&
			         strcmp(schema_items[t].name, item->refers_to) == 0;
		assert_true(found);
		if (item->rule == SET_NULL)
			assert_true(item->flags & NULLABLE);
		if (item->flags & KEY)
			assert_false(item->flags & NULLABLE);
	}
}

static void test_schema__an_empty_database_gets_everything(void **state)
{
	struct fixture *f = *state;

	check_state(f, SCHEMA_EMPTY);
	must_migrate(f, SCHEMA_EMPTY);
	check_state(f, SCHEMA_CURRENT);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM django_migrations"), 67);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM django_migrations WHERE app = 'core' AND name = '0020_add_saka_phase2'"),
	                 1);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM egoejo_schema WHERE version = 1 AND applied_at > '2020-01-01'"), 1);
	must_migrate(f, SCHEMA_CURRENT);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM django_migrations"), 67);
}

/* How many tables and indexes have the name, by the engine's own catalog. */
static int64_t count_named(struct fixture *f, const char *name)
{
	static const char *const catalogs[] = {
		[DB_SQLITE] = "SELECT count(*) FROM sqlite_master WHERE name = $1",
		[DB_POSTGRESQL] = "SELECT count(*) FROM pg_class WHERE relname = $1 AND relkind IN ('r', 'i')",
	};
	int64_t n = -1;

	assert_int_equal(db_select_int(f->conn, catalogs[f->engine], DB_PARAMS(DB_TEXT(str_of(name))), &n), 0);
	return n;
}

static void test_schema__every_table_and_index_is_there(void **state)
{
	struct fixture *f = *state;

	must_migrate(f, SCHEMA_EMPTY);
	for (size_t i = 0; i < schema_n_items; i++)
		if (schema_items[i].what == SCHEMA_TABLE || schema_items[i].what == SCHEMA_INDEX)
			if (count_named(f, schema_items[i].name) != 1)
				fail_msg("%s is missing", schema_items[i].name);
}

static void test_schema__foreign_keys_are_all_there_and_deferred(void **state)
{
	struct fixture *f = *state;
	int64_t expected = 0;

	must_migrate(f, SCHEMA_EMPTY);
	for (size_t i = 0; i < schema_n_items; i++)
		expected += schema_items[i].refers_to != NULL;
	if (f->engine == DB_SQLITE) {
		assert_int_equal(
		        count_of(f->conn,
		                 "SELECT count(*) FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) WHERE m.type = 'table'"),
		        expected);
		assert_int_equal(count_of(f->conn, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND sql LIKE '%REFERENCES%'"
		                                   " AND sql NOT LIKE '%DEFERRABLE INITIALLY DEFERRED%'"),
		                 0);
	} else {
		assert_int_equal(
		        count_of(f->conn, "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND condeferrable AND condeferred"),
		        expected);
	}
}

static void check_insert(struct fixture *f, int expected, const char *sql)
{
	int r = write_script(f->conn, sql);

	if (r != expected)
		fail_msg("%d, expected %d: %s: %s", r, expected, db_error(f->conn), sql);
}

#define THREAD(user, type)                                                                                    \
	"INSERT INTO core_chatthread (title, is_private, created_at, updated_at, created_by_id, thread_type)" \
	" VALUES ('t', FALSE, '2026-01-01 00:00:00', '2026-01-01 00:00:00', " user ", '" type "')"
#define POLL(quorum)                                                                                                                  \
	"INSERT INTO core_poll (title, question, description, status, is_anonymous, allow_multiple, quorum, created_at, updated_at, " \
	"voting_method,"                                                                                                              \
	" is_shareholder_vote) VALUES ('t', 'q', 'd', 'draft', FALSE, FALSE, " quorum                                                 \
	", '2026-01-01 00:00:00', '2026-01-01 00:00:00', 'binary', FALSE)"
#define AUDIT(json)                                                                                                      \
	"INSERT INTO core_auditlog (action, target_type, target_id, metadata, created_at) VALUES ('a', 't', '1', '" json \
	"', '2026-01-01 00:00:00')"
#define USER(id, name)                                                                                                                 \
	"INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, first_name)" \
	" VALUES (" id ", '', FALSE, '" name "', '', '', FALSE, TRUE, '2026-01-01 00:00:00', '')"

static void test_schema__constraints_bite(void **state)
{
	struct fixture *f = *state;

	must_migrate(f, SCHEMA_EMPTY);
	check_insert(f, 0, USER("1", "ada"));
	check_insert(f, ERR_CONFLICT, USER("2", "ada"));
	check_insert(f, 0, THREAD("1", "SUPPORT_CONCIERGE"));
	check_insert(f, ERR_CONFLICT, THREAD("1", "SUPPORT_CONCIERGE"));
	check_insert(f, 0, THREAD("1", "GENERAL"));
	check_insert(f, 0, THREAD("1", "GENERAL"));
	check_insert(f, ERR_CONFLICT, THREAD("99", "GENERAL"));
	check_insert(f, 0, POLL("NULL"));
	check_insert(f, 0, POLL("0"));
	check_insert(f, ERR_CONFLICT, POLL("-1"));
	check_insert(f, 0, AUDIT("{\"a\": 1}"));
	check_insert(f, f->engine == DB_SQLITE ? ERR_CONFLICT : ERR_INVALID, AUDIT("{a"));
	check_insert(f, ERR_CONFLICT, "INSERT INTO django_migrations (app, name) VALUES ('a', 'b')");
}

static void test_schema__keys_are_never_used_twice(void **state)
{
	struct fixture *f = *state;

	must_migrate(f, SCHEMA_EMPTY);
	must_write(f->conn, AUDIT("1"));
	must_write(f->conn, AUDIT("2"));
	must_write(f->conn, "DELETE FROM core_auditlog");
	must_write(f->conn, AUDIT("3"));
	assert_int_equal(count_of(f->conn, "SELECT id FROM core_auditlog"), 3);
}

static void test_schema__a_database_of_django_is_completed(void **state)
{
	struct fixture *f = *state;
	enum schema_state found;
	char report[4096];

	make_django(f, NULL, NULL);
	must_write(f->conn, USER("7", "ada"));
	assert_int_equal(inspect(f, &found, report, sizeof(report)), 0);
	assert_int_equal(found, SCHEMA_KNOWN);
	assert_string_equal(report, "table egoejo_schema is missing\ntable egoejo_outbox is missing\ntable egoejo_task_done is missing\n"
	                            "table egoejo_beat is missing\ntable egoejo_alert is missing\ntable egoejo_file_scan is missing\n"
	                            "table core_chatmessagereport is missing\n");
	must_migrate(f, SCHEMA_KNOWN);
	check_state(f, SCHEMA_CURRENT);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM auth_user"), 1);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM django_migrations"), 0);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM egoejo_outbox"), 0);
}

static void test_schema__one_of_our_tables_may_be_there_already(void **state)
{
	struct fixture *f = *state;

	make_django(f, NULL, NULL);
	must_migrate(f, SCHEMA_KNOWN);
	must_write(f->conn, "DROP TABLE egoejo_beat; DROP TABLE egoejo_schema");
	check_state(f, SCHEMA_KNOWN);
	must_migrate(f, SCHEMA_KNOWN);
	check_state(f, SCHEMA_CURRENT);
}

/* As the second version left it, and the first. */
#define BACK_TO_2                                                                                         \
	"DROP INDEX egoejo_outbox_local; DROP INDEX egoejo_outbox_others; DROP INDEX egoejo_outbox_sent;" \
	"DROP INDEX egoejo_task_done_finished; DELETE FROM egoejo_schema WHERE version > 2;"
#define BACK_TO_1 BACK_TO_2 "DROP TABLE egoejo_file_scan; DELETE FROM egoejo_schema WHERE version > 1;"

static void assert_complete(struct fixture *f)
{
	check_state(f, SCHEMA_CURRENT);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM egoejo_schema"), SCHEMA_VERSION);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM egoejo_file_scan"), 0);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM auth_user"), 1);
	for (size_t i = 0; i < schema_n_items; i++)
		if (schema_items[i].what == SCHEMA_INDEX && count_named(f, schema_items[i].name) != 1)
			fail_msg("%s is missing", schema_items[i].name);
}

static void check_completed(struct fixture *f, const char *back)
{
	must_migrate(f, SCHEMA_EMPTY);
	must_write(f->conn, back);
	check_state(f, SCHEMA_KNOWN);
	must_migrate(f, SCHEMA_KNOWN);
	assert_complete(f);
}

static void test_schema__a_database_of_the_first_version_is_completed(void **state)
{
	check_completed(*state, BACK_TO_1 USER("7", "ada"));
}

static void test_schema__a_database_of_the_second_version_is_completed(void **state)
{
	check_completed(*state, BACK_TO_2 USER("7", "ada"));
}

static void test_schema__what_is_more_is_no_difference(void **state)
{
	struct fixture *f = *state;

	make_django(f, NULL, NULL);
	must_write(f->conn, "CREATE TABLE blog_post (id integer); ALTER TABLE core_projet ADD COLUMN colour varchar(9) NULL;"
	                    "CREATE INDEX more ON core_projet (titre); DROP INDEX core_projet_community_id_1d7b5453");
	must_migrate(f, SCHEMA_KNOWN);
	must_write(f->conn, "INSERT INTO egoejo_schema (version, applied_at) VALUES (99, '2030-01-01 00:00:00')");
	check_state(f, SCHEMA_CURRENT);
}

/* Refused, the difference named, nothing touched. */
static void check_refused(struct fixture *f, const char *expected)
{
	enum schema_state found = SCHEMA_EMPTY;
	char report[8192];

	assert_int_equal(migrate(f, &found, report, sizeof(report)), ERR_SCHEMA);
	assert_int_equal(found, SCHEMA_FOREIGN);
	if (!strstr(report, expected))
		fail_msg("'%s' is not in: %s", expected, report);
	assert_int_equal(count_named(f, "egoejo_outbox"), 0);
}

static void test_schema__a_missing_column_is_named(void **state)
{
	make_django(*state, "\"saka_supporters_count\"", "\"saka_supporters\"");
	check_refused(*state, "column core_projet.saka_supporters_count is missing\n");
}

static void test_schema__a_missing_table_is_named(void **state)
{
	make_django(*state, "\"impact_dashboard\"", "\"impact_board\"");
	check_refused(*state, "table impact_dashboard is missing\n");
}

static void test_schema__another_type_is_named(void **state)
{
	struct fixture *f = *state;

	make_django(f, "\"impact_score\" integer", "\"impact_score\" varchar(7)");
	check_refused(f, f->engine == DB_SQLITE ? "column core_projet.impact_score is varchar(7), expected integer\n"
	                                        : "column core_projet.impact_score is character varying(7), expected integer\n");
}

static void test_schema__other_nullability_is_named(void **state)
{
	make_django(*state, "\"impact_score\" integer NULL", "\"impact_score\" integer NOT NULL");
	check_refused(*state, "column core_projet.impact_score may not be null\n");
}

static void test_schema__a_stranger_is_refused(void **state)
{
	struct fixture *f = *state;

	must_write(f->conn, "CREATE TABLE wp_posts (id integer)");
	check_refused(f, "table auth_user is missing\n");
}

static void test_schema__ours_is_checked_too(void **state)
{
	struct fixture *f = *state;

	make_django(f, NULL, NULL);
	must_write(f->conn, "CREATE TABLE egoejo_alert (key varchar(255) NOT NULL PRIMARY KEY)");
	check_refused(f, "column egoejo_alert.sent is missing\n");
}

/* On SQLite the affinity of a type counts, not its name. */
static void test_schema__types_are_compared_by_affinity(void **state)
{
	struct fixture *f = *state;

	make_django(f, " varchar(255)", f->engine == DB_SQLITE ? " NVARCHAR(99)" : " varchar(255)");
	check_state(f, SCHEMA_KNOWN);
}

static int migrate_in_child(const char *url)
{
	const struct db_config config = { .url = url, .create = true };
	enum schema_state before;
	struct buf report = BUF_EMPTY;
	struct db_conn *conn;
	struct db *db;
	int r = db_open(&config, &db, NULL);

	if (r == 0)
		r = db_connect(db, &conn, NULL);
	if (r == 0)
		r = schema_migrate(conn, &before, &report);
	return -r;
}

#define PROCESSES 6

static void migrate_at_once(struct fixture *f)
{
	pid_t pids[PROCESSES];
	int status;

	close_fixture(f);
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(migrate_in_child(f->url));
	}
	for (int i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	open_fixture(f);
	check_state(f, SCHEMA_CURRENT);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM egoejo_schema"), SCHEMA_VERSION);
}

static void test_schema__several_processes_may_start_at_once(void **state)
{
	struct fixture *f = *state;

	migrate_at_once(f);
	assert_int_equal(count_of(f->conn, "SELECT count(*) FROM django_migrations"), 67);
}

static void test_schema__several_processes_complete_a_known_one(void **state)
{
	make_django(*state, NULL, NULL);
	migrate_at_once(*state);
}

static void test_schema__several_processes_complete_an_earlier_version(void **state)
{
	static const char *const earlier[] = { BACK_TO_1 USER("7", "ada"), BACK_TO_2 };
	struct fixture *f = *state;

	must_migrate(f, SCHEMA_EMPTY);
	for (size_t i = 0; i < N_ELEMENTS(earlier); i++) {
		must_write(f->conn, earlier[i]);
		migrate_at_once(f);
		assert_complete(f);
	}
}

/* After each failure the database is as it was. On PostgreSQL, where each run takes its time, the later ones are sampled. */
static void walk_faults(struct fixture *f, enum fault_point point, int stride)
{
	enum schema_state before;
	char report[4096];
	int n, r = -1;

	for (n = 1; r < 0; n += n < 8 ? 1 : stride) {
		assert_true(n < 20000);
		fault_arm(point, n, false);
		r = migrate(f, &before, report, sizeof(report));
		fault_disarm_all();
		if (r < 0)
			check_state(f, SCHEMA_EMPTY);
	}
	assert_true(n > 8);
	check_state(f, SCHEMA_CURRENT);
}

static void test_schema__every_step_may_fail(void **state)
{
	struct fixture *f = *state;

	walk_faults(f, FAULT_SQL_STEP, f->engine == DB_SQLITE ? 1 : 29);
}

static void test_schema__every_allocation_may_fail(void **state)
{
	struct fixture *f = *state;

	walk_faults(f, FAULT_ALLOC, f->engine == DB_SQLITE ? 1 : 5);
}

#define BOTH(fn) cmocka_unit_test_setup_teardown(fn, fixture_open_empty, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schema__the_list_is_sound),
		BOTH(test_schema__an_empty_database_gets_everything),
		BOTH(test_schema__every_table_and_index_is_there),
		BOTH(test_schema__foreign_keys_are_all_there_and_deferred),
		BOTH(test_schema__constraints_bite),
		BOTH(test_schema__keys_are_never_used_twice),
		BOTH(test_schema__a_database_of_django_is_completed),
		BOTH(test_schema__one_of_our_tables_may_be_there_already),
		BOTH(test_schema__a_database_of_the_first_version_is_completed),
		BOTH(test_schema__a_database_of_the_second_version_is_completed),
		BOTH(test_schema__what_is_more_is_no_difference),
		BOTH(test_schema__a_missing_column_is_named),
		BOTH(test_schema__a_missing_table_is_named),
		BOTH(test_schema__another_type_is_named),
		BOTH(test_schema__other_nullability_is_named),
		BOTH(test_schema__a_stranger_is_refused),
		BOTH(test_schema__ours_is_checked_too),
		BOTH(test_schema__types_are_compared_by_affinity),
		BOTH(test_schema__several_processes_may_start_at_once),
		BOTH(test_schema__several_processes_complete_a_known_one),
		BOTH(test_schema__several_processes_complete_an_earlier_version),
		BOTH(test_schema__every_step_may_fail),
		BOTH(test_schema__every_allocation_may_fail),
	};
	int sqlite = cmocka_run_group_tests_name("SQLite", tests, fixture_start_sqlite, fixture_stop);

	return sqlite + cmocka_run_group_tests_name("PostgreSQL", tests, fixture_start_postgresql, fixture_stop);
}
