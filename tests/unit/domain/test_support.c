#include "domain/support.h"

#include <pthread.h>

#include "tests/unit/domain/accounts.h"

static const struct account ana = { .id = 1, .username = STR("ana"), .email = STR("ana@example.org") };
static const struct account bob = { .id = 2, .username = STR("bob"), .email = STR("bob@example.org") };

static const char rows_around[] =
        "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
        "saka_supporters_count, active_oracles) VALUES (8, 'P', '', '2026-01-01 00:00:00', 0, 'DONATION', 0, 0, 0, '[]');"
        "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
        "saka_supporters_count, active_oracles) VALUES (9, 'P', '', '2026-01-01 00:00:00', 0, 'DONATION', 0, 0, 0, '[]');"
        "INSERT INTO core_cagnotte (id, titre, description, montant_cible, montant_collecte, created_at) VALUES (5, 'C', '', 100, 0, "
        "'2026-01-01 00:00:00');"
        "INSERT INTO finance_userwallet (id, balance, created_at, updated_at, user_id) VALUES (11, 0, '2026-01-01 00:00:00', "
        "'2026-01-01 00:00:00', 1);"
        "INSERT INTO finance_userwallet (id, balance, created_at, updated_at, user_id) VALUES (12, 0, '2026-01-01 00:00:00', "
        "'2026-01-01 00:00:00', 2);";

static void add_people(struct fixture *f)
{
	add_account(f, 1, "ana", "!", true);
	add_account(f, 2, "bob", "!", true);
	write_rows(f, rows_around);
}

static void give(struct fixture *f, int wallet, const char *type, const char *amount)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO finance_wallettransaction (amount, transaction_type, description, created_at, wallet_id) VALUES (%s, '%s', "
	         "'', "
	         "'2026-01-01 00:00:00', %d)",
	         amount, type, wallet);
	write_rows(f, sql);
}

static void contribute(struct fixture *f, int user, const char *amount)
{
	char sql[200];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_contribution (montant, created_at, cagnotte_id, user_id) VALUES (%s, '2026-01-01 00:00:00', 5, %d)",
	         amount, user);
	write_rows(f, sql);
}

static void invest(struct fixture *f, int user, int project, const char *amount)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO investment_shareholderregister (number_of_shares, amount_invested, is_signed, created_at, updated_at, "
	         "investor_id, project_id) VALUES (1, %s, true, '2026-01-01 00:00:00', '2026-01-01 00:00:00', %d, %d)",
	         amount, user, project);
	write_rows(f, sql);
}

static bool eligible(struct fixture *f, int64_t account, bool investing)
{
	bool is = false;

	assert_ok(support_is_eligible(f->conn, account, investing, &is));
	return is;
}

/* ---- who has a concierge ---- */

static void test_support__nobody_has_one_for_nothing(void **state)
{
	struct fixture *f = *state;

	add_people(f);
	assert_false(eligible(f, 1, true));
	assert_false(eligible(f, 99, true));
}

static void test_support__donations_of_the_own_wallet_count(void **state)
{
	struct fixture *f = *state;

	add_people(f);
	give(f, 11, "PLEDGE_DONATION", "499.99");
	give(f, 11, "DEPOSIT", "1000");
	give(f, 12, "PLEDGE_EQUITY", "1000");
	assert_false(eligible(f, 1, true));
	give(f, 11, "PLEDGE_DONATION", "0.01");
	assert_true(eligible(f, 1, false));
	assert_false(eligible(f, 2, true));
}

/* Ten times 0.1 and the like is not 1 in binary: cents are. */
static void test_support__cents_add_up_exactly(void **state)
{
	struct fixture *f = *state;

	add_people(f);
	for (int i = 0; i < 10; i++)
		give(f, 11, "PLEDGE_DONATION", "49.90");
	assert_false(eligible(f, 1, true));
	for (int i = 0; i < 10; i++)
		give(f, 11, "PLEDGE_DONATION", "0.10");
	assert_true(eligible(f, 1, true));
}

static void test_support__contributions_count_apart(void **state)
{
	struct fixture *f = *state;

	add_people(f);
	contribute(f, 1, "499.5");
	give(f, 11, "PLEDGE_DONATION", "499"); /* not together */
	assert_false(eligible(f, 1, true));
	contribute(f, 1, "0.5");
	assert_true(eligible(f, 1, false));
	assert_false(eligible(f, 2, false));
}

