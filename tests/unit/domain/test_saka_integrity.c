#include "domain/saka_integrity.h"

#include "tests/unit/domain/grains.h"
#include "tests/unit/domain/messages.h"

#define BYPASS  "[\"INTEGRITY BREACH DETECTED\", "
#define MASSIVE "[\"INTEGRITY BREACH DETECTED (MASSIVE MODIFICATION)\", "

static int64_t alerts(struct fixture *f)
{
	return number(f, "SELECT COUNT(*) FROM egoejo_outbox WHERE name = 'egoejo.critical_alert'");
}

struct act {
	int64_t user, amount, id;
	bool spent;
};

static int do_adjust(struct db_conn *conn, void *arg)
{
	struct act *a = arg;

	return saka_harvest(conn, &rules, a->user, SAKA_MANUAL_ADJUST, a->amount, (struct json_text){ { NULL, 0 } }, &a->id);
}

static int do_spend(struct db_conn *conn, void *arg)
{
	struct act *a = arg;

	return saka_spend(conn, &rules, a->user, SAKA_PROJECT_BOOST, a->amount, (struct json_text){ { NULL, 0 } }, &a->spent);
}

static void adjust(struct fixture *f, int64_t user, int64_t amount)
{
	struct act a = { .user = user, .amount = amount };

	assert_ok(db_write(f->conn, do_adjust, &a));
}

static void spend(struct fixture *f, int64_t user, int64_t amount)
{
	struct act a = { .user = user, .amount = amount };

	assert_ok(db_write(f->conn, do_spend, &a));
	assert_true(a.spent);
}

static struct saka_sweep sweep(struct fixture *f)
{
	struct saka_sweep s = { 0, 0 };

	assert_ok(saka_sweep(f->conn, NULL, NULL, &s));
	return s;
}

/* The message at this place from the end is this alert, and holds these. */
static void assert_alert(struct fixture *f, int64_t from_end, const char *head, const char *const *parts)
{
	struct str args = args_of_message(f, from_end);

	assert_true(str_starts(args, head));
	for (; *parts; parts++)
		if (!memmem(args.s, args.len, *parts, strlen(*parts)))
			fail_msg("%s is not in %.*s", *parts, STR_ARG(args));
}
#define ASSERT_ALERT(f, from_end, head, ...) assert_alert(f, from_end, head, (const char *const[]){ __VA_ARGS__, NULL })

static void test_saka_integrity__what_is_well_is_not_told(void **state)
{
	struct fixture *f = *state;

	add_wallets(f, 1, 3, 60000, 91);
	adjust(f, 1, 500);
	spend(f, 1, 10000); /* not more */
	compost(f, &rules, false);
	share(f, &rules, 1);
	assert_int_equal(sweep(f).breaches, 0);
	assert_int_equal(sweep(f).wallets, 3);
	assert_int_equal(alerts(f), 0);
}

static void test_saka_integrity__a_balance_changed_past_us_is_told_at_the_next_change(void **state)
{
	struct fixture *f = *state;

	add_wallets(f, 1, 2, 100, 1);
	write_rows(f,
	           "UPDATE core_sakawallet SET balance = 900 WHERE user_id = 2; UPDATE auth_user SET email = 'x@example.org' WHERE id = 2");
	adjust(f, 1, 5);
	assert_int_equal(alerts(f), 0);
	adjust(f, 2, 5);
	assert_int_equal(alerts(f), 1);
	ASSERT_ALERT(f, 0, BYPASS, "\"violation_type\": \"saka_wallet_bypass\", \"user_id\": 2, \"username\": \"user2\"",
	             "\"email\": \"x@example.org\", \"old_balance\": 105, \"new_balance\": 905, \"delta\": 800",
	             "\"detection_method\": \"after_change\"", "\"detection_details\": ", "\"likely_cause\": ",
	             "\"constitution_violation\": ", "\"action_required\": ", "\"saka_wallet_bypass:2:");
	spend(f, 2, 5);
	assert_int_equal(alerts(f), 2);
}

static void test_saka_integrity__a_massive_change_is_told(void **state)
{
	struct fixture *f = *state;

	add_wallet(f, 7, 30000, 1);
	spend(f, 7, 10001);
	assert_int_equal(alerts(f), 1);
	ASSERT_ALERT(f, 0, MASSIVE, "\"violation_type\": \"saka_wallet_massive_change\", \"user_id\": 7, \"username\": \"user7\"",
	             "\"old_balance\": 30000, \"new_balance\": 19999, \"delta\": -10001, \"critical_threshold\": 10000",
	             "\"threshold_exceeded\": true", "\"detection_method\": \"after_change\"",
	             "\"detection_details\": ", "\"likely_cause\": ", "\"constitution_violation\": ", "\"philosophy_violation\": ",
	             "\"action_required\": ", "\"saka_wallet_massive:7:");
}

