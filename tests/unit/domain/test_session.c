/* Sessions on both engines. Only one case signs in, since that costs a hash; the others renew tokens that they sign themselves. */
#include "domain/session.h"

#include <pthread.h>

#include "domain/token.h"
#include "tests/unit/domain/accounts.h"

#define OUTSTANDING "SELECT COUNT(*) FROM token_blacklist_outstandingtoken"
#define BLACKLISTED "SELECT COUNT(*) FROM token_blacklist_blacklistedtoken"
#define THREADS     8

static struct token sign(struct fixture *f, enum token_type type, int64_t user)
{
	struct token token;

	assert_ok(token_issue(str_of(account_settings.secret_key), type, user, clock_now(), 3600, &f->arena, &token));
	return token;
}

static int renew(struct fixture *f, struct str refresh, struct session *ret_session)
{
	return session_renew(f->conn, &account_settings, &f->arena, refresh, ret_session);
}

static struct token verified(struct fixture *f, struct str text, enum token_type type)
{
	struct token token = { .user_id = 0 };

	assert_ok(token_verify(str_of(account_settings.secret_key), text, type, clock_now(), &f->arena, &token));
	return token;
}

static void test_session__opens_with_a_password(void **state)
{
	struct fixture *f = *state;
	struct session s;
	struct token access, refresh;
	int64_t before = clock_now().us / US_PER_S * US_PER_S;

	add_account(f, 5, "ana", PANCAKES_HASH, true);
	assert_ok(session_open(f->conn, &account_settings, &f->arena, TEXT("ana"), TEXT(PANCAKES), &s));
	access = verified(f, s.access, TOKEN_ACCESS);
	refresh = verified(f, s.refresh, TOKEN_REFRESH);
	assert_true(access.user_id == 5 && refresh.user_id == 5 && !str_equal(access.jti, refresh.jti));
	assert_in_range(access.expires_at.us - before, 3600 * US_PER_S, 3660 * US_PER_S);
	assert_int_equal(refresh.expires_at.us - access.expires_at.us, (7 * 24 - 1) * 3600 * US_PER_S);
	assert_int_equal(number(f, OUTSTANDING " WHERE user_id = 5 AND created_at IS NOT NULL"), 1);
	assert_int_equal(number(f, BLACKLISTED), 0);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM auth_user WHERE last_login IS NOT NULL"), 1);
	assert_ok(renew(f, s.refresh, &s));
}

static void test_session__does_not_open_without(void **state)
{
	struct fixture *f = *state;
	struct session s;

	add_account(f, 5, "ana", PANCAKES_CHEAP, true);
	assert_int_equal(session_open(f->conn, &account_settings, &f->arena, TEXT("ana"), TEXT("autre"), &s), ERR_FORBIDDEN);
	assert_int_equal(number(f, OUTSTANDING), 0);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM auth_user WHERE last_login IS NOT NULL"), 0);
}

static void test_session__a_refresh_token_serves_once(void **state)
{
	struct fixture *f = *state;
	struct token first = { .text = NOTHING };
	struct session second, third;

	add_account(f, 5, "ana", "!", true);
	first = sign(f, TOKEN_REFRESH, 5); /* signed elsewhere: there is no row of it */
	assert_ok(renew(f, first.text, &second));
	assert_int_equal(verified(f, second.access, TOKEN_ACCESS).user_id, 5);
	assert_int_equal(number(f, OUTSTANDING " WHERE user_id = 5"), 2);
	assert_int_equal(number(f, BLACKLISTED), 1);
	assert_int_equal(renew(f, first.text, &third), ERR_FORBIDDEN);
	assert_ok(renew(f, second.refresh, &third));
	assert_int_equal(renew(f, second.refresh, &third), ERR_FORBIDDEN);
	assert_int_equal(number(f, OUTSTANDING), 3);
	assert_int_equal(number(f, BLACKLISTED), 2);
}

static void test_session__what_is_no_refresh_token(void **state)
{
	struct fixture *f = *state;
	struct session s;

	add_account(f, 5, "ana", "!", true);
	assert_int_equal(renew(f, TEXT("abc"), &s), ERR_FORBIDDEN);
	assert_int_equal(renew(f, sign(f, TOKEN_ACCESS, 5).text, &s), ERR_FORBIDDEN);
	assert_int_equal(renew(f, sign(f, TOKEN_REFRESH, 6).text, &s), ERR_FORBIDDEN);
	assert_int_equal(renew(f, sign(f, TOKEN_REFRESH, INT64_MAX).text, &s), ERR_FORBIDDEN);
	assert_int_equal(renew(f, sign(f, TOKEN_REFRESH, NULL_INT).text, &s), ERR_FORBIDDEN);
	assert_int_equal(number(f, OUTSTANDING), 0);
}

