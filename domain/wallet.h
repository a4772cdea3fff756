/*
 * Euro wallets and their pockets. Source: finance.md 1, 2; database.md finance_userwallet, finance_walletpocket. Nothing
 * here knows of SAKA, and no query or transaction touches both.
 */
#ifndef DOMAIN_WALLET_H
#define DOMAIN_WALLET_H

#include "db/db.h"

struct wallet {
	int64_t id;
	struct decimal balance;
};

struct pocket {
	int64_t id;
	struct str name, type; /* DONATION or INVESTMENT_RESERVE */
	struct decimal amount; /* what is in it now */
};

/* Reads a wallet; ERR_NOT_FOUND when the user has none yet. Errors of db_select. */
int wallet_find(struct db_conn *, int64_t user_id, struct wallet *ret_wallet);

/* In a closure: the user's wallet, locked; made empty when missing. ERR_CONFLICT at the commit: no such user. */
int wallet_ensure(struct db_conn *, int64_t user_id, struct wallet *ret_wallet);

/* The pockets of a wallet, newest first. */
int wallet_pockets(struct db_conn *, struct arena *, int64_t wallet_id, struct db_rows *ret_pockets);

#endif