static void test_saka_integrity__an_alert_goes_with_its_change(void **state)
{
	struct fixture *f = *state;
	struct act a = { .user = 1, .amount = 400 };

	add_wallet(f, 1, 100, 1);
	write_rows(f, "UPDATE core_sakawallet SET balance = 5000");
	for (int n = 1; n < 40; n++) {
		int r;

		fault_arm(FAULT_SQL_STEP, n, false);
		r = db_write(f->conn, do_adjust, &a);
		fault_disarm_all();
		assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakatransaction WHERE amount = 400"), r == 0);
		assert_int_equal(alerts(f), r == 0);
		if (r == 0)
			return;
	}
	fail();
}

static void test_saka_integrity__compost_and_redistribution_are_watched(void **state)
{
	struct fixture *f = *state;

	add_wallet(f, 1, 200000, 91);
	add_wallet(f, 2, 1000, 91);
	add_wallet(f, 3, 1000, 91);
	write_rows(f, "UPDATE core_sakawallet SET balance = 2000 WHERE user_id = 3");
	assert_int_equal(compost(f, &rules, false).total_composted, 20000 + 100 + 200);
	assert_int_equal(alerts(f), 2);
	ASSERT_ALERT(f, 1, MASSIVE, "\"user_id\": 1,", "\"old_balance\": 200000, \"new_balance\": 180000, \"delta\": -20000");
	ASSERT_ALERT(f, 0, BYPASS, "\"user_id\": 3,", "\"old_balance\": 800, \"new_balance\": 1800, \"delta\": 1000");
	assert_int_equal(share(f, &rules, 1).per_wallet, 6766);
	assert_int_equal(alerts(f), 3);
	ASSERT_ALERT(f, 0, BYPASS, "\"user_id\": 3,");
}

static void test_saka_integrity__the_sweep_finds_all_and_tells_so_many(void **state)
{
	struct fixture *f = *state;

	add_wallets(f, 1, 10400, 100, 1);
	write_rows(f, "UPDATE core_sakawallet SET balance = balance - 3 WHERE user_id = 4; UPDATE core_sakawallet SET total_planted = 3 "
	              "WHERE user_id = 5; UPDATE core_sakawallet SET balance = 101 WHERE user_id > 10380");
	assert_int_equal(sweep(f).breaches, 22);
	assert_int_equal(alerts(f), 22);
	ASSERT_ALERT(f, 21, BYPASS, "\"user_id\": 4,", "\"old_balance\": 100, \"new_balance\": 97, \"delta\": -3", "\"daily_check\"");
	ASSERT_ALERT(f, 20, BYPASS, "\"user_id\": 5,", "\"old_balance\": 97, \"new_balance\": 100, \"delta\": 3");
	write_rows(f, "DELETE FROM egoejo_outbox; UPDATE core_sakawallet SET balance = 101");
	assert_int_equal(sweep(f).breaches, 10400);
	assert_int_equal(alerts(f), SAKA_ALERTS_MAX);
}

static void test_saka_integrity__the_silo_is_looked_at_too(void **state)
{
	struct fixture *f = *state;

	fill_silo(f, 101, 100);
	assert_int_equal(sweep(f).breaches, 1);
	assert_int_equal(alerts(f), 1);
	ASSERT_ALERT(f, 0, BYPASS, "\"total_balance\": 101, \"total_composted\": 100", ", \"saka_silo_bypass\", ");
}

static bool at_once(void *arg)
{
	return true;
}

static void test_saka_integrity__a_sweep_can_be_stopped(void **state)
{
	struct fixture *f = *state;
	struct saka_sweep s = { 7, 7 };

	add_wallets(f, 1, 3, 100, 1);
	assert_ok(saka_sweep(f->conn, at_once, NULL, &s));
	assert_int_equal(s.wallets, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_saka_integrity__what_is_well_is_not_told),
		CASE(test_saka_integrity__a_balance_changed_past_us_is_told_at_the_next_change),
		CASE(test_saka_integrity__a_massive_change_is_told),
		CASE(test_saka_integrity__an_alert_goes_with_its_change),
		CASE(test_saka_integrity__compost_and_redistribution_are_watched),
		CASE(test_saka_integrity__the_sweep_finds_all_and_tells_so_many),
		CASE(test_saka_integrity__the_silo_is_looked_at_too),
		CASE(test_saka_integrity__a_sweep_can_be_stopped),
	};

	return RUN_ON_BOTH(tests);
}