static void test_session__a_token_that_has_expired(void **state)
{
	struct fixture *f = *state;
	struct token token = { .text = NOTHING };
	struct session s;
	int r;

	add_account(f, 5, "ana", "!", true);
	token = sign(f, TOKEN_REFRESH, 5);
	clock_advance_for_tests(3601 * US_PER_S);
	r = renew(f, token.text, &s);
	clock_advance_for_tests(-3601 * US_PER_S);
	assert_int_equal(r, ERR_FORBIDDEN);
}

static void test_session__an_inactive_account_loses_its_token(void **state)
{
	struct fixture *f = *state;
	struct token token = { .text = NOTHING };
	struct session s;

	add_account(f, 5, "ana", "!", false);
	token = sign(f, TOKEN_REFRESH, 5);
	assert_int_equal(renew(f, token.text, &s), ERR_FORBIDDEN);
	assert_int_equal(number(f, BLACKLISTED), 1);
	write_rows(f, "UPDATE auth_user SET is_active = true");
	assert_int_equal(renew(f, token.text, &s), ERR_FORBIDDEN);
}

static int revoke_all(struct db_conn *conn, void *user)
{
	return session_revoke_all(conn, *(int64_t *)user);
}

static void test_session__revoking_ends_all_of_one_account(void **state)
{
	struct fixture *f = *state;
	struct session ana[2], bob, none;
	int64_t user = 5;

	add_account(f, 5, "ana", "!", true);
	add_account(f, 6, "bob", "!", true);
	for (int i = 0; i < 2; i++)
		assert_ok(renew(f, sign(f, TOKEN_REFRESH, 5).text, &ana[i]));
	assert_ok(renew(f, sign(f, TOKEN_REFRESH, 6).text, &bob));
	assert_ok(db_write(f->conn, revoke_all, &user));
	assert_ok(db_write(f->conn, revoke_all, &user));
	for (int i = 0; i < 2; i++)
		assert_int_equal(renew(f, ana[i].refresh, &none), ERR_FORBIDDEN);
	assert_ok(renew(f, bob.refresh, &none));
}

/* Whatever statement fails, the token is either used up and its successor known, or still good. */
static void test_session__renewing_is_all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct token token = { .text = NOTHING };
	struct session s;
	int r = ERR_IO;

	add_account(f, 5, "ana", "!", true);
	token = sign(f, TOKEN_REFRESH, 5);
	for (int n = 1; r != 0; n++) {
		assert_in_range(n, 1, 30);
		fault_arm(FAULT_SQL_STEP, n, false);
		r = renew(f, token.text, &s);
		fault_disarm_all();
		assert_int_not_equal(r, ERR_FORBIDDEN);
		assert_int_equal(number(f, OUTSTANDING), r == 0 ? 2 : 0);
		assert_int_equal(number(f, BLACKLISTED), r == 0 ? 1 : 0);
	}
	assert_ok(renew(f, s.refresh, &s));
}

struct racer {
	pthread_t id;
	struct fixture *f;
	struct db_conn *conn;
	struct arena arena;
	struct str token;
	int result;
};

static void *race(void *arg)
{
	struct racer *racer = arg;
	struct session s;

	racer->result = session_renew(racer->conn, &account_settings, &racer->arena, racer->token, &s);
	return NULL;
}

static void test_session__of_many_at_once_one_is_first(void **state)
{
	struct fixture *f = *state;
	struct token token = { .text = NOTHING };
	struct racer racers[THREADS];
	struct error err;
	int winners = 0;

	add_account(f, 5, "ana", "!", true);
	token = sign(f, TOKEN_REFRESH, 5);
	for (int i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){ .f = f, .token = token.text };
		arena_init(&racers[i].arena, 1 << 16);
		assert_int_equal(db_connect(f->db, &racers[i].conn, &err), 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&racers[i].id, NULL, race, &racers[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(racers[i].id, NULL);
		winners += racers[i].result == 0;
		if (racers[i].result != 0)
			assert_int_equal(racers[i].result, ERR_FORBIDDEN);
		db_disconnect(racers[i].conn);
		arena_finish(&racers[i].arena);
	}
	assert_int_equal(winners, 1);
	assert_int_equal(number(f, OUTSTANDING), 2);
	assert_int_equal(number(f, BLACKLISTED), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_session__opens_with_a_password),
		CASE(test_session__does_not_open_without),
		CASE(test_session__a_refresh_token_serves_once),
		CASE(test_session__what_is_no_refresh_token),
		CASE(test_session__a_token_that_has_expired),
		CASE(test_session__an_inactive_account_loses_its_token),
		CASE(test_session__revoking_ends_all_of_one_account),
		CASE(test_session__renewing_is_all_or_nothing),
		CASE(test_session__of_many_at_once_one_is_first),
	};

	return RUN_ON_BOTH(tests);
}
