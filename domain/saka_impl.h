/* What compost and silo share: the lock under which all wallets change together, and going through them in parts. */
#ifndef DOMAIN_SAKA_IMPL_H
#define DOMAIN_SAKA_IMPL_H

#include "domain/saka_silo.h"

#define SAKA_COUNT_MAX INT32_MAX /* of the columns of wallets, silo and logs */

/*
 * In a closure: the silo, made with zeros when it is missing, locked; and nobody else changes a wallet until the commit. Errors of
 * db_execute.
 */
int saka_silo_hold(struct db_conn *, struct instant now, struct saka_silo *ret_silo);

/* Wallets whose id is above `after` and at most `last`. */
struct saka_part {
	int64_t after, last;
};
#define SAKA_FIRST_PART ((struct saka_part){ 0, 0 })

/* The next part, so small that no statement over it takes long. 1: there is one; 0: that was all; or an error of db_select. */
int saka_next_part(struct db_conn *, struct saka_part *);

/* What a change of many wallets must do to as many rows as were counted; ERR_INTERNAL when it did not, else errors of db_execute. */
int saka_change(struct db_conn *, const struct db_statement *, const struct db_param *, size_t n, int64_t wallets);

/* Watching a change of many wallets: zeroed, then saka_watch_begin before it, saka_watch_part after each part of it. */
struct saka_watching {
	int64_t since;  /* the last row of core_sakatransaction that has been looked at */
	int64_t alerts; /* that may still be asked for */
};

/* In a closure; errors of db_select. */
int saka_watch_begin(struct db_conn *, struct saka_watching *);

/* In a closure: as saka_watch of each wallet that has got a row since. Errors of alert_ask and db_select. */
int saka_watch_part(struct db_conn *, struct saka_watching *);

#endif
