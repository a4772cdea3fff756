#include "domain/security.h"

#include "tests/unit/domain/fixture.h"

static void add_user(struct fixture *f, int id, const char *password, const char *last_login, const char *active, const char *superuser)
{
	char sql[500];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO auth_user (id, password, is_superuser, is_staff, is_active, username, last_name, email, date_joined, "
	         "first_name, last_login) VALUES (%d, '%s', %s, FALSE, %s, 'u%d', '', '', '2026-01-05 00:00:00', '', %s)",
	         id, password, superuser, active, id, last_login);
	write_rows(f, sql);
}

static void test_security__counts(void **state)
{
	struct fixture *f = *state;
	struct security_counts n;

	assert_ok(security_count(f->conn, &f->arena, (struct instant){ january(10) }, &n));
	assert_int_equal(n.weak_passwords + n.inactive_users + n.admin_accounts, 0);
	add_user(f, 1, "argon2$x", "'2026-01-09 00:00:00'", "TRUE", "TRUE");
	add_user(f, 2, "pbkdf2_sha256$x", "'2026-01-11 00:00:00'", "TRUE", "FALSE");
	add_user(f, 3, "pbkdf2_sha256$x", "NULL", "TRUE", "FALSE"); /* never used */
	add_user(f, 4, "", "'2026-01-01 00:00:00'", "FALSE", "TRUE");
	assert_ok(security_count(f->conn, &f->arena, (struct instant){ january(10) }, &n));
	assert_int_equal(n.weak_passwords, 2);
	assert_int_equal(n.inactive_users, 1);
	assert_int_equal(n.admin_accounts, 2);
}

static void test_security__failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct security_counts n;

	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(security_count(f->conn, &f->arena, (struct instant){ 0 }, &n) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_security__counts),
		CASE(test_security__failures_are_told),
	};

	return RUN_ON_BOTH(tests);
}
