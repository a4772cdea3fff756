/*
 * Critical alerts to those who run the site, asked for inside the transaction that found the reason. Sending is a task of its
 * own, never the request's or the transaction's business: this writes an outbox row for it. Source: tasks.md 4; saka.md 8.
 */
#ifndef DOMAIN_ALERT_H
#define DOMAIN_ALERT_H

#include "db/db.h"

#define ALERT_TASK "egoejo.critical_alert" /* title, payload, dedupe_key=null */

struct alert {
	struct str title;
	struct json_text payload; /* an object */
	struct str dedupe_key;    /* the same within a few minutes is sent once; absent: always sent */
};

/* In a closure: asks for it to be sent once this has been committed. Errors of outbox_put. */
int alert_ask(struct db_conn *, const struct alert *);

#endif
