#include "domain/wallet.h"

#include "base/clock.h"

static const struct db_column wallet_columns[] = {
	DB_COLUMN(struct wallet, id, INT, "id"),
	DB_COLUMN(struct wallet, balance, DECIMAL, "balance"),
};
static const struct db_row wallet_row = DB_ROW(struct wallet, wallet_columns);

#define SELECT_WALLET "SELECT $cols FROM finance_userwallet WHERE user_id = $1"

int wallet_find(struct db_conn *db, int64_t user_id, struct wallet *ret_wallet)
{
	static const struct db_statement by_user = { SELECT_WALLET, &wallet_row };

	return db_select_one(db, &by_user, DB_PARAMS(DB_INT(user_id)), NULL, ret_wallet);
}

int wallet_ensure(struct db_conn *db, int64_t user_id, struct wallet *ret_wallet)
{
	static const struct db_statement lock = { .row = &wallet_row, .sqlite = SELECT_WALLET, .postgresql = SELECT_WALLET " FOR UPDATE" };
	static const struct db_statement insert = { "INSERT INTO finance_userwallet (balance, created_at, updated_at, user_id) VALUES "
		                                    "(0, $2, $2, $1) ON CONFLICT (user_id) DO NOTHING" };
	int r = db_select_one(db, &lock, DB_PARAMS(DB_INT(user_id)), NULL, ret_wallet);

	if (r != ERR_NOT_FOUND)
		return r;
	r = db_execute(db, &insert, DB_PARAMS(DB_INT(user_id), DB_TIME(clock_now())), NULL);
	return r < 0 ? r : db_select_one(db, &lock, DB_PARAMS(DB_INT(user_id)), NULL, ret_wallet);
}

int wallet_pockets(struct db_conn *db, struct arena *arena, int64_t wallet_id, struct db_rows *ret_pockets)
{
	static const struct db_column columns[] = {
		DB_COLUMN(struct pocket, id, INT, "id"),
		DB_COLUMN(struct pocket, name, TEXT, "name"),
		DB_COLUMN(struct pocket, type, TEXT, "pocket_type"),
		DB_COLUMN(struct pocket, amount, DECIMAL, "current_amount"),
	};
	static const struct db_row row = DB_ROW(struct pocket, columns);
	static const struct db_statement newest = {
		"SELECT $cols FROM finance_walletpocket WHERE wallet_id = $1 ORDER BY created_at DESC, id DESC", &row
	};

	return db_select(db, &newest, DB_PARAMS(DB_INT(wallet_id)), arena, ret_pockets);
}
