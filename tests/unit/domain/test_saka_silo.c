#include "domain/saka_silo.h"

#include <math.h>
#include <pthread.h>

#include "tests/unit/domain/grains.h"

static void test_saka_silo__nothing_is_shared_without_a_reason(void **state)
{
	struct fixture *f = *state;
	const struct settings off = { .enable_saka = true };
	struct settings active = rules;

	active.saka_silo_redis_min_wallet_activity = 1000;
	assert_int_equal(share(f, &off, 0.05).outcome, SAKA_SHARE_DISABLED);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakasilo"), 0);
	assert_int_equal(share(f, &rules, 0.05).outcome, SAKA_SHARE_NOTHING);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakasilo"), 1);
	write_rows(f, "DELETE FROM core_sakasilo");
	fill_silo(f, 100, 200);
	assert_int_equal(share(f, &rules, 0).outcome, SAKA_SHARE_NOTHING);
	assert_int_equal(share(f, &rules, -1).outcome, SAKA_SHARE_NOTHING);
	assert_int_equal(share(f, &rules, 0.009).outcome, SAKA_SHARE_TOO_SMALL);
	assert_int_equal(share(f, &rules, 0.05).outcome, SAKA_SHARE_NO_WALLETS);
	add_wallets(f, 1, 6, 10, 1);
	assert_int_equal(share(f, &active, 0.05).outcome, SAKA_SHARE_NO_WALLETS);
	active.saka_silo_redis_min_wallet_activity = 11;
	assert_int_equal(share(f, &active, 0.05).outcome, SAKA_SHARE_NO_WALLETS);
	active.saka_silo_redis_min_wallet_activity = 10; /* just enough */
	assert_int_equal(share(f, &active, 0.05).outcome, SAKA_SHARE_TOO_LITTLE);
	assert_int_equal(share(f, &rules, 0.05).outcome, SAKA_SHARE_TOO_LITTLE);
	assert_int_equal(share(f, &rules, 0.05).eligible_wallets, 6);
	assert_int_equal(share(f, &rules, 0.05).total_before, 100);
	assert_int_equal(silo_now(f).total_balance, 100);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction WHERE reason = 'silo_redistribution'"), 0);
	for (int outcome = SAKA_SHARED; outcome <= SAKA_SHARE_TOO_LITTLE; outcome++)
		assert_true((saka_share_reason((enum saka_share_outcome)outcome) == NULL) == (outcome == SAKA_SHARED));
}

static void test_saka_silo__what_does_not_divide_stays(void **state)
{
	struct fixture *f = *state;
	struct saka_share s;

	fill_silo(f, 1000, 5000);
	add_wallets(f, 1, 3, 7, 40);
	add_wallet(f, 4, 0, 40); /* never harvested */
	s = share(f, &rules, 0.1);
	assert_int_equal(s.outcome, SAKA_SHARED);
	assert_int_equal(s.total_before, 1000);
	assert_int_equal(s.per_wallet, 33);
	assert_int_equal(s.eligible_wallets, 3);
	assert_int_equal(s.redistributed, 99);
	assert_int_equal(s.total_after, 901);
	assert_int_equal(silo_now(f).total_balance, 901);
	assert_int_equal(silo_now(f).total_composted, 5000);
	assert_int_equal(wallet_of(f, 2).balance, 40);
	assert_int_equal(wallet_of(f, 2).total_harvested, 40);
	assert_int_equal(wallet_of(f, 4).balance, 0);
}

static void test_saka_silo__being_given_grains_is_no_activity(void **state)
{
	struct fixture *f = *state;
	struct instant before;

	fill_silo(f, 1000, 1000);
	add_wallet(f, 1, 7, 40);
	add_wallet(f, 2, 7, NULL_INT);
	before = wallet_of(f, 1).last_activity_date;
	assert_int_equal(share(f, &rules, 1).redistributed, 1000);
	assert_true(wallet_of(f, 1).last_activity_date.us == before.us);
	assert_true(wallet_of(f, 2).last_activity_date.us == NULL_TIME.us);
	assert_int_equal(number(f,
	                        "SELECT COUNT(*) FROM core_sakatransaction WHERE direction = 'EARN' AND transaction_type = "
	                        "'REDISTRIBUTION' AND reason = 'silo_redistribution' AND amount = 500 AND CAST(metadata AS text) = '{}'"),
	                 2);
	assert_int_equal(silo_now(f).total_balance, 0);
}

