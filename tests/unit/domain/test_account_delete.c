#include "domain/account_delete.h"

#include "domain/session.h"
#include "domain/token.h"
#include "tests/unit/domain/accounts.h"

/* A cache without Redis, with the list of contents in it. */
struct shelf {
	struct redis *redis;
	struct cache *cache;
	struct redis_budget budget;
};

static void shelf_open(struct shelf *s)
{
	const struct redis_config config = { .connect_timeout_us = 1000, .command_timeout_us = 1000, .retry_us = 1000, .pool_size = 1 };

	*s = (struct shelf){ .budget = { 1000000 } };
	s->redis = redis_create(&config);
	assert_non_null(s->redis);
	s->cache = cache_create(&(struct cache_config){ .max_bytes = 1 << 20, .max_entries = 100, .redis = s->redis });
	assert_non_null(s->cache);
	safe_cache_set(s->cache, &s->budget, "educational_contents_published", "x", 1, 60);
}

static bool shelf_has(struct shelf *s)
{
	struct blob *value = safe_cache_get(s->cache, &s->budget, "educational_contents_published");

	blob_unref(value);
	return value != NULL;
}

static void shelf_close(struct shelf *s)
{
	cache_destroy(s->cache);
	redis_destroy(s->redis);
}

/* Deletes account 5. */
static int delete_ana(struct fixture *f, struct str *ret_avatar)
{
	struct shelf shelf;
	int r;

	shelf_open(&shelf);
	r = account_delete(f->conn, shelf.cache, &shelf.budget, &f->arena, 5, ret_avatar);
	assert_true(shelf_has(&shelf) == (r < 0)); /* her likes are in the list */
	shelf_close(&shelf);
	return r;
}

/* Account 5, with a profile, two groups, a like, a journal entry, a message, a refresh token, and intents before and after her time. */
static void add_ana(struct fixture *f)
{
	add_account(f, 5, "ana", "!", true);
	add_account(f, 6, "bob", "!", true);
	write_rows(f,
	           "INSERT INTO core_profile (display_name, bio, avatar, created_at, updated_at, user_id) VALUES "
	           "('Ana M.', 'Bio', 'avatars/ana.png', '2026-01-03 00:00:00', '2026-01-03 00:00:00', 5);"
	           "INSERT INTO auth_group (id, name) VALUES (1, 'Content_Editors');"
	           "INSERT INTO auth_user_groups (user_id, group_id) VALUES (5, 1), (6, 1);"
	           "INSERT INTO core_educationalcontent (id, title, slug, type, status, anonymous_display_name, description, external_url, "
	           "created_at, updated_at, category, tags, audio_source_hash, embedding_source_hash, author_id) VALUES (1, 'T', 't', "
	           "'article', 'published', '', '', '', '2026-01-04 00:00:00', '2026-01-04 00:00:00', 'autres', '[]', '', '', 5);"
	           "INSERT INTO core_contentlike (created_at, content_id, user_id) VALUES ('2026-01-04 00:00:00', 1, 5), "
	           "('2026-01-04 00:00:00', 1, 6);"
	           "INSERT INTO core_auditlog (action, target_type, target_id, metadata, created_at, actor_id) VALUES "
	           "('content_create', 'educational_content', '1', '{}', '2026-01-04 00:00:00', 5);");
	write_rows(f, "INSERT INTO core_intent (id, nom, email, profil, message, ip, user_agent, document_url, created_at) VALUES "
	              "(1, 'Ana', 'ana@example.org', 'curieux', 'Avant', '10.0.0.1', 'Agent', 'http://x.org/', '2026-01-02 00:00:00'), "
	              "(2, 'Ana', 'ana@example.org', 'curieux', 'Après', '10.0.0.1', 'Agent', 'http://x.org/', '2026-01-04 00:00:00'), "
	              "(3, 'Bob', 'bob@example.org', 'curieux', 'Moi', '10.0.0.1', 'Agent', 'http://x.org/', '2026-01-04 00:00:00')");
}

static struct session session_of(struct fixture *f, int64_t user)
{
	struct token token = { .text = NOTHING };
	struct session s = { .access = NOTHING };

	assert_ok(token_issue(str_of(account_settings.secret_key), TOKEN_REFRESH, user, clock_now(), 3600, &f->arena, &token));
	assert_ok(session_renew(f->conn, &account_settings, &f->arena, token.text, &s));
	return s;
}

#define NAMED_INTENTS "SELECT COUNT(*) FROM core_intent WHERE nom IN ('Ana', 'Bob')"

static void test_account_delete__what_goes_and_what_stays(void **state)
{
	struct fixture *f = *state;
	struct str avatar = NOTHING;
	struct session ana, bob;

	add_ana(f);
	ana = session_of(f, 5);
	bob = session_of(f, 6);
	assert_ok(delete_ana(f, &avatar));
	assert_text(avatar, "avatars/ana.png");
	assert_int_equal(number(f, "SELECT SUM(id) FROM auth_user"), 6);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_profile"), 0);
	assert_int_equal(number(f, "SELECT SUM(user_id) FROM auth_user_groups"), 6);
	assert_int_equal(number(f, "SELECT SUM(user_id) FROM core_contentlike"), 6);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_educationalcontent WHERE author_id IS NULL"), 1);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_auditlog WHERE action = 'content_create' AND actor_id IS NULL"), 1);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_auditlog WHERE action = 'account_delete' AND target_type = 'user' AND "
	                           "target_id = '5' AND actor_id IS NULL"),
	                 1);
	assert_int_equal(session_renew(f->conn, &account_settings, &f->arena, ana.refresh, &ana), ERR_FORBIDDEN);
	assert_ok(session_renew(f->conn, &account_settings, &f->arena, bob.refresh, &bob));
}