static void test_support__shares_count_while_investing_is_enabled(void **state)
{
	struct fixture *f = *state;

	add_people(f);
	invest(f, 1, 8, "999.99");
	assert_false(eligible(f, 1, true));
	invest(f, 1, 9, "0.01");
	assert_true(eligible(f, 1, true));
	assert_false(eligible(f, 1, false));
}

/* ---- the thread ---- */

static void assert_concierge_of_ana(struct fixture *f, const struct chat_thread *t)
{
	const struct chat_participant *participants = t->participants.items;

	assert_text(t->title, "Support Concierge - ana");
	assert_true(t->is_private);
	assert_int_equal(t->creator.id, 1);
	assert_true(t->project_id == NULL_INT);
	assert_true(t->last_message_at.us == NULL_TIME.us);
	assert_text(t->role, "owner");
	assert_int_equal(t->participants.n, 1);
	assert_int_equal(participants[0].person.id, 1);
	assert_int_equal(number(f, "SELECT count(*) FROM core_chatthread WHERE created_by_id = 1 AND thread_type = 'SUPPORT_CONCIERGE'"),
	                 1);
}

static void test_support__the_concierge_comes_once(void **state)
{
	struct fixture *f = *state;
	struct chat_thread first, second, other;
	bool created = false;

	add_people(f);
	assert_ok(support_concierge(f->conn, &f->arena, &ana, &first, &created));
	assert_true(created);
	assert_concierge_of_ana(f, &first);
	assert_true(first.created_at.us == first.updated_at.us);
	assert_ok(support_concierge(f->conn, &f->arena, &ana, &second, &created));
	assert_false(created);
	assert_int_equal(second.id, first.id);
	assert_concierge_of_ana(f, &second);
	assert_ok(support_concierge(f->conn, &f->arena, &bob, &other, &created));
	assert_true(created && other.id != first.id);
	assert_int_equal(number(f, "SELECT count(*) FROM core_auditlog"), 0);
}

static void test_support__who_was_taken_out_comes_back(void **state)
{
	struct fixture *f = *state;
	struct chat_thread first, again;
	bool created;

	add_people(f);
	assert_ok(support_concierge(f->conn, &f->arena, &ana, &first, &created));
	write_rows(f, "DELETE FROM core_chatmembership");
	assert_ok(support_concierge(f->conn, &f->arena, &ana, &again, &created));
	assert_false(created);
	assert_int_equal(again.id, first.id);
	assert_concierge_of_ana(f, &again);
}

static void test_support__a_role_that_was_given_stays_and_so_do_others(void **state)
{
	struct fixture *f = *state;
	struct chat_thread t;
	bool created;

	add_people(f);
	assert_ok(support_concierge(f->conn, &f->arena, &ana, &t, &created));
	write_rows(f,
	           "UPDATE core_chatmembership SET role = 'member'; INSERT INTO core_chatmembership (role, joined_at, thread_id, user_id) "
	           "SELECT 'moderator', '2026-01-01 00:00:00', id, 2 FROM core_chatthread");
	assert_ok(support_concierge(f->conn, &f->arena, &ana, &t, &created));
	assert_text(t.role, "member");
	assert_int_equal(t.participants.n, 2);
}

/* Ordinary threads of the account are nothing to it. */
static void test_support__other_threads_are_not_it(void **state)
{
	struct fixture *f = *state;
	struct chat_thread t;
	bool created;

	add_people(f);
	write_rows(f, "INSERT INTO core_chatthread (title, is_private, created_at, updated_at, created_by_id, thread_type) VALUES "
	              "('Support Concierge - ana', true, '2026-01-01 00:00:00', '2026-01-01 00:00:00', 1, 'GENERAL')");
	assert_ok(support_concierge(f->conn, &f->arena, &ana, &t, &created));
	assert_true(created);
	assert_concierge_of_ana(f, &t);
}

#define CALLERS 32 /* the server of the test has connections for so many */
#define CALLS   2

struct caller {
	pthread_t id;
	struct db_conn *conn;
	pthread_barrier_t *start;
	struct arena arena;
	struct chat_thread thread;
	int n_created;
	int result;
};

