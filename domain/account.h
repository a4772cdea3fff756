/*
 * Accounts as callers: who somebody is, and which roles he has. Source: accounts.md 1.1, 5; database.md auth_user,
 * auth_group. Functions run on the caller's connection, texts live in the arena; errors are those of db_select.
 */
#ifndef DOMAIN_ACCOUNT_H
#define DOMAIN_ACCOUNT_H

#include "db/db.h"

struct account {
	int64_t id;
	struct str username, email, first_name, last_name;
	bool is_active, is_staff, is_superuser;
	bool is_founder;     /* in the group FOUNDER_GROUP_NAME */
	bool is_editor;      /* content editor: an admin, or in Content_Editors */
	bool is_contributor; /* content contributor: an editor, or in Content_Contributors */
};

/* Content admin: staff or superuser (accounts.md 5). */
static inline bool account_is_admin(const struct account *a)
{
	return a->is_staff || a->is_superuser;
}

/* One account with its roles, active or not, by one indexed read; founders is the name of their group. ERR_NOT_FOUND. */
int account_find(struct db_conn *, struct arena *, int64_t id, struct str founders, struct account *ret_account);

/*
 * Who has this name (exact, case counts) and this password: an active account, with its roles. ERR_FORBIDDEN: nobody, after
 * the same time whether the name, the password or the account was wrong; ERR_LIMIT as well, when the hash asks for more
 * than we compute (to be logged). A hash that is not as we write them is replaced, and that failing fails nothing. Costs a
 * password hash, and may write: never on an http thread. Source: accounts.md 2, 3.1, 3.5.
 */
int account_authenticate(struct db_conn *, struct arena *, struct str username, struct str password, struct str founders,
                         struct account *ret_account);

#endif