static void test_account_delete__intents_lose_the_person(void **state)
{
	struct fixture *f = *state;
	struct str avatar;

	add_ana(f);
	assert_ok(delete_ana(f, &avatar));
	assert_int_equal(number(f, NAMED_INTENTS), 2); /* the one before her time may be another's */
	assert_int_equal(number(f, "SELECT id FROM core_intent WHERE email = 'deleted_5@deleted.local' AND nom NOT LIKE '%Ana%' AND "
	                           "message NOT LIKE '%Apr%' AND ip IS NULL AND user_agent IS NULL AND document_url IS NULL AND "
	                           "profil = 'curieux' AND created_at = '2026-01-04 00:00:00'"),
	                 2);
}

static void test_account_delete__once(void **state)
{
	struct fixture *f = *state;
	struct str avatar = TEXT("untouched");

	add_ana(f);
	assert_ok(delete_ana(f, &avatar));
	avatar = TEXT("untouched");
	assert_int_equal(delete_ana(f, &avatar), ERR_NOT_FOUND);
	assert_text(avatar, "untouched");
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_auditlog WHERE action = 'account_delete'"), 1);
}

static void add_contract(struct fixture *f)
{
	write_rows(f,
	           "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
	           "saka_supporters_count, active_oracles) VALUES (1, 'P', '', '2026-01-04 00:00:00', 0, 'DONATION', 0, 0, 0, '[]');"
	           "INSERT INTO finance_userwallet (id, balance, created_at, updated_at, user_id) VALUES (1, 0, '2026-01-04 00:00:00', "
	           "'2026-01-04 00:00:00', 5);"
	           "INSERT INTO finance_wallettransaction (id, amount, transaction_type, description, created_at, wallet_id) VALUES "
	           "(1, 10, 'PLEDGE', '', '2026-01-04 00:00:00', 1);"
	           "INSERT INTO finance_escrowcontract (id, amount, created_at, project_id, user_id, pledge_transaction_id, status) VALUES "
	           "(1, 10, '2026-01-04 00:00:00', 1, 5, 1, 'LOCKED');");
}

static void test_account_delete__whom_the_books_name_stays_without_a_name(void **state)
{
	struct fixture *f = *state;
	struct str avatar = NOTHING;
	struct session ana;

	add_ana(f);
	add_contract(f);
	ana = session_of(f, 5);
	write_rows(f, "UPDATE auth_user SET is_staff = true, is_superuser = true WHERE id = 5");
	assert_ok(delete_ana(f, &avatar));
	assert_text(avatar, "avatars/ana.png");
	assert_int_equal(
	        number(f, "SELECT COUNT(*) FROM auth_user WHERE id = 5 AND username = 'deleted_5' AND email = '' AND first_name = '' AND "
	                  "last_name = '' AND NOT is_active AND NOT is_staff AND NOT is_superuser AND password LIKE '!%' AND "
	                  "password <> '!'"),
	        1);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_profile WHERE display_name = '' AND bio = '' AND avatar IS NULL"), 1);
	assert_int_equal(number(f, "SELECT SUM(user_id) FROM auth_user_groups"), 6);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM finance_escrowcontract WHERE user_id = 5"), 1);
	assert_int_equal(number(f, NAMED_INTENTS), 2);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_auditlog WHERE action = 'account_delete' AND target_id = '5'"), 1);
	assert_int_equal(session_renew(f->conn, &account_settings, &f->arena, ana.refresh, &ana), ERR_FORBIDDEN);
}

/* Whoever registers the name that the account would get does not keep it from going. */
static void test_account_delete__a_name_that_is_taken(void **state)
{
	struct fixture *f = *state;
	struct str avatar;

	add_ana(f);
	add_contract(f);
	write_rows(f, "UPDATE auth_user SET username = 'deleted_5' WHERE id = 6");
	assert_ok(delete_ana(f, &avatar));
	assert_int_equal(number(f, "SELECT id FROM auth_user WHERE username LIKE 'deleted!_5!_________' ESCAPE '!'"), 5);
}

static void test_account_delete__all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct str avatar;
	int r = ERR_IO;

	add_ana(f);
	for (int n = 1; r != 0; n++) {
		assert_in_range(n, 1, 40);
		fault_arm(FAULT_SQL_STEP, n, false);
		r = delete_ana(f, &avatar);
		fault_disarm_all();
		assert_int_equal(number(f, "SELECT COUNT(*) FROM auth_user"), r == 0 ? 1 : 2);
		assert_int_equal(number(f, NAMED_INTENTS), r == 0 ? 2 : 3);
		assert_int_equal(number(f, "SELECT COUNT(*) FROM core_auditlog"), r == 0 ? 2 : 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_account_delete__what_goes_and_what_stays),
		CASE(test_account_delete__intents_lose_the_person),
		CASE(test_account_delete__once),
		CASE(test_account_delete__whom_the_books_name_stays_without_a_name),
		CASE(test_account_delete__a_name_that_is_taken),
		CASE(test_account_delete__all_or_nothing),
	};

	return RUN_ON_BOTH(tests);
}
