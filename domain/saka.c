/*
 * What a reason is worth and how often is the table `rules`. A change is: lock (or make) the wallet, count what limits
 * it, update the wallet, append the row. Both updates say again what must hold, so a mistake of a caller is a broken
 * constraint and never a negative balance.
 */
#include "domain/saka.h"

#include "base/clock.h"
#include "domain/saka_integrity.h"

#define DAY_US    (24 * 3600 * US_PER_S)
#define COUNT_MAX INT32_MAX /* of the columns of a wallet */

static const struct saka_rule {
	const char *reason, *direction, *type;
	int64_t amount;  /* NULL_INT: given by the caller */
	int64_t per_day; /* rows of one user and UTC day; 0: not counted */
} rules[SAKA_REASONS] = {
	[SAKA_CONTENT_READ] = { "content_read", "EARN", "HARVEST", 10, 3 },
	[SAKA_POLL_VOTE] = { "poll_vote", "EARN", "HARVEST", 5, 10 },
	[SAKA_INVITE_ACCEPTED] = { "invite_accepted", "EARN", "HARVEST", 50, 5 },
	[SAKA_INVEST_BONUS] = { "invest_bonus", "EARN", "HARVEST", 100, 1 },
	[SAKA_MANUAL_ADJUST] = { "manual_adjust", "EARN", "HARVEST", NULL_INT, 0 },
	[SAKA_PROJECT_BOOST] = { "project_boost", "SPEND", "SPEND", NULL_INT, 0 },
	[SAKA_POLL_BOOST] = { "poll_boost", "SPEND", "SPEND", NULL_INT, 0 },
	[SAKA_COMPOST] = { "compost", "SPEND", "COMPOST", NULL_INT, 0 },
	[SAKA_SILO_REDISTRIBUTION] = { "silo_redistribution", "EARN", "REDISTRIBUTION", NULL_INT, 0 },
};

static const struct db_column wallet_columns[] = {
	DB_COLUMN(struct saka_wallet, id, INT, "id"),
	DB_COLUMN(struct saka_wallet, balance, INT, "balance"),
	DB_COLUMN(struct saka_wallet, total_harvested, INT, "total_harvested"),
	DB_COLUMN(struct saka_wallet, total_planted, INT, "total_planted"),
	DB_COLUMN(struct saka_wallet, total_composted, INT, "total_composted"),
	DB_COLUMN(struct saka_wallet, last_activity_date, TIME, "last_activity_date"),
};
static const struct db_row wallet_row = DB_ROW(struct saka_wallet, wallet_columns);

#define SELECT_WALLET "SELECT $cols FROM core_sakawallet WHERE user_id = $1"

int saka_wallet_find(struct db_conn *db, int64_t user_id, struct saka_wallet *ret_wallet)
{
	static const struct db_statement by_user = { SELECT_WALLET, &wallet_row };

	return db_select_one(db, &by_user, DB_PARAMS(DB_INT(user_id)), NULL, ret_wallet);
}

int saka_wallet_ensure(struct db_conn *db, int64_t user_id, struct saka_wallet *ret_wallet)
{
	static const struct db_statement lock = { .row = &wallet_row, .sqlite = SELECT_WALLET, .postgresql = SELECT_WALLET " FOR UPDATE" };
	static const struct db_statement insert = {
		.sql = "INSERT INTO core_sakawallet (balance, total_harvested, total_planted, total_composted, last_activity_date, "
		       "updated_at, created_at, user_id) VALUES (0, 0, 0, 0, NULL, $2, $2, $1) ON CONFLICT (user_id) DO NOTHING"
	};
	int r = db_select_one(db, &lock, DB_PARAMS(DB_INT(user_id)), NULL, ret_wallet);

	if (r != ERR_NOT_FOUND)
		return r;
	r = db_execute(db, &insert, DB_PARAMS(DB_INT(user_id), DB_TIME(clock_now())), NULL);
	return r < 0 ? r : db_select_one(db, &lock, DB_PARAMS(DB_INT(user_id)), NULL, ret_wallet);
}

