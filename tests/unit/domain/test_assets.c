#include "domain/assets.h"

#include "tests/unit/domain/writing.h"

static struct assets read_assets(struct fixture *f, const struct settings *settings, int64_t user)
{
	struct assets a = { .projects = -1 };

	assert_ok(assets_read(f->conn, &f->arena, settings, user, &a));
	return a;
}

static void test_assets__of_a_newcomer_are_nothing(void **state)
{
	static const struct settings on = { .enable_saka = true };
	struct fixture *f = *state;
	struct assets a;

	add_account(f, 1);
	a = read_assets(f, &on, 1);
	assert_true(a.cash_balance.cents == 0 && a.donated.cents == 0 && a.dividend.cents == 0 && a.portfolio.cents == 0);
	assert_true(a.projects == 0 && a.pockets.n == 0 && a.positions.n == 0 && a.saka_balance == 0);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM core_sakawallet"), 1);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM finance_userwallet"), 1);
}

static void test_assets__no_grains_while_saka_is_off(void **state)
{
	static const struct settings off = { .enable_saka = false };
	struct fixture *f = *state;

	add_account(f, 1);
	add_account(f, 2);
	add_saka(f, 2, 50);
	assert_int_equal(read_assets(f, &off, 1).saka_balance, 0);
	assert_int_equal(read_assets(f, &off, 2).saka_balance, 0);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM core_sakawallet"), 1);
}

/* A tenth, half to even: the cents of one contribution, and those of the dividend. */
static void test_assets__the_dividend_is_rounded_half_to_even(void **state)
{
	static const struct {
		int cents, tenth;
	} table[] = { { 4, 0 },      { 5, 0 },      { 6, 1 },    { 15, 2 },   { 25, 2 },  { 35, 4 },
		      { 1045, 104 }, { 1055, 106 }, { -15, -2 }, { -25, -2 }, { -26, -3 } };
	static const struct settings off = { .enable_saka = false };
	struct fixture *f = *state;

	for (size_t i = 0; i < N_ELEMENTS(table); i++) {
		struct assets a;
		char sql[400];

		write_rows(f, empty_all_tables);
		add_account(f, 1);
		snprintf(sql, sizeof(sql),
		         "INSERT INTO core_cagnotte (id, titre, description, montant_cible, montant_collecte, created_at) VALUES "
		         "(1, 'a', '', 1, 0, '2026-01-05 00:00:00');"
		         "INSERT INTO core_contribution (montant, created_at, cagnotte_id, user_id) VALUES (%d * 0.01, '2026-01-05 "
		         "00:00:00', 1, 1)",
		         table[i].cents);
		write_rows(f, sql);
		a = read_assets(f, &off, 1);
		assert_int_equal(a.donated.cents, table[i].cents);
		assert_int_equal(a.dividend.cents, table[i].tenth);
	}
}

static void test_assets__shares_only_where_investing_is_on(void **state)
{
	static const struct settings on = { .enable_investment = true }, off = { .enable_investment = false };
	struct fixture *f = *state;
	struct position *positions;
	struct assets a;

	add_account(f, 1);
	write_rows(f,
	           "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
	           "saka_supporters_count, active_oracles) VALUES (5, 'Moulin', '', '2026-01-05 00:00:00', 0, 'EQUITY', 0, 0, 0, '[]'), "
	           "(6, 'Four', '', '2026-01-05 00:00:00', 0, 'EQUITY', 0, 0, 0, '[]');"
	           "INSERT INTO investment_shareholderregister (number_of_shares, amount_invested, is_signed, created_at, updated_at, "
	           "investor_id, project_id) VALUES (3, 150.25, true, '2026-01-01 00:00:00', '2026-01-01 00:00:00', 1, 5), "
	           "(1, 9.5, true, '2026-01-01 00:00:00', '2026-01-01 00:00:00', 1, 6)");
	a = read_assets(f, &on, 1);
	assert_int_equal(a.positions.n, 2);
	positions = a.positions.items;
	assert_text(positions[0].project_title, "Moulin");
	assert_true(positions[0].shares == 3 && positions[0].valuation.cents == 15025 && positions[0].project_id == 5);
	assert_int_equal(a.portfolio.cents, 15975);
	assert_int_equal(read_assets(f, &off, 1).positions.n, 0);
}

static void test_assets__failures_are_told(void **state)
{
	static const struct settings on = { .enable_saka = true, .enable_investment = true };
	struct fixture *f = *state;
	struct assets a = { .projects = 77 };
	int failures = 0;

	add_account(f, 1);
	for (int n = 1;; n++, failures++) {
		int r;

		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = assets_read(f->conn, &f->arena, &on, 1, &a);
		fault_disarm_all();
		if (r == 0)
			break;
		assert_int_equal(a.projects, 77);
	}
	assert_true(failures >= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_assets__of_a_newcomer_are_nothing),
		CASE(test_assets__no_grains_while_saka_is_off),
		CASE(test_assets__the_dividend_is_rounded_half_to_even),
		CASE(test_assets__shares_only_where_investing_is_on),
		CASE(test_assets__failures_are_told),
	};

	return RUN_ON_BOTH(tests);
}
