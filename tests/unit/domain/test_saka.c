#include "domain/saka.h"

#include <pthread.h>

#include "tests/unit/domain/fixture.h"

static const struct settings on = { .enable_saka = true };
static const struct settings off = { .enable_saka = false };

#define NO_METADATA ((struct json_text){ { NULL, 0 } })

/* What one closure does. */
struct act {
	const struct settings *settings;
	int64_t user, amount;
	enum saka_reason reason;
	struct json_text metadata;
	int64_t id; /* of the transaction */
	bool spent;
};

static int do_harvest(struct db_conn *conn, void *arg)
{
	struct act *a = arg;

	return saka_harvest(conn, a->settings, a->user, a->reason, a->amount, a->metadata, &a->id);
}

static int do_spend(struct db_conn *conn, void *arg)
{
	struct act *a = arg;

	return saka_spend(conn, a->settings, a->user, a->reason, a->amount, a->metadata, &a->spent);
}

static void add_user(struct fixture *f, int id)
{
	char sql[400];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
	         "first_name) VALUES (%d, '', false, 'user%d', '', '', false, true, '2026-01-01 00:00:00', '')",
	         id, id);
	write_rows(f, sql);
}

/* The transaction's id, or NULL_INT. */
static int64_t harvest(struct fixture *f, int64_t user, enum saka_reason reason)
{
	struct act a = { .settings = &on, .user = user, .amount = NULL_INT, .reason = reason };

	assert_ok(db_write(f->conn, do_harvest, &a));
	return a.id;
}

static int adjust(struct fixture *f, int64_t user, int64_t amount, int64_t *ret_id)
{
	struct act a = { .settings = &on, .user = user, .amount = amount, .reason = SAKA_MANUAL_ADJUST };
	int r = db_write(f->conn, do_harvest, &a);

	*ret_id = a.id;
	return r;
}

static bool spend(struct fixture *f, int64_t user, int64_t amount)
{
	struct act a = { .settings = &on, .user = user, .amount = amount, .reason = SAKA_PROJECT_BOOST };

	assert_ok(db_write(f->conn, do_spend, &a));
	return a.spent;
}

static struct saka_wallet wallet_of(struct fixture *f, int64_t user)
{
	struct saka_wallet w = { .id = 0 };

	assert_ok(saka_wallet_find(f->conn, user, &w));
	assert_true(saka_wallet_is_sane(&w));
	return w;
}

static int64_t number(struct fixture *f, const char *sql)
{
	int64_t n;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}

/* The clock at noon UTC, so that a test does not cross midnight on its own. */
static int64_t to_noon(void)
{
	int64_t day = INT64_C(86400) * US_PER_S;
	int64_t move = (day + day / 2 - clock_now().us % day) % day;

	clock_advance_for_tests(move);
	return move;
}

static void test_saka__a_wallet_is_made_when_it_is_needed(void **state)
{
	struct fixture *f = *state;
	struct saka_wallet w;

	add_user(f, 1);
	assert_int_equal(saka_wallet_find(f->conn, 1, &w), ERR_NOT_FOUND);
	assert_false(spend(f, 1, 5));
	w = wallet_of(f, 1);
	assert_true(w.balance == 0 && w.total_harvested == 0 && w.total_planted == 0 && w.last_activity_date.us == NULL_TIME.us);
	assert_true(harvest(f, 1, SAKA_CONTENT_READ) != NULL_INT);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakawallet"), 1);
}

static void test_saka__nobody_has_no_wallet(void **state)
{
	struct fixture *f = *state;
	struct act a = { .settings = &on, .user = 77, .amount = NULL_INT, .reason = SAKA_POLL_VOTE };

	assert_int_equal(db_write(f->conn, do_harvest, &a), ERR_CONFLICT);
	a.user = NULL_INT;
	assert_ok(db_write(f->conn, do_harvest, &a));
	assert_true(a.id == NULL_INT);
	a = (struct act){ .settings = &on, .user = NULL_INT, .amount = 1, .reason = SAKA_PROJECT_BOOST };
	assert_ok(db_write(f->conn, do_spend, &a));
	assert_false(a.spent);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakawallet"), 0);
}