static void *call(void *arg)
{
	struct caller *c = arg;

	bool created = false;

	pthread_barrier_wait(c->start);
	for (int i = 0; i < CALLS && c->result == 0; i++) {
		c->result = support_concierge(c->conn, &c->arena, &ana, &c->thread, &created);
		c->n_created += created;
	}
	return NULL;
}

static void test_support__of_sixty_four_at_once_one_opens_it(void **state)
{
	static struct caller callers[CALLERS];
	struct fixture *f = *state;
	pthread_barrier_t start;
	struct error err;
	int created = 0;

	add_people(f);
	pthread_barrier_init(&start, NULL, CALLERS);
	for (int i = 0; i < CALLERS; i++) {
		callers[i] = (struct caller){ .start = &start };
		arena_init(&callers[i].arena, 1 << 20);
		assert_int_equal(db_connect(f->db, &callers[i].conn, &err), 0);
		assert_int_equal(pthread_create(&callers[i].id, NULL, call, &callers[i]), 0);
	}
	for (int i = 0; i < CALLERS; i++) {
		pthread_join(callers[i].id, NULL);
		assert_int_equal(callers[i].result, 0);
		assert_int_equal(callers[i].thread.id, callers[0].thread.id);
		created += callers[i].n_created;
		db_disconnect(callers[i].conn);
	}
	assert_int_equal(created, 1);
	assert_concierge_of_ana(f, &callers[CALLERS - 1].thread);
	assert_int_equal(number(f, "SELECT count(*) FROM core_chatmembership"), 1);
	for (int i = 0; i < CALLERS; i++)
		arena_finish(&callers[i].arena);
	pthread_barrier_destroy(&start);
}

/* Every statement fails once: then there is neither a thread nor a membership. */
static void test_support__all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct chat_thread t;
	int r = ERR_INTERNAL;
	bool created;
	int n;

	add_people(f);
	for (n = 1; r < 0; n++) {
		assert_true(n < 20);
		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = support_concierge(f->conn, &f->arena, &ana, &t, &created);
		fault_disarm_all();
		assert_int_equal(number(f, "SELECT count(*) FROM core_chatthread"), r == 0);
		assert_int_equal(number(f, "SELECT count(*) FROM core_chatmembership"), r == 0);
	}
	assert_true(n > 4);
}

/* ---- the contact form ---- */

static const struct support_message a_message = { STR("Ana <b>"), STR("ana@example.org"), STR("J'ai une question 🌻\nMerci & à bientôt") };

static void test_support__a_message_is_a_mail_to_each_admin(void **state)
{
	const struct settings settings = { .admins = "A,a@b.org;C,c@d.org", .email_host = "smtp.example.org" };
	struct fixture *f = *state;
	bool sent = false;

	add_people(f);
	assert_ok(support_contact(f->conn, &f->arena, &settings, &ana, &a_message, &sent));
	assert_true(sent);
	assert_int_equal(number(f, "SELECT count(*) FROM egoejo_outbox WHERE name = 'core.tasks.send_email_task'"), 2);
}

static void test_support__without_mail_nothing_is_kept(void **state)
{
	const struct settings none = { .admins = "A,a@b.org" }, nobody = { .email_host = "smtp.example.org", .admins = "nobody" };
	struct fixture *f = *state;
	bool sent = true;

	assert_ok(support_contact(f->conn, &f->arena, &none, &ana, &a_message, &sent));
	assert_false(sent);
	sent = true;
	assert_ok(support_contact(f->conn, &f->arena, &nobody, &ana, &a_message, &sent));
	assert_false(sent);
	assert_int_equal(number(f, "SELECT count(*) FROM egoejo_outbox"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_support__nobody_has_one_for_nothing),
		CASE(test_support__donations_of_the_own_wallet_count),
		CASE(test_support__cents_add_up_exactly),
		CASE(test_support__contributions_count_apart),
		CASE(test_support__shares_count_while_investing_is_enabled),
		CASE(test_support__the_concierge_comes_once),
		CASE(test_support__who_was_taken_out_comes_back),
		CASE(test_support__a_role_that_was_given_stays_and_so_do_others),
		CASE(test_support__other_threads_are_not_it),
		CASE(test_support__of_sixty_four_at_once_one_opens_it),
		CASE(test_support__all_or_nothing),
		CASE(test_support__a_message_is_a_mail_to_each_admin),
		CASE(test_support__without_mail_nothing_is_kept),
	};

	return RUN_ON_BOTH(tests);
}
