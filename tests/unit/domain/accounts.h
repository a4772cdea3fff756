/* Accounts for the tests of what reads and writes them. */
#ifndef TESTS_UNIT_DOMAIN_ACCOUNTS_H
#define TESTS_UNIT_DOMAIN_ACCOUNTS_H

#include "base/settings.h"
#include "tests/unit/domain/fixture.h"

#define PANCAKES "Pâte-à-crêpes-2026"
/* Of PANCAKES; the first takes a tenth of a second to check, the second nothing, but it is not as we write them. */
#define PANCAKES_HASH  "argon2$argon2id$v=19$m=102400,t=2,p=8$eWVWcUpkOGZ5UEptYTIyZFdHMk9rdw$SUTm9RT3CGSkZcE5c+UrBiHk18EQgwjJ8szQSAkXP/o"
#define PANCAKES_CHEAP "argon2$argon2id$v=19$m=64,t=1,p=1$YWJjZGVmZ2hpamtsbW5vcHFyc3R1dg$+j/O5z39bCXHSn+Nvh3YojP4yASqj0qoD+/ar9HqRwA"

static const struct settings account_settings = { .secret_key = "a-key-for-tests-that-is-long-enough-0123456789",
	                                          .access_token_minutes = 60,
	                                          .refresh_token_days = 7 };

/* An account that joined on the third of January. */
static inline void add_account(struct fixture *f, int id, const char *name, const char *hash, bool active)
{
	char sql[700];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO auth_user (id, password, last_login, is_superuser, username, last_name, email, is_staff, is_active, "
	         "date_joined, "
	         "first_name) VALUES (%d, '%s', NULL, false, '%s', 'Martin', '%s@example.org', false, %s, '2026-01-03 00:00:00', 'Ana')",
	         id, hash, name, name, active ? "true" : "false");
	write_rows(f, sql);
}

static inline int64_t number(struct fixture *f, const char *sql)
{
	int64_t n = 0;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}

#endif