static void test_saka__each_act_earns_its_amount_so_many_times_a_day(void **state)
{
	static const struct {
		enum saka_reason reason;
		int64_t amount;
		int times;
	} table[] = {
		{ SAKA_CONTENT_READ, 10, 3 }, { SAKA_POLL_VOTE, 5, 10 }, { SAKA_INVITE_ACCEPTED, 50, 5 }, { SAKA_INVEST_BONUS, 100, 1 }
	};
	struct fixture *f = *state;
	int64_t moved = to_noon(), total = 0;

	add_user(f, 1);
	for (size_t i = 0; i < N_ELEMENTS(table); i++) {
		for (int n = 0; n < table[i].times; n++)
			assert_true(harvest(f, 1, table[i].reason) != NULL_INT);
		total += table[i].amount * table[i].times;
		assert_true(harvest(f, 1, table[i].reason) == NULL_INT);
		assert_int_equal(wallet_of(f, 1).balance, total);
	}
	assert_int_equal(number(f, "SELECT CAST(SUM(amount) AS bigint) FROM core_sakatransaction"), total);
	clock_advance_for_tests(13 * 3600 * US_PER_S); /* one in the morning */
	assert_true(harvest(f, 1, SAKA_INVEST_BONUS) != NULL_INT);
	assert_int_equal(wallet_of(f, 1).balance, total + 100);
	clock_advance_for_tests(-13 * 3600 * US_PER_S - moved);
}

static void test_saka__the_limit_is_each_users_own(void **state)
{
	struct fixture *f = *state;
	int64_t moved = to_noon();

	add_user(f, 1);
	add_user(f, 2);
	assert_true(harvest(f, 1, SAKA_INVEST_BONUS) != NULL_INT);
	assert_true(harvest(f, 2, SAKA_INVEST_BONUS) != NULL_INT);
	assert_true(harvest(f, 1, SAKA_INVEST_BONUS) == NULL_INT);
	clock_advance_for_tests(-moved);
}

static void test_saka__the_row_says_what_happened(void **state)
{
	struct fixture *f = *state;
	struct act a = { .settings = &on,
		         .user = 1,
		         .amount = NULL_INT,
		         .reason = SAKA_CONTENT_READ,
		         .metadata = { STR("{\"progress\": 80, \"content_id\": 4}") } };
	struct instant before = clock_now();
	struct saka_transaction *t;
	struct db_rows rows;

	add_user(f, 1);
	assert_ok(db_write(f->conn, do_harvest, &a));
	assert_ok(saka_transaction_list(f->conn, &f->arena, 1, NOTHING, 10, 0, &rows));
	assert_int_equal(rows.n, 1);
	t = rows.items;
	assert_int_equal(t->id, a.id);
	assert_int_equal(t->amount, 10);
	assert_text(t->direction, "EARN");
	assert_text(t->reason, "content_read");
	assert_text(t->metadata.text, "{\"progress\": 80, \"content_id\": 4}");
	assert_true(t->created_at.us >= before.us && t->created_at.us <= clock_now().us);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction WHERE transaction_type = 'HARVEST'"), 1);
	assert_true(wallet_of(f, 1).last_activity_date.us == t->created_at.us);
	assert_true(spend(f, 1, 4));
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction WHERE direction = 'SPEND' AND transaction_type = 'SPEND' "
	                           "AND reason = 'project_boost' AND amount = 4"),
	                 1);
}

static void test_saka__what_is_credited_by_hand_is_refused_beyond_its_limits(void **state)
{
	struct fixture *f = *state;
	int64_t id;

	add_user(f, 1);
	assert_int_equal(adjust(f, 1, 501, &id), ERR_INVALID);
	assert_ok(adjust(f, 1, 0, &id));
	assert_true(id == NULL_INT);
	assert_ok(adjust(f, 1, -3, &id));
	assert_true(id == NULL_INT);
	assert_ok(adjust(f, 1, 500, &id));
	assert_ok(adjust(f, 1, 499, &id));
	assert_int_equal(adjust(f, 1, 2, &id), ERR_FORBIDDEN);
	assert_ok(adjust(f, 1, 1, &id));
	assert_int_equal(wallet_of(f, 1).balance, 1000);
	clock_advance_for_tests(INT64_C(86401) * US_PER_S);
	assert_ok(adjust(f, 1, 500, &id));
	clock_advance_for_tests(INT64_C(-86401) * US_PER_S);
	assert_int_equal(wallet_of(f, 1).balance, 1500);
}

static void test_saka__nothing_moves_while_it_is_off(void **state)
{
	struct fixture *f = *state;
	struct act a = { .settings = &off, .user = 1, .amount = NULL_INT, .reason = SAKA_CONTENT_READ };

	add_user(f, 1);
	assert_ok(db_write(f->conn, do_harvest, &a));
	assert_true(a.id == NULL_INT);
	a = (struct act){ .settings = &off, .user = 1, .amount = 1, .reason = SAKA_PROJECT_BOOST };
	assert_ok(db_write(f->conn, do_spend, &a));
	assert_false(a.spent);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakawallet"), 0);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction"), 0);
}

