/*
 * Mails: one message to one person, by Resend's API or by SMTP. Source: tasks.md 3.
 *
 * A mail may have left although its sender never heard so (the connection broke, the process died). Whoever sends one gives it a key
 * that is the same at each try. Resend refuses to send a key twice within a day. SMTP knows no such thing: there the key makes the
 * Message-ID, so that what comes twice is one message for those who look (many mail servers and programs do); see jobs_mail.c for what
 * is done so that it is not sent twice by us.
 */
#ifndef TASKS_MAIL_H
#define TASKS_MAIL_H

#include "tasks/task.h"

#define MAIL_RESEND_TIMEOUT_US INT64_C(30000000)
#define MAIL_SMTP_TIMEOUT_US   INT64_C(10000000)

enum mail_way {
	MAIL_ANY,  /* Resend when it has a key, else SMTP */
	MAIL_SMTP, /* alerts, monitoring: SMTP; Resend when no EMAIL_HOST is set */
};

struct mail {
	struct str to;              /* an address, or Name <address> */
	struct str subject;         /* one line */
	struct str html, text;      /* either may be absent */
	struct str idempotency_key; /* "<task id>:<index>"; absent: each time is another mail */
};

enum mail_outcome {
	MAIL_SENT,
	MAIL_TRY_AGAIN,      /* no connection, a time that ran out, 429, 5xx; SMTP: 4xx. It may have been sent */
	MAIL_REFUSED,        /* by the service for good, or by us: no address, a line break in a header */
	MAIL_NOT_CONFIGURED, /* neither RESEND_API_KEY nor EMAIL_HOST; has been logged (WARNING) */
};

struct mail_report {
	char id[128];    /* MAIL_SENT: Resend's id, or the Message-ID */
	char error[300]; /* otherwise: for people and logs, one line, no secret */
	int64_t retry_after_s;
	bool too_many; /* MAIL_TRY_AGAIN because of 429: the service is well, and wants a pause */
};

/* Sends it and waits for the answer, 30 s with Resend and 10 s with SMTP. stop as in http_send. Any thread. */
enum mail_outcome mail_send(const struct task_services *, enum mail_way, const struct mail *, const atomic_bool *stop,
                            struct mail_report *ret);

#endif
