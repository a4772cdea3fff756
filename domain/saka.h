/*
 * SAKA grains: wallets, harvest, planting, and their history. Source: saka.md 1 to 4 and 7; database.md core_sakawallet,
 * core_sakatransaction. With saka_compost and saka_silo, which change many wallets at once, the only one that writes these two.
 *
 * INVARIANTS: nothing is ever negative; balance = total_harvested - total_planted - total_composted; each change of a
 * wallet and its row of the same amount are written in the same transaction. A row's direction and type are those of its
 * reason, so that no other pair can be stored. Grains never become euros, nor the other way round.
 *
 * What writes is called inside the caller's db_write closure, after the caller has locked what he locks (a project before
 * the wallet); the wallet row is locked before limits are counted, so nothing passes twice. Days are those of UTC.
 */
#ifndef DOMAIN_SAKA_H
#define DOMAIN_SAKA_H

#include "base/settings.h"
#include "db/db.h"

enum saka_reason {
	SAKA_CONTENT_READ,
	SAKA_POLL_VOTE,
	SAKA_INVITE_ACCEPTED,
	SAKA_INVEST_BONUS,
	SAKA_MANUAL_ADJUST,
	SAKA_PROJECT_BOOST,
	SAKA_POLL_BOOST,
	SAKA_COMPOST,
	SAKA_SILO_REDISTRIBUTION,
	SAKA_REASONS
};

#define SAKA_MANUAL_MAX       500  /* of one manual_adjust */
#define SAKA_MANUAL_DAILY_MAX 1000 /* of all in the last 24 hours */

struct saka_wallet {
	int64_t id;
	int64_t balance, total_harvested, total_planted, total_composted;
	struct instant last_activity_date; /* may be null */
};

struct saka_transaction {
	int64_t id, amount;
	struct str direction; /* EARN or SPEND */
	struct str reason;
	struct json_text metadata;
	struct instant created_at;
};

/* Reads a wallet; ERR_NOT_FOUND when the user has none yet. On any connection, errors of db_select. */
int saka_wallet_find(struct db_conn *, int64_t user_id, struct saka_wallet *ret_wallet);

/* In a closure: the user's wallet, locked; made with zeros when missing. ERR_CONFLICT at the commit: no such user. */
int saka_wallet_ensure(struct db_conn *, int64_t user_id, struct saka_wallet *ret_wallet);

/* Whether the invariants of a wallet hold. */
bool saka_wallet_is_sane(const struct saka_wallet *);

/*
 * In a closure: rewards an act with the amount of its reason. amount is NULL_INT, but for SAKA_MANUAL_ADJUST. *ret_id is
 * the transaction's id, or NULL_INT when it was ignored: SAKA is off, nobody is signed in (user_id NULL_INT), the amount
 * is not positive, or the reason's daily count is reached. Ignored is no error: the act itself succeeds.
 *
 * SAKA_MANUAL_ADJUST is refused beyond its limits: ERR_INVALID (one amount), ERR_FORBIDDEN (the day's sum). ERR_INTERNAL
 * for a reason that is no harvest, ERR_LIMIT when the wallet would outgrow its 32 bits; errors of db_execute.
 */
int saka_harvest(struct db_conn *, const struct settings *, int64_t user_id, enum saka_reason, int64_t amount, struct json_text metadata,
                 int64_t *ret_id);

/*
 * In a closure: plants grains, by one conditional update. *ret_spent is false, and nothing is written but a missing
 * wallet, when SAKA is off, nobody is signed in, the amount is not positive or above the balance. ERR_INTERNAL for a
 * reason that is no planting; errors of db_execute.
 */
int saka_spend(struct db_conn *, const struct settings *, int64_t user_id, enum saka_reason, int64_t amount, struct json_text metadata,
               bool *ret_spent);

/* The number of a user's transactions; direction absent = both, else exact. */
int saka_transaction_count(struct db_conn *, int64_t user_id, struct str direction, int64_t *ret_count);

/* A user's transactions, newest first. */
int saka_transaction_list(struct db_conn *, struct arena *, int64_t user_id, struct str direction, int64_t limit, int64_t offset,
                          struct db_rows *ret_transactions);

#endif
