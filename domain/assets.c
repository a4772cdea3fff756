#include "domain/assets.h"

#include <math.h>

#include "domain/saka.h"
#include "domain/wallet.h"

/* ---- wallets, made when they are missing ---- */

struct euro_making {
	int64_t user_id;
	struct wallet wallet;
};

static int make_euro_wallet(struct db_conn *db, void *arg)
{
	struct euro_making *making = arg;

	return wallet_ensure(db, making->user_id, &making->wallet);
}

static int read_euros(struct db_conn *db, struct arena *arena, int64_t user_id, struct assets *a)
{
	struct euro_making making = { .user_id = user_id };
	int r = wallet_find(db, user_id, &making.wallet);

	if (r == ERR_NOT_FOUND)
		r = db_write(db, make_euro_wallet, &making);
	if (r < 0)
		return r;
	a->cash_balance = making.wallet.balance;
	return wallet_pockets(db, arena, making.wallet.id, &a->pockets);
}

struct saka_making {
	int64_t user_id;
	struct saka_wallet wallet;
};

static int make_saka_wallet(struct db_conn *db, void *arg)
{
	struct saka_making *making = arg;

	return saka_wallet_ensure(db, making->user_id, &making->wallet);
}

static int read_grains(struct db_conn *db, int64_t user_id, struct assets *a)
{
	struct saka_making making = { .user_id = user_id };
	int r = saka_wallet_find(db, user_id, &making.wallet);

	if (r == ERR_NOT_FOUND)
		r = db_write(db, make_saka_wallet, &making);
	if (r < 0)
		return r;
	a->saka_balance = making.wallet.balance;
	a->saka_harvested = making.wallet.total_harvested;
	a->saka_planted = making.wallet.total_planted;
	a->saka_composted = making.wallet.total_composted;
	return 0;
}

/* ---- gifts ---- */

struct gifts {
	struct decimal pledged; /* null: none */
	double contributed;     /* euros; null: none */
	int64_t projects;
};

static const struct db_column gift_columns[] = {
	DB_COLUMN(struct gifts, pledged, DECIMAL,
	          "(SELECT SUM(t.amount) FROM finance_wallettransaction t JOIN finance_userwallet w ON w.id = t.wallet_id WHERE w.user_id "
	          "= $1 "
	          "AND t.transaction_type = 'PLEDGE_DONATION')"),
	DB_COLUMN(struct gifts, contributed, FLOAT,
	          "(SELECT SUM(k.montant) FROM core_contribution k WHERE k.user_id = $1 AND k.montant BETWEEN -1e12 AND 1e12)"),
	DB_COLUMN(struct gifts, projects, INT,
	          "(SELECT COUNT(DISTINCT c.projet_id) FROM core_contribution k JOIN core_cagnotte c ON c.id = k.cagnotte_id WHERE "
	          "k.user_id = $1)"),
};
static const struct db_row gift_row = DB_ROW(struct gifts, gift_columns);

/* A tenth, rounded half to even. */
static int64_t tenth(int64_t cents)
{
	int64_t whole = cents / 10, rest = cents % 10;

	if (rest > 5 || (rest == 5 && whole % 2))
		return whole + 1;
	return rest < -5 || (rest == -5 && whole % 2) ? whole - 1 : whole;
}

static int read_gifts(struct db_conn *db, struct arena *arena, int64_t user_id, struct assets *a)
{
	static const struct db_statement select = { "SELECT $cols", &gift_row };
	struct gifts gifts;
	int r = db_select_one(db, &select, DB_PARAMS(DB_INT(user_id)), arena, &gifts);

	if (r < 0)
		return r;
	if (gifts.pledged.cents != NULL_DECIMAL.cents)
		a->donated.cents += gifts.pledged.cents;
	if (!isnan(gifts.contributed))
		a->donated.cents += llround(gifts.contributed * 100);
	a->dividend.cents = tenth(a->donated.cents);
	a->projects = gifts.projects;
	return 0;
}

/* ---- shares ---- */

static const struct db_column position_columns[] = {
	DB_COLUMN(struct position, project_id, INT, "p.id"),
	DB_COLUMN(struct position, project_title, TEXT, "p.titre"),
	DB_COLUMN(struct position, shares, INT, "s.number_of_shares"),
	DB_COLUMN(struct position, valuation, DECIMAL, "s.amount_invested"),
};
static const struct db_row position_row = DB_ROW(struct position, position_columns);

static int read_shares(struct db_conn *db, struct arena *arena, int64_t user_id, struct assets *a)
{
	static const struct db_statement select = { "SELECT $cols FROM investment_shareholderregister s JOIN core_projet p ON p.id = "
		                                    "s.project_id WHERE s.investor_id = $1 ORDER BY "
		                                    "s.id",
		                                    &position_row };
	int r = db_select(db, &select, DB_PARAMS(DB_INT(user_id)), arena, &a->positions);
	const struct position *positions = a->positions.items;

	for (size_t i = 0; r == 0 && i < a->positions.n; i++)
		a->portfolio.cents += positions[i].valuation.cents;
	return r;
}

int assets_read(struct db_conn *db, struct arena *arena, const struct settings *settings, int64_t user_id, struct assets *ret_assets)
{
	struct assets a = { .invests = settings->enable_investment };
	int r = read_euros(db, arena, user_id, &a);

	if (r == 0)
		r = read_gifts(db, arena, user_id, &a);
	if (r == 0 && a.invests)
		r = read_shares(db, arena, user_id, &a);
	if (r == 0 && settings->enable_saka)
		r = read_grains(db, user_id, &a);
	if (r == 0)
		*ret_assets = a;
	return r;
}