bool saka_wallet_is_sane(const struct saka_wallet *w)
{
	return w->balance >= 0 && w->total_harvested >= 0 && w->total_planted >= 0 && w->total_composted >= 0 &&
	       w->balance == w->total_harvested - w->total_planted - w->total_composted;
}

static bool is_type(enum saka_reason reason, const char *type)
{
	return (unsigned)reason < SAKA_REASONS && strcmp(rules[reason].type, type) == 0;
}

/* The row that goes with a change of a wallet; metadata absent = {}. */
static int append(struct db_conn *db, int64_t user_id, enum saka_reason reason, int64_t amount, struct json_text metadata,
                  struct instant now, int64_t *ret_id)
{
	static const char insert[] = "INSERT INTO core_sakatransaction (direction, amount, reason, metadata, created_at, user_id, "
	                             "transaction_type) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id";
	const struct saka_rule *rule = &rules[reason];

	if (!metadata.text.s)
		metadata.text = (struct str)STR("{}");
	return db_select_int(db, insert,
	                     DB_PARAMS(DB_TEXT(str_of(rule->direction)), DB_INT(amount), DB_TEXT(str_of(rule->reason)), DB_JSON(metadata),
	                               DB_TIME(now), DB_INT(user_id), DB_TEXT(str_of(rule->type))),
	                     ret_id);
}

/* ---- harvest ---- */

static struct instant midnight_before(struct instant t)
{
	return (struct instant){ t.us - t.us % DAY_US };
}

static int count_today(struct db_conn *db, int64_t user_id, enum saka_reason reason, struct instant now, int64_t *ret_count)
{
	static const char count[] = "SELECT COUNT(*) FROM core_sakatransaction WHERE user_id = $1 AND direction = 'EARN' AND reason = $2 "
	                            "AND created_at >= $3 AND created_at < $4";
	struct instant from = midnight_before(now), to = { from.us + DAY_US };

	return db_select_int(db, count, DB_PARAMS(DB_INT(user_id), DB_TEXT(str_of(rules[reason].reason)), DB_TIME(from), DB_TIME(to)),
	                     ret_count);
}

/* The limits of what is credited by hand: refused, not ignored. */
static int check_manual(struct db_conn *db, int64_t user_id, int64_t amount, struct instant now)
{
	static const char sum[] = "SELECT CAST(COALESCE(SUM(amount), 0) AS bigint) FROM core_sakatransaction WHERE user_id = $1 "
	                          "AND direction = 'EARN' AND reason = 'manual_adjust' AND created_at > $2";
	int64_t given;
	int r;

	if (amount > SAKA_MANUAL_MAX)
		return ERR_INVALID;
	r = db_select_int(db, sum, DB_PARAMS(DB_INT(user_id), DB_TIME(((struct instant){ now.us - DAY_US }))), &given);
	if (r < 0)
		return r;
	return given + amount > SAKA_MANUAL_DAILY_MAX ? ERR_FORBIDDEN : 0;
}

/* Under the wallet's lock: whether the reason still earns today. */
static int check_limits(struct db_conn *db, int64_t user_id, enum saka_reason reason, int64_t amount, struct instant now, bool *ret_earns)
{
	int64_t today;
	int r;

	*ret_earns = true;
	if (reason == SAKA_MANUAL_ADJUST)
		return check_manual(db, user_id, amount, now);
	r = count_today(db, user_id, reason, now, &today);
	*ret_earns = r == 0 && today < rules[reason].per_day;
	return r;
}

static int credit(struct db_conn *db, int64_t user_id, int64_t amount, struct instant now, struct saka_wallet *ret_after)
{
	static const struct db_statement update = {
		"UPDATE core_sakawallet SET balance = balance + $2, total_harvested = total_harvested + $2, last_activity_date = $3, "
		"updated_at = $3 WHERE user_id = $1 RETURNING $cols",
		&wallet_row
	};

	return db_select_one(db, &update, DB_PARAMS(DB_INT(user_id), DB_INT(amount), DB_TIME(now)), NULL, ret_after);
}

int saka_harvest(struct db_conn *db, const struct settings *settings, int64_t user_id, enum saka_reason reason, int64_t amount,
                 struct json_text metadata, int64_t *ret_id)
{
	struct instant now = clock_now();
	struct saka_wallet wallet;
	bool earns = false;
	int r;