static void test_saka__a_spending_takes_what_is_there_or_nothing(void **state)
{
	struct fixture *f = *state;

	add_user(f, 1);
	assert_true(harvest(f, 1, SAKA_INVEST_BONUS) != NULL_INT);
	assert_false(spend(f, 1, 101));
	assert_false(spend(f, 1, INT64_MAX));
	assert_false(spend(f, 1, 0));
	assert_false(spend(f, 1, -5));
	assert_false(spend(f, 1, INT64_MIN + 1));
	assert_int_equal(wallet_of(f, 1).balance, 100);
	assert_true(spend(f, 1, 60));
	assert_false(spend(f, 1, 41));
	assert_true(spend(f, 1, 40));
	assert_false(spend(f, 1, 1));
	assert_int_equal(wallet_of(f, 1).balance, 0);
	assert_int_equal(wallet_of(f, 1).total_planted, 100);
}

static void test_saka__a_reason_of_the_other_kind_is_a_mistake(void **state)
{
	struct fixture *f = *state;

	add_user(f, 1);
	for (int reason = 0; reason <= SAKA_REASONS; reason++) {
		struct act a = { .settings = &on, .user = 1, .amount = 1, .reason = (enum saka_reason)reason };
		bool earns = reason <= SAKA_MANUAL_ADJUST, spends = reason == SAKA_PROJECT_BOOST || reason == SAKA_POLL_BOOST;

		assert_int_equal(db_write(f->conn, do_harvest, &a), earns ? 0 : ERR_INTERNAL);
		assert_int_equal(db_write(f->conn, do_spend, &a), spends ? 0 : ERR_INTERNAL);
	}
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction WHERE NOT ((direction = 'EARN' AND transaction_type IN "
	                           "('HARVEST', 'REDISTRIBUTION')) OR (direction = 'SPEND' AND transaction_type IN ('SPEND', 'COMPOST')))"),
	                 0);
}

static void test_saka__a_wallet_does_not_outgrow_its_columns(void **state)
{
	struct fixture *f = *state;
	struct act a = { .settings = &on, .user = 1, .amount = NULL_INT, .reason = SAKA_CONTENT_READ };

	add_user(f, 1);
	write_rows(f,
	           "INSERT INTO core_sakawallet (balance, total_harvested, total_planted, total_composted, updated_at, created_at, user_id)"
	           " VALUES (2147483640, 2147483640, 0, 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00', 1)");
	assert_int_equal(db_write(f->conn, do_harvest, &a), ERR_LIMIT);
	a.reason = SAKA_POLL_VOTE;
	assert_ok(db_write(f->conn, do_harvest, &a));
	assert_int_equal(wallet_of(f, 1).balance, 2147483645);
}

/* ---- random histories against a model ---- */

#define USERS 3
#define STEPS 250

struct model {
	int64_t balance, harvested, planted, rows;
	int today[SAKA_REASONS];
	struct {
		int64_t us, amount;
	} manual[STEPS];
	int n_manual;
};

static unsigned next_random(unsigned *state)
{
	*state = *state * 1103515245 + 12345;
	return *state >> 16 & 0x7fff;
}

static int64_t manual_sum(const struct model *m, int64_t now_us)
{
	int64_t sum = 0;

	for (int i = 0; i < m->n_manual; i++)
		sum += m->manual[i].us > now_us - INT64_C(86400) * US_PER_S ? m->manual[i].amount : 0;
	return sum;
}

static void earn(struct model *m, int64_t amount)
{
	m->balance += amount;
	m->harvested += amount;
	m->rows++;
}

static void model_harvest(struct fixture *f, struct model *m, int64_t user, unsigned *seed)
{
	static const int64_t amounts[] = { 10, 5, 50, 100 };
	static const int limits[] = { 3, 10, 5, 1 };
	unsigned reason = next_random(seed) % 4;
	bool earns = m->today[reason] < limits[reason];

	assert_int_equal(harvest(f, user, (enum saka_reason)reason) != NULL_INT, earns);
	if (earns) {
		m->today[reason]++;
		earn(m, amounts[reason]);
	}
}

