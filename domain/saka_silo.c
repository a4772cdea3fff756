/*
 * Many wallets change by statements over ranges of ids: in memory nothing grows with them, and none of the statements comes near
 * the time limit of one. The wallets stay still meanwhile, so that what was counted is what is changed.
 */
#include "domain/saka_silo.h"

#include <math.h>

#include "base/clock.h"
#include "domain/saka_impl.h"
#include "domain/saka_integrity.h"

/* ---- the silo ---- */

static const struct db_column silo_columns[] = {
	DB_COLUMN(struct saka_silo, total_balance, INT, "total_balance"),
	DB_COLUMN(struct saka_silo, total_composted, INT, "total_composted"),
	DB_COLUMN(struct saka_silo, total_cycles, INT, "total_cycles"),
	DB_COLUMN(struct saka_silo, last_compost_at, TIME, "last_compost_at"),
};
static const struct db_row silo_row = DB_ROW(struct saka_silo, silo_columns);

#define SELECT_SILO "SELECT $cols FROM core_sakasilo WHERE id = 1"

int saka_silo_find(struct db_conn *db, struct saka_silo *ret_silo)
{
	static const struct db_statement find = { SELECT_SILO, &silo_row };

	return db_select_one(db, &find, DB_NO_PARAMS, NULL, ret_silo);
}

bool saka_silo_is_sane(const struct saka_silo *s)
{
	return s->total_balance >= 0 && s->total_balance <= s->total_composted && s->total_cycles >= 0;
}

static int lock_silo(struct db_conn *db, struct instant now, struct saka_silo *ret_silo)
{
	static const struct db_statement lock = { .row = &silo_row, .sqlite = SELECT_SILO, .postgresql = SELECT_SILO " FOR UPDATE" };
	static const struct db_statement insert = { "INSERT INTO core_sakasilo (id, total_balance, total_composted, total_cycles, "
		                                    "created_at, updated_at) VALUES (1, 0, 0, 0, $1, $1) ON CONFLICT (id) DO NOTHING" };
	int r = db_select_one(db, &lock, DB_NO_PARAMS, NULL, ret_silo);

	if (r != ERR_NOT_FOUND)
		return r;
	r = db_execute(db, &insert, DB_PARAMS(DB_TIME(now)), NULL);
	return r < 0 ? r : db_select_one(db, &lock, DB_NO_PARAMS, NULL, ret_silo);
}

int saka_silo_hold(struct db_conn *db, struct instant now, struct saka_silo *ret_silo)
{
	/* Each row could be locked as it comes; but then whoever harvests meanwhile would disturb the whole, which begins anew. */
	static const struct db_statement still = { "LOCK TABLE core_sakawallet IN EXCLUSIVE MODE" };
	int r = lock_silo(db, now, ret_silo);

	if (r < 0 || db_engine(db_of(db)) == DB_SQLITE) /* it has one writer */
		return r;
	return db_execute(db, &still, DB_NO_PARAMS, NULL);
}

/* ---- all wallets, part by part ---- */

int saka_next_part(struct db_conn *db, struct saka_part *part)
{
	static const char next[] =
	        "SELECT COALESCE(MAX(id), 0) FROM (SELECT id FROM core_sakawallet WHERE id > $1 ORDER BY id LIMIT 5000) AS part";
	int64_t last;
	int r = db_select_int(db, next, DB_PARAMS(DB_INT(part->last)), &last);

	if (r < 0 || last == 0)
		return r;
	*part = (struct saka_part){ part->last, last };
	return 1;
}

int saka_change(struct db_conn *db, const struct db_statement *change, const struct db_param *params, size_t n, int64_t wallets)
{
	int64_t changed;
	int r = db_execute(db, change, params, n, &changed);

	if (r < 0)
		return r;
	return changed == wallets ? 0 : ERR_INTERNAL;
}

/* ---- sharing ---- */

struct crowd {
	int64_t wallets, richest; /* richest: the most that one of them has harvested */
};

static int count_eligible(struct db_conn *db, int64_t activity, struct crowd *ret_crowd)
{
	static const struct db_column columns[] = { DB_COLUMN(struct crowd, wallets, INT, "COUNT(*)"),
		                                    DB_COLUMN(struct crowd, richest, INT, "COALESCE(MAX(total_harvested), 0)") };
	static const struct db_row row = DB_ROW(struct crowd, columns);
	static const struct db_statement count = { "SELECT $cols FROM core_sakawallet WHERE total_harvested >= $1", &row };

	return db_select_one(db, &count, DB_PARAMS(DB_INT(activity)), NULL, ret_crowd);
}

#define ELIGIBLE "id > $1 AND id <= $2 AND total_harvested >= $3"

