/*
 * What somebody has here: euros, gifts, shares, and grains beside them. Source: projects.md 7 (global-assets).
 */
#ifndef DOMAIN_ASSETS_H
#define DOMAIN_ASSETS_H

#include "base/settings.h"
#include "db/db.h"

struct position {
	int64_t project_id;
	struct str project_title;
	int64_t shares;
	struct decimal valuation; /* what was invested */
};

struct assets {
	struct decimal cash_balance;
	struct db_rows pockets;                                             /* of struct pocket (domain/wallet.h), newest first */
	struct decimal donated;                                             /* pledges and contributions */
	int64_t projects;                                                   /* that the contributions went to */
	struct decimal dividend;                                            /* a tenth of what was donated, to the nearest even cent */
	bool invests;                                                       /* ENABLE_INVESTMENT_FEATURES */
	struct db_rows positions;                                           /* of struct position; none unless invests */
	struct decimal portfolio;                                           /* their sum */
	int64_t saka_balance, saka_harvested, saka_planted, saka_composted; /* 0 while SAKA is off */
};

/*
 * Reads them all. Wallets that are missing are made, each in a transaction of its own; so not inside a closure. Texts live
 * in the arena. Errors of db_select and db_write.
 */
int assets_read(struct db_conn *, struct arena *, const struct settings *, int64_t user_id, struct assets *ret_assets);

#endif
