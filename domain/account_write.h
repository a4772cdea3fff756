/*
 * Making accounts, and changing their passwords. Source: accounts.md 1.1, 1.5, 2, 4.1, 10 D1, D5.
 */
#ifndef DOMAIN_ACCOUNT_WRITE_H
#define DOMAIN_ACCOUNT_WRITE_H

#include "db/db.h"
#include "domain/password.h"

#define ACCOUNT_NAME_CHARS  150 /* of a username, a first and a last name */
#define ACCOUNT_EMAIL_CHARS 254

struct new_account {
	int64_t id; /* set by account_create */
	struct str username, password, email, first_name, last_name;
	bool is_staff, is_superuser;
};

#define ACCOUNT_NAME_TAKEN "Un utilisateur avec ce nom existe déjà."

#define ACCOUNT_NAME_FORM "Un nom d'utilisateur ne peut contenir que des lettres, des chiffres et les signes @ . + - _"

/* Whether the text is letters, digits and numerics of any script, _ @ . + - alone, and not empty. */
bool account_name_is_formed(struct str);

/*
 * Judges a new username: it has the form, and nobody has it. *ret_sentence is what is wrong, in French, or NULL. Its length
 * is not looked at. Errors of db_select.
 */
int account_name_fault(struct db_conn *, struct str username, const char **ret_sentence);

/* Whether somebody has the username. 1 or 0; errors of db_select. */
int account_name_is_taken(struct db_conn *, struct str username);

/*
 * Makes an active account with its hash, its empty profile and its empty SAKA wallet, all or nothing, and sets account->id.
 * What is in it has been checked. ERR_CONFLICT: the username is taken. Hashes: never on an http thread. ERR_NOMEM, ERR_IO
 * or the errors of db_write.
 */
int account_create(struct db_conn *, struct new_account *);

/* Sets another password, which has been checked; no refresh token serves any more. ERR_NOT_FOUND, or as account_create. */
int account_set_password(struct db_conn *, struct str username, struct str password);

#endif
