/*
 * Mails to those who run the site: asked for in a transaction, sent by a background task (tasks.md 3). Source: tasks.md 3.2, 6.
 */
#ifndef DOMAIN_MAIL_H
#define DOMAIN_MAIL_H

#include "base/settings.h"
#include "db/db.h"

/*
 * Whether this is one plain address, name@host, that may stand in a header and in an SMTP command: no control character, white space,
 * quote, bracket, comma or semicolon, at most 320 bytes.
 */
bool mail_is_address(struct str);

/* "Name <address>" taken apart; name may be empty. */
struct mailbox {
	struct str name, address; /* of the text it was made of */
};

/* Takes an address, or Name <address>, apart; false when the address is none, or when a control character is in it. */
bool mailbox_parse(struct str, struct mailbox *ret);

/*
 * The addresses of ADMINS in the arena, struct str each: a JSON list of [name, address], or "Name,address;Name2,address2". What
 * is no address is left out. ERR_NOMEM.
 */
int mail_admins(const struct settings *, struct arena *, struct db_rows *ret_addresses);

/* What of the settings of mails and alerts cannot be meant so, a line each; the program runs all the same. */
struct mail_warnings {
	char text[5][160];
	size_t n;
};

/* Looks for it. Without memory nothing is found. */
void mail_check_settings(const struct settings *, struct mail_warnings *ret);

/* Whether mails leave at all: by Resend, or by SMTP. */
bool mail_is_configured(const struct settings *);

/*
 * Asks for a mail to each of the addresses, inside a db_write closure: one task for each, so that a failure for one is no second
 * mail for another. The subject is ours and has no line break; html is a whole HTML text. Errors as outbox_put.
 */
int mail_put(struct db_conn *, const struct db_rows *addresses, struct str subject, struct str html, struct str text);

#endif
