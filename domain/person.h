/*
 * People as others see them: what realtime.md calls User. A row that names an account joins it (LEFT JOIN auth_user x), and
 * shows what it finds with PERSON_COLUMNS.
 */
#ifndef DOMAIN_PERSON_H
#define DOMAIN_PERSON_H

#include "db/db.h"

struct person {
	int64_t id; /* null: nobody, or the account is gone; then the texts are absent */
	struct str username, email, first_name, last_name;
};

/* The columns of a member of type struct person; alias is that of auth_user in the statement, a literal. */
#define PERSON_COLUMNS(S, member, alias)                                                                                      \
	DB_COLUMN(S, member.id, INT, alias ".id"), DB_COLUMN(S, member.username, TEXT, alias ".username"),                    \
	        DB_COLUMN(S, member.email, TEXT, alias ".email"), DB_COLUMN(S, member.first_name, TEXT, alias ".first_name"), \
	        DB_COLUMN(S, member.last_name, TEXT, alias ".last_name")

#endif