static void test_saka_silo__an_impossible_rate_is_refused(void **state)
{
	struct fixture *f = *state;
	const double rates[] = { 1.0000001, 2, INFINITY, NAN };

	fill_silo(f, 1000, 1000);
	add_wallet(f, 1, 7, 40);
	for (size_t i = 0; i < N_ELEMENTS(rates); i++) {
		struct sharing s = { .settings = &rules, .rate = rates[i] };

		assert_int_equal(db_write(f->conn, do_share, &s), ERR_INVALID);
	}
	assert_int_equal(silo_now(f).total_balance, 1000);
}

static void test_saka_silo__no_wallet_outgrows_its_columns(void **state)
{
	struct fixture *f = *state;
	struct sharing s = { .settings = &rules, .rate = 1 };

	fill_silo(f, INT32_MAX, INT32_MAX);
	add_wallet(f, 1, 1, 40);
	assert_int_equal(db_write(f->conn, do_share, &s), ERR_LIMIT);
	assert_int_equal(wallet_of(f, 1).balance, 1);
	assert_int_equal(silo_now(f).total_balance, INT32_MAX);
	add_wallet(f, 2, 1, 40);
	assert_int_equal(share(f, &rules, 1).per_wallet, INT32_MAX / 2);
	assert_int_equal(wallet_of(f, 1).balance, 1 + INT32_MAX / 2);
	assert_int_equal(silo_now(f).total_balance, 1);
}

/* The grains of the fixture's silo were composted by nobody here: only wallets are looked at. */
static void test_saka_silo__each_of_very_many_gets_its_share_once(void **state)
{
	struct fixture *f = *state;
	struct saka_share s;

	fill_silo(f, 25010, 25010);
	add_wallets(f, 1, 12001, 100, 1);
	s = share(f, &rules, 1);
	assert_int_equal(s.eligible_wallets, 12001);
	assert_int_equal(s.per_wallet, 2);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakawallet WHERE balance = 102 AND total_harvested = 102"), 12001);
	assert_int_equal(number(f, "SELECT COUNT(DISTINCT user_id) FROM core_sakatransaction WHERE amount = 2"), 12001);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction WHERE amount = 2"), 12001);
	assert_int_equal(silo_now(f).total_balance, 25010 - 24002);
}

#define THREADS 6

struct thread {
	pthread_t id;
	struct fixture *f;
	struct sharing sharing;
	int result;
};

static void *share_once(void *arg)
{
	struct thread *t = arg;
	struct db_conn *conn = NULL;
	struct error err = { 0 };

	t->result = db_connect(t->f->db, &conn, &err);
	if (t->result == 0)
		t->result = db_write(conn, do_share, &t->sharing);
	db_disconnect(conn);
	return NULL;
}

static void test_saka_silo__only_one_of_many_at_once_shares_all(void **state)
{
	struct fixture *f = *state;
	struct thread threads[THREADS];
	int shared = 0;

	fill_silo(f, 1000, 1000);
	add_wallets(f, 1, 10, 5, 1);
	for (int i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){ .f = f, .sharing = { .settings = &rules, .rate = 1 } };
		assert_int_equal(pthread_create(&threads[i].id, NULL, share_once, &threads[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i].id, NULL);
		assert_int_equal(threads[i].result, 0);
		shared += threads[i].sharing.share.outcome == SAKA_SHARED;
	}
	assert_int_equal(shared, 1);
	assert_int_equal(silo_now(f).total_balance, 0);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakawallet WHERE balance = 105"), 10);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_saka_silo__nothing_is_shared_without_a_reason),  CASE(test_saka_silo__what_does_not_divide_stays),
		CASE(test_saka_silo__being_given_grains_is_no_activity),   CASE(test_saka_silo__an_impossible_rate_is_refused),
		CASE(test_saka_silo__no_wallet_outgrows_its_columns),      CASE(test_saka_silo__each_of_very_many_gets_its_share_once),
		CASE(test_saka_silo__only_one_of_many_at_once_shares_all),
	};

	return RUN_ON_BOTH(tests);
}