	if (!is_type(reason, "HARVEST"))
		return ERR_INTERNAL;
	*ret_id = NULL_INT;
	if (reason != SAKA_MANUAL_ADJUST)
		amount = rules[reason].amount;
	if (!settings->enable_saka || user_id == NULL_INT || amount <= 0)
		return 0;
	r = saka_wallet_ensure(db, user_id, &wallet);
	if (r == 0)
		r = check_limits(db, user_id, reason, amount, now, &earns);
	if (r < 0 || !earns)
		return r;
	if (wallet.total_harvested > COUNT_MAX - amount)
		return ERR_LIMIT;
	r = credit(db, user_id, amount, now, &wallet);
	if (r == 0)
		r = append(db, user_id, reason, amount, metadata, now, ret_id);
	return r < 0 ? r : saka_watch(db, user_id, &wallet, amount);
}

/* ---- spend ---- */

/* ERR_NOT_FOUND: the balance is too small, or there is no wallet. */
static int debit(struct db_conn *db, int64_t user_id, int64_t amount, struct instant now, struct saka_wallet *ret_after)
{
	static const struct db_statement update = {
		"UPDATE core_sakawallet SET balance = balance - $2, total_planted = total_planted + $2, last_activity_date = $3, "
		"updated_at = $3 WHERE user_id = $1 AND balance >= $2 RETURNING $cols",
		&wallet_row
	};

	return db_select_one(db, &update, DB_PARAMS(DB_INT(user_id), DB_INT(amount), DB_TIME(now)), NULL, ret_after);
}

int saka_spend(struct db_conn *db, const struct settings *settings, int64_t user_id, enum saka_reason reason, int64_t amount,
               struct json_text metadata, bool *ret_spent)
{
	struct instant now = clock_now();
	struct saka_wallet wallet;
	int64_t id;
	int r;

	if (!is_type(reason, "SPEND"))
		return ERR_INTERNAL;
	*ret_spent = false;
	if (!settings->enable_saka || user_id == NULL_INT || amount <= 0)
		return 0;
	r = debit(db, user_id, amount, now, &wallet);
	if (r == ERR_NOT_FOUND)
		return saka_wallet_ensure(db, user_id, &wallet);
	if (r == 0)
		r = append(db, user_id, reason, amount, metadata, now, &id);
	if (r == 0)
		r = saka_watch(db, user_id, &wallet, -amount);
	*ret_spent = r == 0;
	return r;
}

/* ---- history ---- */

static const struct db_column transaction_columns[] = {
	DB_COLUMN(struct saka_transaction, id, INT, "id"),
	DB_COLUMN(struct saka_transaction, amount, INT, "amount"),
	DB_COLUMN(struct saka_transaction, direction, TEXT, "direction"),
	DB_COLUMN(struct saka_transaction, reason, TEXT, "reason"),
	DB_COLUMN(struct saka_transaction, metadata, JSON, "metadata"),
	DB_COLUMN(struct saka_transaction, created_at, TIME, "created_at"),
};
static const struct db_row transaction_row = DB_ROW(struct saka_transaction, transaction_columns);

#define OF_USER "FROM core_sakatransaction WHERE user_id = $1 AND ($2 IS NULL OR direction = $2)"

int saka_transaction_count(struct db_conn *db, int64_t user_id, struct str direction, int64_t *ret_count)
{
	return db_select_int(db, "SELECT COUNT(*) " OF_USER, DB_PARAMS(DB_INT(user_id), DB_TEXT(direction)), ret_count);
}

int saka_transaction_list(struct db_conn *db, struct arena *arena, int64_t user_id, struct str direction, int64_t limit, int64_t offset,
                          struct db_rows *ret_transactions)
{
	static const struct db_statement newest = { "SELECT $cols " OF_USER " ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4",
		                                    &transaction_row };

	return db_select(db, &newest, DB_PARAMS(DB_INT(user_id), DB_TEXT(direction), DB_INT(limit), DB_INT(offset)), arena,
	                 ret_transactions);
}
