/*
 * Critical alerts to those who run the site, asked for inside the transaction that found the reason. Sending is a task of its
 * own, never the request's or the transaction's business: this writes an outbox row for it. Source: tasks.md 4; saka.md 8.
 */
#ifndef DOMAIN_ALERT_H
#define DOMAIN_ALERT_H

#include "db/db.h"

#define ALERT_TASK "egoejo.critical_alert" /* title, payload, dedupe_key=null, timestamp=null */

struct alert {
	struct str title;
	struct json_text payload; /* an object */
	struct str dedupe_key;    /* the same within a few minutes is sent once; absent: always sent */
};

/* In a closure: asks for it to be sent, with the present time as its own, once this has been committed. Errors of outbox_put. */
int alert_ask(struct db_conn *, const struct alert *);

/* An alert that was sent. */
struct alert_event {
	struct str title;         /* stored are its first 100 characters */
	const char *channel;      /* "email", "webhook" or "both" */
	struct str fingerprint;   /* its first 255 */
	struct json_text excerpt; /* of the payload; absent: none */
};

/* In a closure: writes the row of core_criticalalertevent. Errors of db_execute. */
int alert_note(struct db_conn *, const struct alert_event *);

#endif
