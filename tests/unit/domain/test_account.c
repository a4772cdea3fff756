#include "domain/account.h"

#include "tests/unit/domain/fixture.h"

static void add_user(struct fixture *f, int id, const char *name, const char *flags)
{
	char sql[500];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO auth_user (id, password, is_superuser, is_staff, is_active, username, last_name, email, date_joined, "
	         "first_name) "
	         "VALUES (%d, '!', %s, '%s', 'Nom', '%s@example.org', '2026-01-05 00:00:00', 'Prénom')",
	         id, flags, name, name);
	write_rows(f, sql);
}

static void add_to_group(struct fixture *f, int user, const char *group)
{
	char sql[500];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO auth_group (name) SELECT '%s' WHERE NOT EXISTS (SELECT 1 FROM auth_group WHERE name = '%s');"
	         "INSERT INTO auth_user_groups (user_id, group_id) SELECT %d, id FROM auth_group WHERE name = '%s'",
	         group, group, user, group);
	write_rows(f, sql);
}

static struct account find(struct fixture *f, int64_t id)
{
	struct account account;

	assert_ok(account_find(f->conn, &f->arena, id, TEXT("Fondateurs"), &account));
	return account;
}

static void test_account__every_column(void **state)
{
	struct fixture *f = *state;
	struct account a;

	add_user(f, 7, "ana", "FALSE, FALSE, TRUE");
	a = find(f, 7);
	assert_int_equal(a.id, 7);
	assert_text(a.username, "ana");
	assert_text(a.email, "ana@example.org");
	assert_text(a.first_name, "Prénom");
	assert_text(a.last_name, "Nom");
	assert_true(a.is_active);
	assert_false(a.is_staff || a.is_superuser || a.is_founder || a.is_editor || a.is_contributor);
	assert_false(account_is_admin(&a));
}

static void test_account__an_admin_is_an_editor_and_an_editor_a_contributor(void **state)
{
	struct fixture *f = *state;
	struct account a;

	add_user(f, 1, "staff", "FALSE, TRUE, TRUE");
	add_user(f, 2, "super", "TRUE, FALSE, TRUE");
	add_user(f, 3, "editor", "FALSE, FALSE, TRUE");
	add_user(f, 4, "contributor", "FALSE, FALSE, TRUE");
	add_to_group(f, 3, "Content_Editors");
	add_to_group(f, 4, "Content_Contributors");
	for (int id = 1; id <= 2; id++) {
		a = find(f, id);
		assert_true(account_is_admin(&a) && a.is_editor && a.is_contributor);
		assert_int_equal(a.is_staff, id == 1);
		assert_int_equal(a.is_superuser, id == 2);
	}
	a = find(f, 3);
	assert_true(!account_is_admin(&a) && a.is_editor && a.is_contributor);
	a = find(f, 4);
	assert_true(!account_is_admin(&a) && !a.is_editor && a.is_contributor);
}

static void test_account__founders_are_the_group_of_the_setting(void **state)
{
	struct fixture *f = *state;

	add_user(f, 1, "ana", "FALSE, FALSE, TRUE");
	add_user(f, 2, "bob", "FALSE, FALSE, TRUE");
	add_to_group(f, 1, "Fondateurs");
	add_to_group(f, 2, "Content_Reviewers"); /* declared, never consulted */
	assert_true(find(f, 1).is_founder);
	assert_false(find(f, 1).is_contributor);
	assert_false(find(f, 2).is_founder || find(f, 2).is_contributor);
}

static void test_account__the_inactive_is_found_and_told(void **state)
{
	struct fixture *f = *state;

	add_user(f, 1, "dave", "FALSE, FALSE, FALSE");
	assert_false(find(f, 1).is_active);
}

static void test_account__nobody(void **state)
{
	struct fixture *f = *state;
	struct account a = { .id = 99 };

	assert_int_equal(account_find(f->conn, &f->arena, 5, TEXT("x"), &a), ERR_NOT_FOUND);
	assert_int_equal(account_find(f->conn, &f->arena, INT64_MAX, TEXT("x"), &a), ERR_NOT_FOUND);
	assert_int_equal(a.id, 99);
}

static void test_account__failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct account a = { .id = 99 };

	add_user(f, 1, "ana", "FALSE, FALSE, TRUE");
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(account_find(f->conn, &f->arena, 1, TEXT("x"), &a) < 0);
	assert_int_equal(a.id, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_account__every_column),
		CASE(test_account__an_admin_is_an_editor_and_an_editor_a_contributor),
		CASE(test_account__founders_are_the_group_of_the_setting),
		CASE(test_account__the_inactive_is_found_and_told),
		CASE(test_account__nobody),
		CASE(test_account__failures_are_told),
	};

	return RUN_ON_BOTH(tests);
}
