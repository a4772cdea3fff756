#include "domain/account_data.h"

#include "tests/unit/domain/accounts.h"

static void test_account_data__an_account_with_its_profile(void **state)
{
	struct fixture *f = *state;
	struct account_view v;

	add_account(f, 5, "ana", "!", true);
	add_account(f, 6, "bob", "!", true);
	write_rows(
	        f,
	        "UPDATE auth_user SET is_staff = true WHERE id = 5; INSERT INTO core_profile (id, display_name, bio, avatar, created_at, "
	        "updated_at, user_id) VALUES (9, 'Ana M.', 'Bio', 'avatars/ana.png', '2026-01-03 00:00:00', '2026-01-03 00:00:00', 5)");
	assert_ok(account_view_find(f->conn, &f->arena, 5, &v));
	assert_true(v.id == 5 && v.profile_id == 9 && v.is_staff && !v.is_superuser);
	assert_text(v.username, "ana");
	assert_text(v.email, "ana@example.org");
	assert_text(v.first_name, "Ana");
	assert_text(v.last_name, "Martin");
	assert_text(v.display_name, "Ana M.");
	assert_text(v.bio, "Bio");
	assert_text(v.avatar, "avatars/ana.png");
	assert_ok(account_view_find(f->conn, &f->arena, 6, &v));
	assert_true(v.id == 6 && v.profile_id == NULL_INT && !v.avatar.s);
	assert_int_equal(account_view_find(f->conn, &f->arena, 7, &v), ERR_NOT_FOUND);
}

static void add_intent(struct fixture *f, int id, const char *email, int day)
{
	char sql[400];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_intent (id, nom, email, profil, message, created_at) VALUES (%d, 'Nom %d', '%s', 'curieux', NULL, "
	         "'2026-01-%02d 00:00:00')",
	         id, id, email, day);
	write_rows(f, sql);
}

/* The address is not verified: what came before the account may be somebody else's. */
static void test_account_data__the_intents_that_are_one_s_own(void **state)
{
	struct fixture *f = *state;
	const struct account_intent *intents;
	struct account_export e;

	add_account(f, 5, "ana", "!", true);
	add_intent(f, 1, "ana@example.org", 2);
	add_intent(f, 2, "ana@example.org", 4);
	add_intent(f, 3, "ana@example.org", 6);
	add_intent(f, 4, "ana@example.org", 4);
	add_intent(f, 5, "Ana@example.org", 5);
	add_intent(f, 6, "bob@example.org", 5);
	assert_ok(account_export_read(f->conn, &f->arena, 5, &e));
	assert_int_equal(e.intents.n, 3);
	intents = e.intents.items;
	assert_true(intents[0].id == 3 && intents[1].id == 4 && intents[2].id == 2);
	assert_text(intents[0].name, "Nom 3");
	assert_text(intents[0].email, "ana@example.org");
	assert_text(intents[0].message, NULL);
	assert_int_equal(intents[0].created_at.us, january(6));
	assert_int_equal(e.date_joined.us, january(3));
	assert_int_equal(e.last_login.us, NULL_TIME.us);
	assert_in_range(clock_now().us - e.export_date.us, 0, 60 * US_PER_S);
}

static void test_account_data__without_an_address_no_intents(void **state)
{
	struct fixture *f = *state;
	struct account_export e;

	add_account(f, 5, "ana", "!", true);
	write_rows(f, "UPDATE auth_user SET email = '', last_login = '2026-01-05 00:00:00'");
	add_intent(f, 1, "", 4);
	assert_ok(account_export_read(f->conn, &f->arena, 5, &e));
	assert_int_equal(e.intents.n, 0);
	assert_int_equal(e.last_login.us, january(5));
	assert_int_equal(account_export_read(f->conn, &f->arena, 6, &e), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_account_data__an_account_with_its_profile),
		CASE(test_account_data__the_intents_that_are_one_s_own),
		CASE(test_account_data__without_an_address_no_intents),
	};

	return RUN_ON_BOTH(tests);
}
