/*
 * The common silo: where composted grains lie, and the sharing out of them. Source: saka.md 1 (core_sakasilo), 2, 6; tasks.md 1.
 *
 * INVARIANTS: 0 <= total_balance <= total_composted; sharing keeps the sum of all wallets and the silo; each wallet that gets
 * something gets a row of the same amount. What does not divide stays in the silo.
 */
#ifndef DOMAIN_SAKA_SILO_H
#define DOMAIN_SAKA_SILO_H

#include "base/settings.h"
#include "db/db.h"

struct saka_silo {
	int64_t total_balance;          /* lies there now */
	int64_t total_composted;        /* has ever come in */
	int64_t total_cycles;           /* compost cycles that brought something */
	struct instant last_compost_at; /* may be null */
};

/* Reads the silo; ERR_NOT_FOUND while there is none. On any connection, errors of db_select. */
int saka_silo_find(struct db_conn *, struct saka_silo *ret_silo);

/* Whether its invariants hold. */
bool saka_silo_is_sane(const struct saka_silo *);

enum saka_share_outcome {
	SAKA_SHARED,
	SAKA_SHARE_DISABLED,   /* SAKA_SILO_REDIS_ENABLED is off */
	SAKA_SHARE_NOTHING,    /* the silo is empty, or the rate is 0 or less */
	SAKA_SHARE_TOO_SMALL,  /* the rate leaves less than one grain */
	SAKA_SHARE_NO_WALLETS, /* nobody has harvested enough */
	SAKA_SHARE_TOO_LITTLE, /* less than one grain each */
};

struct saka_share {
	enum saka_share_outcome outcome;
	int64_t total_before, total_after; /* of the silo; after and the rest mean something only when SAKA_SHARED … */
	int64_t redistributed, per_wallet;
	int64_t eligible_wallets; /* … but this when SAKA_SHARE_TOO_LITTLE too */
};

/*
 * In a closure: shares the part `rate` of the silo equally between all wallets that have harvested at least
 * SAKA_SILO_REDIS_MIN_WALLET_ACTIVITY. Being given grains is no activity: the wallet's last_activity_date stays. ERR_INVALID: the
 * rate is above 1 or no number; ERR_LIMIT: a wallet would outgrow its 32 bits; errors of db_execute. Nobody else changes wallets
 * or the silo until the commit.
 */
int saka_silo_share(struct db_conn *, const struct settings *, double rate, struct saka_share *ret_share);

/* Why nothing was shared, as clients know it ("no_eligible_wallets"); static, NULL when something was. */
const char *saka_share_reason(enum saka_share_outcome);

#endif
