/*
 * The batches by which measures and alerts of browsers become rows. A page sends a dozen, a faulty client measures its own
 * measuring for ever, and no visitor may be held up by it: so a report is taken into memory, with its id, at once, and a
 * thread of ours writes what has gathered, ten times a second at most. Source: accounts.md 9.
 *
 * What is promised: an id that is answered is the row's own, or 0 for a report that was dropped. Dropped is what one address
 * sends beyond MEASURES_PER_SECOND, and what finds no room; both are counted (egoejo_measures_total). A crash loses what
 * was taken in the last tenth of a second; an orderly stop loses nothing. While the database is away reports wait, within
 * the room there is. Rows older than MONITORING_DAYS are deleted, each hour. Any thread unless said otherwise.
 */
#ifndef DOMAIN_MEASURES_H
#define DOMAIN_MEASURES_H

#include "domain/monitoring.h"

#define MEASURES_PER_SECOND 20 /* of one address, whether or not calls are throttled */

struct measures;

/* Makes a connection of its own; measures_start makes the thread. Errors as db_connect, ERR_NOMEM, ERR_INTERNAL (no thread). */
int measures_create(struct db *, struct measures **ret_measures, struct error *err);
int measures_start(struct measures *, struct error *err);

/* Writes what waits, if the database lets it. No call may be running. NULL is fine. */
void measures_destroy(struct measures *);

/*
 * Takes a report (all of it is copied). 0 and *ret_id, the id of its row to be, or 0 when it was dropped. Only the very first
 * ones of a process wait, for ids, half a second at most; ERR_READ_ONLY, ERR_UNAVAILABLE, ERR_TIMEOUT: there are none to be had.
 */
int measures_add_metric(struct measures *, const struct metric_report *, int64_t *ret_id);
int measures_add_alert(struct measures *, const struct alert_report *, int64_t *ret_id);

/* Waits until what has been taken so far is written, or for so long: for who reads the tables. Never on an http thread. */
void measures_settle(struct measures *, int64_t wait_us);

/* Age of the thread's last turn, for /livez. */
int64_t measures_pulse_age_us(const struct measures *);

#endif