static void model_adjust(struct fixture *f, struct model *m, int64_t user, unsigned *seed)
{
	int64_t amount = next_random(seed) % 540, id, now_us = clock_now().us;
	int expected = amount > 500 ? ERR_INVALID : amount > 0 && manual_sum(m, now_us) + amount > 1000 ? ERR_FORBIDDEN : 0;

	assert_int_equal(adjust(f, user, amount, &id), expected);
	if (expected == 0 && amount > 0) {
		earn(m, amount);
		m->manual[m->n_manual].us = now_us;
		m->manual[m->n_manual++].amount = amount;
	}
}

static void model_spend(struct fixture *f, struct model *m, int64_t user, unsigned *seed)
{
	int64_t amount = next_random(seed) % 3 ? next_random(seed) % 60 : m->balance + next_random(seed) % 2;
	bool spends = amount > 0 && amount <= m->balance;

	assert_int_equal(spend(f, user, amount), spends);
	if (spends) {
		m->balance -= amount;
		m->planted += amount;
		m->rows++;
	}
}

static void assert_model(struct fixture *f, const struct model *m, int64_t user)
{
	struct saka_wallet w = { .id = 0 };
	int64_t rows;

	assert_ok(saka_transaction_count(f->conn, user, NOTHING, &rows));
	assert_int_equal(rows, m->rows);
	if (saka_wallet_find(f->conn, user, &w) == ERR_NOT_FOUND)
		w = (struct saka_wallet){ .id = 0 };
	assert_true(saka_wallet_is_sane(&w));
	assert_int_equal(w.balance, m->balance);
	assert_int_equal(w.total_harvested, m->harvested);
	assert_int_equal(w.total_planted, m->planted);
}

/* What wallets hold is what their rows say, for all of them. */
static void assert_rows_explain_wallets(struct fixture *f)
{
	assert_int_equal(number(f,
	                        "SELECT COUNT(*) FROM core_sakawallet w WHERE balance <> (SELECT COALESCE(SUM(CASE WHEN direction = 'EARN' "
	                        "THEN amount ELSE -amount END), 0) FROM core_sakatransaction t WHERE t.user_id = w.user_id)"),
	                 0);
}

static void run_history(struct fixture *f, unsigned seed)
{
	struct model models[USERS] = { { .balance = 0 } };
	int64_t moved = to_noon();

	for (int step = 0; step < STEPS; step++) {
		int user = (int)(next_random(&seed) % USERS);
		unsigned what = next_random(&seed) % 20;

		if (what == 0) {
			clock_advance_for_tests(INT64_C(86400) * US_PER_S);
			moved += INT64_C(86400) * US_PER_S;
			for (int u = 0; u < USERS; u++)
				memset(models[u].today, 0, sizeof(models[u].today));
		} else if (what < 10) {
			model_harvest(f, &models[user], user + 1, &seed);
		} else if (what < 13) {
			model_adjust(f, &models[user], user + 1, &seed);
		} else {
			model_spend(f, &models[user], user + 1, &seed);
		}
		assert_model(f, &models[user], user + 1);
	}
	assert_rows_explain_wallets(f);
	clock_advance_for_tests(-moved);
}

static void test_saka__random_histories_keep_the_invariants(void **state)
{
	struct fixture *f = *state;

	for (unsigned seed = 1; seed <= 4; seed++) {
		write_rows(f, empty_all_tables);
		for (int user = 1; user <= USERS; user++)
			add_user(f, user);
		run_history(f, seed * 7919);
	}
}

/* ---- many at once ---- */

#define THREADS 8

struct thread {
	pthread_t id;
	struct fixture *f;
	db_write_fn what;
	struct act act;
	int times;
	int done, ignored;
};

/* A connection of its own, and the act again and again; what others disturb too often is tried again. */
static void *act_repeatedly(void *arg)
{
	struct thread *t = arg;
	struct db_conn *conn = NULL;
	struct error err = { 0 };

	if (db_connect(t->f->db, &conn, &err) < 0)
		return NULL;
	for (int i = 0; i < t->times; i++) {
		int r;

		while ((r = db_write(conn, t->what, &t->act)) == ERR_UNAVAILABLE)
			;
		if (r < 0)
			continue;
		if (t->what == do_spend ? t->act.spent : t->act.id != NULL_INT)
			t->done++;
		else
			t->ignored++;
	}
	db_disconnect(conn);
	return NULL;
}

static int run_threads(struct fixture *f, db_write_fn what, struct act act, int times)
{
	struct thread threads[THREADS];
	int done = 0, ignored = 0;

	for (int i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){ .f = f, .what = what, .act = act, .times = times };
		assert_int_equal(pthread_create(&threads[i].id, NULL, act_repeatedly, &threads[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i].id, NULL);
		done += threads[i].done;
		ignored += threads[i].ignored;
	}
	assert_int_equal(done + ignored, THREADS * times);
	return done;
}

