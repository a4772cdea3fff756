/* A mail on its way: its parts checked, its forms for SMTP and for Resend. Private to tasks/mail*.c; any thread. */
#ifndef TASKS_MAIL_IMPL_H
#define TASKS_MAIL_IMPL_H

#include "base/clock.h"
#include "domain/mail.h"
#include "tasks/mail.h"

#define MAIL_KEY_SIZE 257 /* what Resend takes, and a NUL */

/* A mail that may be sent: nothing in it can end a header, or be a second recipient. */
struct letter {
	const struct mail *mail;
	struct str from_text; /* as the settings have it */
	struct mailbox from, to;
	char key[MAIL_KEY_SIZE]; /* "": none */
	char message_id[300];    /* without < and > */
};

/* Who sends: DEFAULT_FROM_EMAIL, else NOTIFY_EMAIL, else noreply@egoejo.org. */
struct str mail_sender(const struct settings *);

/* Checks and completes; ERR_INVALID, ERR_IO, with what is wrong in the report. */
int letter_make(const struct settings *, const struct mail *, struct letter *ret, struct mail_report *);

/* Appends the value of a header: ASCII as it is, other texts as encoded words (RFC 2047), folded. column: where it begins in its line. */
void mail_add_header(struct buf *, struct str value, size_t column);

/* Appends the whole message (RFC 5322, MIME), lines ending in CR LF. */
void mail_add_message(struct buf *, const struct letter *, struct instant date);

/* Appends the JSON that Resend takes. */
void mail_add_resend(struct buf *, const struct letter *);

/* The two ways. report is empty when they are called. */
enum mail_outcome mail_by_resend(const struct settings *, const struct letter *, const atomic_bool *stop, struct mail_report *);
enum mail_outcome mail_by_smtp(const struct settings *, const struct letter *, const atomic_bool *stop, struct mail_report *);

/* Sets the error of a report, without control characters, and returns outcome. */
enum mail_outcome mail_end(struct mail_report *, enum mail_outcome, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
