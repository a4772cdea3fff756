/*
 * What the security report counts: accounts.md 7. Errors are those of db_select.
 */
#ifndef DOMAIN_SECURITY_H
#define DOMAIN_SECURITY_H

#include "db/db.h"

struct security_counts {
	int64_t weak_passwords; /* accounts that were used, whose hash is not Argon2 */
	int64_t inactive_users; /* active accounts not used since the time asked for */
	int64_t admin_accounts; /* superusers */
};

/* Reads every account once. */
int security_count(struct db_conn *, struct arena *, struct instant unused_since, struct security_counts *ret_counts);

#endif
