/* Names and passwords: account_authenticate of domain/account.h. */
#include "domain/account.h"

#include "domain/password.h"
#include "tests/unit/domain/accounts.h"

static int check(struct fixture *f, struct str name, const char *password, int64_t *ret_id)
{
	struct account account = { .id = *ret_id };
	int r = account_authenticate(f->conn, &f->arena, name, str_of(password), TEXT("Founders"), &account);

	*ret_id = account.id;
	return r;
}

static int64_t upgraded(struct fixture *f)
{
	return number(f, "SELECT COUNT(*) FROM auth_user WHERE password LIKE 'argon2$argon2id$v=19$m=102400,t=2,p=8$%'");
}

static void test_account_authenticate__of_an_active_account(void **state)
{
	struct fixture *f = *state;
	int64_t id = 0;

	add_account(f, 5, "ana", PANCAKES_HASH, true);
	assert_ok(check(f, TEXT("ana"), PANCAKES, &id));
	assert_int_equal(id, 5);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM auth_user WHERE password = '" PANCAKES_HASH "' AND last_login IS NULL"), 1);
}

static void test_account_authenticate__all_else_is_the_same_refusal(void **state)
{
	struct fixture *f = *state;
	int64_t id = 77;

	add_account(f, 5, "ana", PANCAKES_CHEAP, true);
	add_account(f, 6, "bob", PANCAKES_CHEAP, false);
	assert_int_equal(check(f, TEXT("ana"), PANCAKES "x", &id), ERR_FORBIDDEN);
	assert_int_equal(check(f, TEXT("ana"), "", &id), ERR_FORBIDDEN);
	assert_int_equal(check(f, TEXT("bob"), PANCAKES, &id), ERR_FORBIDDEN);
	assert_int_equal(check(f, TEXT("Ana"), PANCAKES, &id), ERR_FORBIDDEN);
	assert_int_equal(check(f, (struct str)STR("ana\0"), PANCAKES, &id), ERR_FORBIDDEN);
	assert_int_equal(id, 77);
	assert_int_equal(upgraded(f), 0);
}

static void test_account_authenticate__a_hash_of_another_kind_is_replaced(void **state)
{
	struct fixture *f = *state;
	int64_t id = 0;

	add_account(f, 5, "ana", PANCAKES_CHEAP, true);
	add_account(f, 6, "bob", PANCAKES_CHEAP, true);
	assert_ok(check(f, TEXT("ana"), PANCAKES, &id));
	assert_int_equal(number(f, "SELECT id FROM auth_user WHERE password LIKE 'argon2$argon2id$v=19$m=102400,%'"), 5);
	assert_int_equal(upgraded(f), 1);
	assert_ok(check(f, TEXT("ana"), PANCAKES, &id));
}

static void test_account_authenticate__that_the_new_hash_cannot_be_saved_is_no_matter(void **state)
{
	struct fixture *f = *state;
	int64_t id = 0;

	add_account(f, 5, "ana", PANCAKES_CHEAP, true);
	fault_arm(FAULT_SQL_STEP, 3, true); /* two reads come before */
	assert_int_equal(check(f, TEXT("ana"), PANCAKES, &id), 0);
	fault_disarm_all();
	assert_int_equal(id, 5);
	assert_int_equal(upgraded(f), 0);
}

static void test_account_authenticate__a_hash_that_asks_too_much(void **state)
{
	struct fixture *f = *state;
	int64_t id = 0;

	add_account(f, 5, "ana", "argon2$argon2id$v=19$m=2000000,t=2,p=2$YWJjZGVmZ2g$FTYrhoLuUQEAOejbEBwWNw", true);
	assert_int_equal(check(f, TEXT("ana"), PANCAKES, &id), ERR_LIMIT);
}

static void test_account_authenticate__when_the_database_fails(void **state)
{
	struct fixture *f = *state;
	int64_t id = 0;

	fault_arm(FAULT_SQL_STEP, 1, false);
	assert_int_equal(check(f, TEXT("ana"), PANCAKES, &id), ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_account_authenticate__of_an_active_account),
		CASE(test_account_authenticate__all_else_is_the_same_refusal),
		CASE(test_account_authenticate__a_hash_of_another_kind_is_replaced),
		CASE(test_account_authenticate__that_the_new_hash_cannot_be_saved_is_no_matter),
		CASE(test_account_authenticate__a_hash_that_asks_too_much),
		CASE(test_account_authenticate__when_the_database_fails),
	};

	return RUN_ON_BOTH(tests);
}
