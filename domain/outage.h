/*
 * Outages that people are told of: once, then again at intervals while they last, and of their end, however many processes see
 * them. A row of egoejo_alert for each; the telling belongs to whoever moves its last_sent_at. Source: resilience.md 2.7; database.md,
 * egoejo_alert. Inside a db_write closure; errors as db_execute and db_select.
 */
#ifndef DOMAIN_OUTAGE_H
#define DOMAIN_OUTAGE_H

#include "db/db.h"

struct outage {
	struct str key;
	struct instant since; /* when it began, as the caller saw it */
	int64_t every_us;     /* told again after so long */
	int64_t settle_us;    /* one that others have seen end must have lasted so long since, to be another */
};

/* 1: it is the caller's to tell, now; 0: others have, lately. */
int outage_claim(struct db_conn *, const struct outage *, struct instant now);

/* Its end: 1: the caller's to tell, *ret_since is when it began; 0: there was none, or others have. */
int outage_close(struct db_conn *, struct str key, struct instant now, struct instant *ret_since);

/* Whether it is open: 1 or 0. Outside of a closure or in one. */
int outage_is_open(struct db_conn *, struct str key);

/* Whether anybody was told of any outage whose key begins so, since a time: 1 or 0. */
int outage_told_since(struct db_conn *, struct str prefix, struct instant since);

#endif
