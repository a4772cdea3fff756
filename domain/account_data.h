/*
 * What an account may see of itself: its profile, and all that is kept about it. Source: accounts.md 4.2, 4.3, 10 D6, D8.
 * Functions run on the caller's connection, texts live in the arena; errors are those of db_select, ERR_NOT_FOUND when the
 * account has gone.
 */
#ifndef DOMAIN_ACCOUNT_DATA_H
#define DOMAIN_ACCOUNT_DATA_H

#include "db/db.h"

struct account_view {
	int64_t id;
	struct str username, email, first_name, last_name;
	bool is_staff, is_superuser;
	int64_t profile_id; /* NULL_INT: there is no profile, and nothing in what follows */
	struct str display_name, bio;
	struct str avatar; /* path of a stored file, may be absent */
};

/* The account with its profile. */
int account_view_find(struct db_conn *, struct arena *, int64_t id, struct account_view *ret_view);

struct account_intent {
	int64_t id;
	struct str name, email;
	struct str message; /* may be absent */
	struct instant created_at;
};

struct account_export {
	int64_t id;
	struct str username, email;
	struct instant date_joined;
	struct instant last_login; /* may be null */
	struct db_rows intents;    /* of struct account_intent, newest first */
	struct instant export_date;
};

/*
 * The condition under which an intent is the account's, over aliases i of core_intent and u of auth_user: the same address,
 * which is not verified, so only what came after the account (D8).
 */
#define ACCOUNT_INTENT_IS_OWN "i.email = u.email AND u.email <> '' AND i.created_at > u.date_joined"

/* What is kept about the account. */
int account_export_read(struct db_conn *, struct arena *, int64_t id, struct account_export *ret_export);

#endif
