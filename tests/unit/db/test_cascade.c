/* Deleting by the rules of schema.def: every table has a row that refers to row 1 of all others; one body for both engines. */
#include "db/cascade.h"

#include "base/cleanup.h"
#include "db/schema_impl.h"
#include "tests/unit/db/fixture.h"

/* A value that any column of the type takes. */
static const char *value_of(const struct schema_item *column)
{
	static const struct {
		const char *type, *value;
	} values[] = {
		{ "bool", "false" },
		{ "datetime", "'2026-01-05 09:00:00'" },
		{ "date", "'2026-01-05'" },
		{ "char(32)", "'00000000000000000000000000000001'" },
		{ "char(39)", "'127.0.0.1'" },
		{ "varchar", "'x'" },
		{ "text", "'{}'" },
	};

	for (size_t i = 0; i < N_ELEMENTS(values); i++)
		if (strncmp(column->type.sqlite, values[i].type, strlen(values[i].type)) == 0)
			return values[i].value;
	return "1";
}

static bool has_id(size_t table)
{
	const struct schema_item *first = &schema_items[table + 1], *last = &schema_items[schema_table_end(table) - 1];

	for (; first <= last; first++)
		if (first->what == SCHEMA_COLUMN && strcmp(first->name, "id") == 0)
			return strcmp(schema_items[table].name, "django_migrations") != 0;
	return false;
}

/* Row 1 of a table: each reference is to row 1. */
static void add_row(struct buf *sql, size_t table)
{
	CLEANUP(buf_finish) struct buf values = BUF_EMPTY;

	buf_addf(sql, "INSERT INTO \"%s\" (", schema_items[table].name);
	for (size_t i = table + 1; i < schema_table_end(table); i++) {
		if (schema_items[i].what != SCHEMA_COLUMN)
			continue;
		buf_addf(sql, "%s\"%s\"", values.len ? ", " : "", schema_items[i].name);
		buf_addf(&values, "%s%s", values.len ? ", " : "", value_of(&schema_items[i]));
	}
	buf_addf(sql, ") VALUES (%s);\n", values.data);
}

/* One row in each table, and no other. */
static void fill_again(struct fixture *f)
{
	CLEANUP(buf_finish) struct buf sql = BUF_EMPTY;
	int r;

	for (size_t i = 0; i < schema_n_items; i++)
		if (schema_items[i].what == SCHEMA_TABLE && has_id(i)) {
			buf_addf(&sql, "DELETE FROM \"%s\";\n", schema_items[i].name);
			add_row(&sql, i);
		}
	r = db_write(f->conn, run_script, sql.data);
	if (r != 0)
		fail_msg("%d %s", r, db_error(f->conn));
}

/* The schema with one row in each table. */
static void fill(struct fixture *f)
{
	CLEANUP(buf_finish) struct buf report = BUF_EMPTY;
	enum schema_state before;

	assert_int_equal(schema_migrate(f->conn, &before, &report), 0);
	fill_again(f);
}

static void lift_protection(struct fixture *f)
{
	must_write(f->conn, "DELETE FROM finance_escrowcontract; DELETE FROM investment_shareholderregister");
}

struct deletion {
	const char *table;
	int64_t id;
};

static int do_delete(struct db_conn *conn, void *arg)
{
	const struct deletion *d = arg;

	return cascade_delete(conn, d->table, d->id);
}

static int delete_row(struct fixture *f, const char *table, int64_t id)
{
	struct deletion d = { table, id };

	return db_write(f->conn, do_delete, &d);
}

static bool is_protected(struct fixture *f, const char *table, int64_t id)
{
	bool result = false;

	assert_int_equal(cascade_is_protected(f->conn, table, id, &result), 0);
	return result;
}

#define COUNT(what) count_of(f->conn, "SELECT COUNT(*) FROM " what)

static void test_cascade__what_is_protected_stays_whole(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_true(is_protected(f, "core_projet", 1));
	assert_true(is_protected(f, "auth_user", 1));
	assert_true(is_protected(f, "finance_userwallet", 1)); /* by the escrow that its transaction would leave behind */
	assert_false(is_protected(f, "core_poll", 1));
	assert_int_equal(delete_row(f, "core_projet", 1), ERR_CONFLICT);
	assert_int_equal(delete_row(f, "auth_user", 1), ERR_CONFLICT);
	assert_int_equal(COUNT("core_projet"), 1);
	assert_int_equal(COUNT("core_media"), 1);
	assert_int_equal(COUNT("core_cagnotte WHERE projet_id = 1"), 1);
	assert_false(is_protected(f, "core_projet", 2));
}

static void test_cascade__each_protection_counts(void **state)
{
	struct fixture *f = *state;

	fill(f);
	must_write(f->conn, "DELETE FROM finance_escrowcontract");
	assert_true(is_protected(f, "core_projet", 1));
	must_write(f->conn, "DELETE FROM investment_shareholderregister");
	assert_false(is_protected(f, "core_projet", 1));
	assert_false(is_protected(f, "auth_user", 1));
}