static void test_saka__only_one_of_many_spends_the_last_grain(void **state)
{
	struct fixture *f = *state;
	struct act a = { .settings = &on, .user = 1, .amount = 10, .reason = SAKA_PROJECT_BOOST };
	int64_t id;

	add_user(f, 1);
	assert_ok(adjust(f, 1, 125, &id));
	assert_int_equal(run_threads(f, do_spend, a, 4), 12);
	assert_int_equal(wallet_of(f, 1).balance, 5);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction WHERE direction = 'SPEND'"), 12);
}

static void test_saka__many_at_once_do_not_pass_the_daily_count(void **state)
{
	struct fixture *f = *state;
	struct act a = { .settings = &on, .user = 1, .amount = NULL_INT, .reason = SAKA_CONTENT_READ };
	int64_t moved = to_noon();

	add_user(f, 1);
	assert_int_equal(run_threads(f, do_harvest, a, 3), 3);
	assert_int_equal(wallet_of(f, 1).balance, 30);
	assert_rows_explain_wallets(f);
	clock_advance_for_tests(-moved);
}

/* ---- history ---- */

static void test_saka__the_history_is_ones_own_and_newest_first(void **state)
{
	struct fixture *f = *state;
	struct saka_transaction *t;
	struct db_rows rows;
	int64_t n;

	add_user(f, 1);
	add_user(f, 2);
	harvest(f, 1, SAKA_CONTENT_READ);
	harvest(f, 2, SAKA_INVITE_ACCEPTED);
	spend(f, 1, 3);
	harvest(f, 1, SAKA_POLL_VOTE);
	assert_ok(saka_transaction_count(f->conn, 1, NOTHING, &n));
	assert_int_equal(n, 3);
	assert_ok(saka_transaction_list(f->conn, &f->arena, 1, NOTHING, 2, 0, &rows));
	t = rows.items;
	assert_int_equal(rows.n, 2);
	assert_true(t[0].amount == 5 && t[1].amount == 3);
	assert_ok(saka_transaction_list(f->conn, &f->arena, 1, NOTHING, 2, 2, &rows));
	assert_int_equal(rows.n, 1);
	assert_ok(saka_transaction_count(f->conn, 1, TEXT("SPEND"), &n));
	assert_int_equal(n, 1);
	assert_ok(saka_transaction_list(f->conn, &f->arena, 1, TEXT("EARN"), 9, 0, &rows));
	assert_int_equal(rows.n, 2);
	assert_ok(saka_transaction_list(f->conn, &f->arena, 3, NOTHING, 9, 0, &rows));
	assert_int_equal(rows.n, 0);
}

static void test_saka__a_failing_step_leaves_everything_as_it_was(void **state)
{
	struct fixture *f = *state;
	int failures = 0;

	add_user(f, 1);
	harvest(f, 1, SAKA_INVEST_BONUS);
	for (int n = 1;; n++) {
		struct act a = { .settings = &on, .user = 1, .amount = 7, .reason = SAKA_PROJECT_BOOST };
		int r;

		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = db_write(f->conn, do_spend, &a);
		fault_disarm_all();
		if (r == 0)
			break;
		failures++;
		assert_int_equal(wallet_of(f, 1).balance, 100);
		assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction"), 1);
	}
	assert_true(failures >= 3);
	assert_int_equal(wallet_of(f, 1).balance, 93);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_saka__a_wallet_is_made_when_it_is_needed),
		CASE(test_saka__nobody_has_no_wallet),
		CASE(test_saka__each_act_earns_its_amount_so_many_times_a_day),
		CASE(test_saka__the_limit_is_each_users_own),
		CASE(test_saka__the_row_says_what_happened),
		CASE(test_saka__what_is_credited_by_hand_is_refused_beyond_its_limits),
		CASE(test_saka__nothing_moves_while_it_is_off),
		CASE(test_saka__a_spending_takes_what_is_there_or_nothing),
		CASE(test_saka__a_reason_of_the_other_kind_is_a_mistake),
		CASE(test_saka__a_wallet_does_not_outgrow_its_columns),
		CASE(test_saka__random_histories_keep_the_invariants),
		CASE(test_saka__only_one_of_many_spends_the_last_grain),
		CASE(test_saka__many_at_once_do_not_pass_the_daily_count),
		CASE(test_saka__the_history_is_ones_own_and_newest_first),
		CASE(test_saka__a_failing_step_leaves_everything_as_it_was),
	};

	return RUN_ON_BOTH(tests);
}
