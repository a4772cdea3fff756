/*
 * What a critical alert looks like: as a mail, as a post to a webhook of either form, as its row. Pure; any thread. Source: tasks.md 4.
 *
 * The same alert always gives the same texts: its time is that of its asking, not of an attempt to send it, because a service that knows
 * a key takes another text under it for a mistake.
 */
#ifndef TASKS_ALERT_H
#define TASKS_ALERT_H

#include <jansson.h>

#include "base/buf.h"

struct alert_view {
	struct str prefix; /* ALERT_EMAIL_SUBJECT_PREFIX */
	struct str title;
	const json_t *payload; /* an object */
	struct str dedupe_key; /* absent: none */
	struct str timestamp;  /* ISO 8601 */
};

/* Prefix, space, title, on one line. */
void alert_add_subject(struct buf *, const struct alert_view *);

/* The mail's text: title, payload as indented JSON, a line for each of its entries, time, key. */
void alert_add_text(struct buf *, const struct alert_view *);

/* The JSON of ALERT_WEBHOOK_TYPE generic. */
void alert_add_generic(struct buf *, const struct alert_view *);

/* That of slack: blocks within Slack's limits, in which no text of the alert is markup or calls anybody. */
void alert_add_slack(struct buf *, const struct alert_view *);

/* What the row keeps of the payload, an object; nothing when none of its entries is kept. */
void alert_add_excerpt(struct buf *, const struct alert_view *);

/* The key, else title and time. */
void alert_add_fingerprint(struct buf *, const struct alert_view *);

#endif
