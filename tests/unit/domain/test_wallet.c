#include "domain/wallet.h"

#include "tests/unit/domain/writing.h"

struct making {
	int64_t user;
	struct wallet wallet;
};

static int do_ensure(struct db_conn *conn, void *arg)
{
	struct making *m = arg;

	return wallet_ensure(conn, m->user, &m->wallet);
}

static void test_wallet__is_made_once(void **state)
{
	struct making first = { .user = 1 }, second = { .user = 1 };
	struct fixture *f = *state;
	struct wallet found;

	add_account(f, 1);
	assert_int_equal(wallet_find(f->conn, 1, &found), ERR_NOT_FOUND);
	assert_ok(db_write(f->conn, do_ensure, &first));
	assert_int_equal(first.wallet.balance.cents, 0);
	write_rows(f, "UPDATE finance_userwallet SET balance = 250.25");
	assert_ok(db_write(f->conn, do_ensure, &second));
	assert_int_equal(second.wallet.id, first.wallet.id);
	assert_int_equal(second.wallet.balance.cents, 25025);
	assert_ok(wallet_find(f->conn, 1, &found));
	assert_int_equal(found.balance.cents, 25025);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM finance_userwallet"), 1);
}

static void test_wallet__nobody_has_none(void **state)
{
	struct making making = { .user = 7 };
	struct fixture *f = *state;

	assert_int_equal(db_write(f->conn, do_ensure, &making), ERR_CONFLICT);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM finance_userwallet"), 0);
}

static void test_wallet__its_pockets_newest_first(void **state)
{
	struct fixture *f = *state;
	struct pocket *pockets;
	struct db_rows rows;

	add_account(f, 1);
	write_rows(f,
	           "INSERT INTO finance_userwallet (id, balance, created_at, updated_at, user_id) VALUES (4, 0, '2026-01-01 00:00:00', "
	           "'2026-01-01 00:00:00', 1);"
	           "INSERT INTO finance_walletpocket (id, name, pocket_type, allocation_percentage, target_amount, current_amount, "
	           "created_at, "
	           "updated_at, wallet_id) VALUES (1, 'Dons', 'DONATION', 50, 0, 12.5, '2026-01-02 00:00:00', '2026-01-02 00:00:00', 4), "
	           "(2, 'Réserve', 'INVESTMENT_RESERVE', 0, 0, 0, '2026-01-03 00:00:00', '2026-01-03 00:00:00', 4)");
	assert_ok(wallet_pockets(f->conn, &f->arena, 4, &rows));
	assert_int_equal(rows.n, 2);
	pockets = rows.items;
	assert_text(pockets[0].name, "Réserve");
	assert_text(pockets[1].type, "DONATION");
	assert_int_equal(pockets[1].amount.cents, 1250);
	assert_ok(wallet_pockets(f->conn, &f->arena, 5, &rows));
	assert_int_equal(rows.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_wallet__is_made_once),
		CASE(test_wallet__nobody_has_none),
		CASE(test_wallet__its_pockets_newest_first),
	};

	return RUN_ON_BOTH(tests);
}
