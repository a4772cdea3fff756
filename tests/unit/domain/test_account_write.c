#include "domain/account_write.h"

#include <pthread.h>

#include "domain/session.h"
#include "domain/token.h"
#include "tests/unit/domain/accounts.h"

static struct new_account ana(void)
{
	return (struct new_account){ .username = STR("ana"),
		                     .password = STR(PANCAKES),
		                     .email = STR("ana@example.org"),
		                     .first_name = STR("Ana"),
		                     .last_name = STR("Durand-Ñúñez") };
}

static void test_account_write__one_has_all_its_rows(void **state)
{
	struct fixture *f = *state;
	struct new_account account = ana();

	assert_ok(account_create(f->conn, &account));
	assert_int_equal(account.id, number(f, "SELECT id FROM auth_user"));
	assert_int_equal(
	        number(f, "SELECT COUNT(*) FROM auth_user WHERE username = 'ana' AND email = 'ana@example.org' AND first_name = 'Ana' "
	                  "AND last_name = 'Durand-Ñúñez' AND is_active AND NOT is_staff AND NOT is_superuser AND last_login IS NULL "
	                  "AND date_joined > '2026-01-01 00:00:00' AND password LIKE 'argon2$argon2id$v=19$m=102400,t=2,p=8$%'"),
	        1);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_profile p JOIN auth_user u ON u.id = p.user_id WHERE p.display_name = '' AND "
	                           "p.bio = '' AND p.avatar IS NULL"),
	                 1);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakawallet w JOIN auth_user u ON u.id = w.user_id WHERE w.balance = 0"), 1);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_auditlog"), 0);
}

static void test_account_write__a_name_is_one_account_s(void **state)
{
	struct fixture *f = *state;
	struct new_account account = ana();

	add_account(f, 5, "ana", "!", false);
	assert_int_equal(account_create(f->conn, &account), ERR_CONFLICT);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_profile"), 0);
	account.username = TEXT("Ana");
	account.is_staff = account.is_superuser = true;
	assert_ok(account_create(f->conn, &account));
	assert_int_equal(number(f, "SELECT COUNT(*) FROM auth_user WHERE username = 'Ana' AND is_staff AND is_superuser"), 1);
}

static int step_fails(struct fixture *f, int n)
{
	struct new_account account = ana();
	int r;

	fault_arm(FAULT_SQL_STEP, n, false);
	r = account_create(f->conn, &account);
	fault_disarm_all();
	return r;
}

/* A hash each, so not every statement: those in the middle of the transaction. */
static void test_account_write__all_rows_or_none(void **state)
{
	struct fixture *f = *state;

	for (int n = 4; n < 7; n++)
		if (step_fails(f, n) != 0)
			assert_int_equal(number(f, "SELECT (SELECT COUNT(*) FROM auth_user) + (SELECT COUNT(*) FROM core_profile)"), 0);
		else
			write_rows(f, "DELETE FROM core_sakawallet; DELETE FROM core_profile; DELETE FROM auth_user");
}

struct racer {
	pthread_t id;
	struct db_conn *conn;
	struct new_account account;
	int result;
};

static void *race(void *arg)
{
	struct racer *racer = arg;

	racer->result = account_create(racer->conn, &racer->account);
	return NULL;
}

static void test_account_write__of_two_at_once_one_gets_the_name(void **state)
{
	struct fixture *f = *state;
	struct racer racers[3];
	struct error err;
	int winners = 0;

	for (int i = 0; i < 3; i++) {
		racers[i] = (struct racer){ .account = ana() };
		assert_int_equal(db_connect(f->db, &racers[i].conn, &err), 0);
		assert_int_equal(pthread_create(&racers[i].id, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(racers[i].id, NULL);
		winners += racers[i].result == 0;
		if (racers[i].result != 0)
			assert_int_equal(racers[i].result, ERR_CONFLICT);
		db_disconnect(racers[i].conn);
	}
	assert_int_equal(winners, 1);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_profile"), 1);
}

/* What is wrong with a name; NULL when nothing is. */
static const char *fault(struct fixture *f, struct str name)
{
	const char *sentence = "untouched";

	assert_ok(account_name_fault(f->conn, name, &sentence));
	return sentence;
}

static void test_account_write__which_names_there_may_be(void **state)
{
	static const char *const good[] = { "a", "ana", "élodie_ñ.+@-7", "Ана", "安娜", "٣", "Ⅷ", "½", "_" };
	static const char *const bad[] = { "", "deux mots", "point!", "a/b", "a,b", "😀", "e\u0301", "a\n", "a\u00a0b", "a\"", "‿", "a'b" };
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(good); i++)
		if (fault(f, str_of(good[i])))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		if (!fault(f, str_of(bad[i])))
			fail_msg("accepted: %s", bad[i]);
	assert_non_null(fault(f, (struct str)STR("a\0b")));
	assert_non_null(fault(f, (struct str)STR("a\xff")));
}

static void test_account_write__a_name_that_somebody_has(void **state)
{
	struct fixture *f = *state;
	const char *sentence;

	add_account(f, 5, "ana", "!", false);
	assert_string_equal(fault(f, TEXT("ana")), ACCOUNT_NAME_TAKEN);
	assert_null(fault(f, TEXT("Ana")));
	assert_int_equal(account_name_is_taken(f->conn, TEXT("ana")), 1);
	assert_int_equal(account_name_is_taken(f->conn, TEXT("bob")), 0);
	fault_arm(FAULT_SQL_STEP, 1, false);
	assert_int_equal(account_name_fault(f->conn, TEXT("ana"), &sentence), ERR_IO);
}

static void test_account_write__another_password_ends_the_sessions(void **state)
{
	struct fixture *f = *state;
	struct token token = { .text = NOTHING };
	struct session s;

	add_account(f, 5, "ana", "!", true);
	add_account(f, 6, "bob", "!", true);
	assert_ok(token_issue(str_of(account_settings.secret_key), TOKEN_REFRESH, 5, clock_now(), 3600, &f->arena, &token));
	assert_ok(session_renew(f->conn, &account_settings, &f->arena, token.text, &s));
	assert_ok(account_set_password(f->conn, TEXT("ana"), TEXT("Une-Phrase-2-Passe")));
	assert_int_equal(session_renew(f->conn, &account_settings, &f->arena, s.refresh, &s), ERR_FORBIDDEN);
	assert_int_equal(number(f, "SELECT id FROM auth_user WHERE password LIKE 'argon2$argon2id$v=19$m=102400,t=2,p=8$%'"), 5);
	assert_int_equal(account_set_password(f->conn, TEXT("eve"), TEXT("Une-Phrase-2-Passe")), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_account_write__one_has_all_its_rows),
		CASE(test_account_write__a_name_is_one_account_s),
		CASE(test_account_write__all_rows_or_none),
		CASE(test_account_write__of_two_at_once_one_gets_the_name),
		CASE(test_account_write__which_names_there_may_be),
		CASE(test_account_write__a_name_that_somebody_has),
		CASE(test_account_write__another_password_ends_the_sessions),
	};

	return RUN_ON_BOTH(tests);
}
