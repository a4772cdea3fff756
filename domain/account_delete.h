/*
 * The end of an account, when its owner asks for it. Source: accounts.md 4.4, 10 D8, D9; database.md, "on delete".
 */
#ifndef DOMAIN_ACCOUNT_DELETE_H
#define DOMAIN_ACCOUNT_DELETE_H

#include "cache/cache.h"
#include "db/db.h"

/*
 * Deletes the account and what is only its own; what others see of it stays without a name. Its intents are made anonymous,
 * its refresh tokens revoked, an entry is left in the journal. An account that accounting records refer to is made
 * anonymous and dead instead. *ret_avatar, in the arena, is the stored file that the caller now removes; absent: none.
 * ERR_NOT_FOUND when it has gone already; ERR_NOMEM, ERR_IO, or the errors of db_write: nothing has changed then.
 */
int account_delete(struct db_conn *, struct cache *, struct redis_budget *, struct arena *, int64_t id, struct str *ret_avatar);

#endif
