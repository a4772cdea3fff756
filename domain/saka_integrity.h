/*
 * Whether wallets and silo hold what they must: after each change, and once a day over all. What does not is told to those who run
 * the site (domain/alert.h); nothing is refused or mended. Source: saka.md 2, 8; tasks.md 4.
 *
 * A wallet is broken when one of its numbers is negative, or its balance is not what it harvested less what it planted and
 * composted: then somebody has changed it past this program. A massive change is one of more than SAKA_MASSIVE grains at once.
 */
#ifndef DOMAIN_SAKA_INTEGRITY_H
#define DOMAIN_SAKA_INTEGRITY_H

#include "domain/saka.h"

#define SAKA_MASSIVE    10000
#define SAKA_ALERTS_MAX 50 /* of one change of many wallets, or one sweep: what breaks all is told often enough */

/* In a closure, after a change of a wallet by delta grains: asks for the alerts that it deserves. Errors of alert_ask, db_select. */
int saka_watch(struct db_conn *, int64_t user_id, const struct saka_wallet *after, int64_t delta);

struct saka_sweep {
	int64_t wallets;  /* looked at */
	int64_t breaches; /* broken ones, and the silo if it is */
};

/*
 * Looks at all wallets and the silo, some at a time, each time in a transaction of its own; asks for alerts. stop(arg), when not
 * NULL, is asked between them: true ends the sweep early. Errors of db_write and db_select.
 */
int saka_sweep(struct db_conn *, bool (*stop)(void *arg), void *arg, struct saka_sweep *ret_sweep);

#endif