static void test_cascade__a_project_takes_its_own_and_frees_the_others(void **state)
{
	struct fixture *f = *state;

	fill(f);
	lift_protection(f);
	assert_int_equal(delete_row(f, "core_projet", 1), 0);
	assert_int_equal(COUNT("core_projet"), 0);
	assert_int_equal(COUNT("core_media"), 0);
	assert_int_equal(COUNT("project_impact_4p"), 0);
	assert_int_equal(COUNT("core_sakaprojectsupport"), 0);
	assert_int_equal(COUNT("core_cagnotte WHERE projet_id IS NULL"), 1);
	assert_int_equal(COUNT("core_helprequest WHERE project_id IS NULL"), 1);
	assert_int_equal(COUNT("core_educationalcontent WHERE project_id IS NULL"), 1);
	assert_int_equal(COUNT("core_poll WHERE project_id IS NULL"), 1);
	assert_int_equal(COUNT("core_chatthread WHERE project_id IS NULL"), 1);
	assert_int_equal(COUNT("finance_wallettransaction WHERE related_project_id IS NULL"), 1);
	assert_int_equal(COUNT("core_contribution"), 1);
}

static void test_cascade__an_account_goes_with_what_is_the_persons_own(void **state)
{
	struct fixture *f = *state;

	fill(f);
	lift_protection(f);
	assert_int_equal(delete_row(f, "auth_user", 1), 0);
	assert_int_equal(COUNT("core_profile"), 0);
	assert_int_equal(COUNT("core_chatmembership"), 0);
	assert_int_equal(COUNT("core_community_members"), 0);
	assert_int_equal(COUNT("auth_user_groups"), 0);
	assert_int_equal(COUNT("core_contentlike"), 0);
	assert_int_equal(COUNT("impact_dashboard"), 0);
	assert_int_equal(COUNT("core_sakawallet"), 0);
	assert_int_equal(COUNT("core_sakatransaction"), 0);
	assert_int_equal(COUNT("finance_userwallet"), 0);
	assert_int_equal(COUNT("finance_walletpocket"), 0);
	assert_int_equal(COUNT("finance_wallettransaction"), 0);
	assert_int_equal(COUNT("core_sakaprojectsupport"), 0);
	assert_int_equal(COUNT("core_auditlog WHERE actor_id IS NULL"), 1);
	assert_int_equal(COUNT("core_chatmessage WHERE author_id IS NULL"), 1);
	assert_int_equal(COUNT("core_contribution WHERE user_id IS NULL"), 1);
	assert_int_equal(COUNT("core_contentcomment WHERE user_id IS NULL"), 1);
	assert_int_equal(COUNT("core_chatmessagereport WHERE reporter_id IS NULL AND reviewed_by_id IS NULL"), 1);
	assert_int_equal(COUNT("token_blacklist_outstandingtoken WHERE user_id IS NULL"), 1);
}

/* The foreign keys agree that nothing was forgotten: the commit succeeds for a row of every table. */
static void test_cascade__any_row_can_go(void **state)
{
	struct fixture *f = *state;

	fill(f);
	for (size_t i = 0; i < schema_n_items; i++) {
		const char *table = schema_items[i].name;
		bool stays;
		int r;

		if (schema_items[i].what != SCHEMA_TABLE || !has_id(i))
			continue;
		fill_again(f);
		lift_protection(f);
		stays = is_protected(f, table, 1);
		r = delete_row(f, table, 1);
		if (r != 0 || stays)
			fail_msg("%s: %d %s", table, r, db_error(f->conn));
	}
}

static void test_cascade__other_rows_stay(void **state)
{
	struct fixture *f = *state;

	fill(f);
	must_write(f->conn, "UPDATE core_media SET id = 9; INSERT INTO core_media (id, fichier, projet_id) VALUES (10, 'b', 1)");
	assert_int_equal(delete_row(f, "core_projet", 2), 0);
	assert_int_equal(COUNT("core_media"), 2);
	lift_protection(f);
	assert_int_equal(delete_row(f, "core_projet", 1), 0);
	assert_int_equal(COUNT("core_media"), 0);
	assert_int_equal(COUNT("auth_user"), 1);
}

static void test_cascade__mistakes_and_failures_are_told(void **state)
{
	struct fixture *f = *state;
	bool result;

	fill(f);
	assert_int_equal(cascade_is_protected(f->conn, "no_such_table", 1, &result), ERR_INTERNAL);
	assert_int_equal(delete_row(f, "no_such_table", 1), ERR_INTERNAL);
	assert_int_equal(cascade_delete(f->conn, "core_media", 1), ERR_INTERNAL); /* outside of a closure */
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_int_equal(cascade_is_protected(f->conn, "core_projet", 1, &result), ERR_IO);
	fault_disarm_all();
	for (int n = 1; n <= 3; n++) {
		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		assert_true(delete_row(f, "core_poll", 1) < 0);
		fault_disarm_all();
		assert_int_equal(COUNT("core_poll"), 1);
		assert_int_equal(COUNT("core_polloption"), 1);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_open_empty, fixture_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_cascade__what_is_protected_stays_whole),
		CASE(test_cascade__each_protection_counts),
		CASE(test_cascade__a_project_takes_its_own_and_frees_the_others),
		CASE(test_cascade__an_account_goes_with_what_is_the_persons_own),
		CASE(test_cascade__any_row_can_go),
		CASE(test_cascade__other_rows_stay),
		CASE(test_cascade__mistakes_and_failures_are_told),
	};

	return cmocka_run_group_tests_name("sqlite", tests, fixture_start_sqlite, fixture_stop) +
	       cmocka_run_group_tests_name("postgresql", tests, fixture_start_postgresql, fixture_stop);
}