static int credit_part(struct db_conn *db, const struct saka_part *part, int64_t activity, int64_t each, struct instant now,
                       int64_t *credited)
{
	static const char count[] = "SELECT COUNT(*) FROM core_sakawallet WHERE " ELIGIBLE;
	static const struct db_statement note = {
		"INSERT INTO core_sakatransaction (direction, amount, reason, metadata, created_at, user_id, transaction_type) SELECT "
		"'EARN', "
		"$4, 'silo_redistribution', '{}', $5, user_id, 'REDISTRIBUTION' FROM core_sakawallet WHERE " ELIGIBLE " ORDER BY id"
	};
	static const struct db_statement credit = {
		"UPDATE core_sakawallet SET balance = balance + $4, total_harvested = total_harvested + "
		"$4, updated_at = $5 WHERE " ELIGIBLE
	};
	const struct db_param params[] = { DB_INT(part->after), DB_INT(part->last), DB_INT(activity), DB_INT(each), DB_TIME(now) };
	int64_t wallets = 0;
	int r = db_select_int(db, count, params, 3, &wallets);

	if (r == 0)
		r = saka_change(db, &note, params, N_ELEMENTS(params), wallets);
	if (r == 0)
		r = saka_change(db, &credit, params, N_ELEMENTS(params), wallets);
	*credited += wallets;
	return r;
}

/* As many as were counted, or nothing is done. */
static int credit_all(struct db_conn *db, int64_t activity, const struct saka_share *share, struct instant now)
{
	struct saka_part part = SAKA_FIRST_PART;
	struct saka_watching watching;
	int64_t credited = 0;
	int r = saka_watch_begin(db, &watching);

	if (r < 0)
		return r;
	while ((r = saka_next_part(db, &part)) == 1) {
		r = credit_part(db, &part, activity, share->per_wallet, now, &credited);
		if (r == 0)
			r = saka_watch_part(db, &watching);
		if (r < 0)
			return r;
	}
	return r == 0 && credited != share->eligible_wallets ? ERR_INTERNAL : r;
}

static int debit_silo(struct db_conn *db, int64_t amount, struct instant now)
{
	static const struct db_statement debit = {
		"UPDATE core_sakasilo SET total_balance = total_balance - $1, updated_at = $2 WHERE id = 1 AND total_balance >= $1"
	};

	return saka_change(db, &debit, DB_PARAMS(DB_INT(amount), DB_TIME(now)), 1);
}

/* What each of them gets, or why nobody gets anything. */
static enum saka_share_outcome divide(struct saka_share *s, double rate, int64_t wallets)
{
	int64_t part = (int64_t)floor((double)s->total_before * rate);

	s->eligible_wallets = wallets;
	if (part <= 0)
		return SAKA_SHARE_TOO_SMALL;
	if (wallets == 0)
		return SAKA_SHARE_NO_WALLETS;
	s->per_wallet = part / wallets;
	if (s->per_wallet == 0)
		return SAKA_SHARE_TOO_LITTLE;
	s->redistributed = s->per_wallet * wallets;
	s->total_after = s->total_before - s->redistributed;
	return SAKA_SHARED;
}

static int share_held(struct db_conn *db, int64_t activity, double rate, struct saka_share *s)
{
	struct instant now = clock_now();
	struct saka_silo silo;
	struct crowd crowd;
	int r = saka_silo_hold(db, now, &silo);

	if (r < 0)
		return r;
	s->total_before = silo.total_balance;
	s->outcome = SAKA_SHARE_NOTHING;
	if (silo.total_balance <= 0 || rate <= 0)
		return 0;
	r = count_eligible(db, activity, &crowd);
	if (r < 0)
		return r;
	s->outcome = divide(s, rate, crowd.wallets);
	if (s->outcome != SAKA_SHARED)
		return 0;
	if (crowd.richest > SAKA_COUNT_MAX - s->per_wallet)
		return ERR_LIMIT;
	r = credit_all(db, activity, s, now);
	return r < 0 ? r : debit_silo(db, s->redistributed, now);
}

int saka_silo_share(struct db_conn *db, const struct settings *settings, double rate, struct saka_share *ret_share)
{
	struct saka_share share = { .outcome = SAKA_SHARE_DISABLED };
	int r = 0;

	if (!(rate <= 1))
		return ERR_INVALID;
	if (settings->saka_silo_redis_enabled)
		r = share_held(db, settings->saka_silo_redis_min_wallet_activity, rate, &share);
	if (r == 0)
		*ret_share = share;
	return r;
}

const char *saka_share_reason(enum saka_share_outcome outcome)
{
	static const char *const reasons[] = {
		[SAKA_SHARE_DISABLED] = "redistribution_disabled",    [SAKA_SHARE_NOTHING] = "nothing_to_redistribute",
		[SAKA_SHARE_TOO_SMALL] = "too_small_to_redistribute", [SAKA_SHARE_NO_WALLETS] = "no_eligible_wallets",
		[SAKA_SHARE_TOO_LITTLE] = "insufficient_per_wallet",
	};

	return reasons[outcome];
}
