/*
 * Sessions: pairs of tokens, given for a password and renewed by a refresh token that serves once. Source: accounts.md 1.3, 3.1,
 * 3.3, 10 D3, D4, D7. Functions run on the caller's connection; texts live in the arena.
 *
 * Each refresh token that is given has a row in token_blacklist_outstandingtoken; one that has been used or revoked has
 * another in token_blacklist_blacklistedtoken. That this row is unique decides who of two was first.
 */
#ifndef DOMAIN_SESSION_H
#define DOMAIN_SESSION_H

#include "base/settings.h"
#include "db/db.h"

struct session {
	struct str access, refresh; /* encoded tokens */
};

/*
 * Gives a pair to who has the name and the password, and notes when. Never on an http thread. ERR_FORBIDDEN, ERR_LIMIT and
 * the others of account_authenticate, of token_issue and of db_write.
 */
int session_open(struct db_conn *, const struct settings *, struct arena *, struct str username, struct str password,
                 struct session *ret_session);

/*
 * Uses up a refresh token and gives a new pair. ERR_FORBIDDEN: it is no valid refresh token now, has been used or revoked,
 * or its account is gone or inactive (it is used up then as well). Errors of token_issue and db_write.
 */
int session_renew(struct db_conn *, const struct settings *, struct arena *, struct str refresh, struct session *ret_session);

/* In a closure: no refresh token that an account has been given serves any more. Errors of db_execute. */
int session_revoke_all(struct db_conn *, int64_t user_id);

/* Deletes up to limit refresh tokens that ended before the time, used or not, in a transaction of its own; how many, or an error. */
int session_purge(struct db_conn *, struct instant before, int64_t limit);

#endif
