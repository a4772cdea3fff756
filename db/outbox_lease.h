/*
 * The outbox as its relays see it: rows are taken under a lease, so that any number of processes share the table, and leave it when
 * Redis, or the job's own transaction, has what they stood for. Source: resilience.md 2.4; database.md, egoejo_outbox.
 *
 * A row is `new` (to be sent or run, not before due_at), `sent` (Redis has it, and its result is not known yet) or `dead` (it has
 * failed; people decide). A lease of OUTBOX_LEASE_US is renewed while its owner lives; when it has passed, whoever comes takes the
 * row. attempts counts how often a row was taken by somebody of whom nothing was heard any more: giving back takes that back.
 *
 * What changes rows runs inside a db_write closure; several ids are one statement. Errors as db_execute and db_select.
 */
#ifndef DB_OUTBOX_LEASE_H
#define DB_OUTBOX_LEASE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "db/db.h"

#define OUTBOX_LEASE_US    (30 * US_PER_S)
#define OUTBOX_QUEUE_LOCAL "local" /* the queue whose rows never leave for Redis */

/* A row as its relay needs it, or as one is written by outbox_put_row. */
struct outbox_row {
	int64_t id;
	struct str task_id;  /* a UUID, with dashes or without */
	struct str name;     /* of the task */
	struct str queue;    /* "celery", "local" … */
	int64_t priority;    /* 0 first, 9 last */
	struct str envelope; /* the finished Celery message */
	bool durable;
	int64_t attempts;
	struct instant due_at;
};

/* Writes a row of the caller's own making, state new; its id, attempts are not looked at. */
int outbox_put_row(struct db_conn *, const struct outbox_row *);

/*
 * fn(arg) after each commit that wrote rows which are due, on the thread that wrote them: it must be quick. NULL: nobody any
 * more; arg must live on until those threads have ended.
 */
void outbox_watch(struct db *, void (*fn)(void *arg), void *arg);

/* Which rows a claim is for; both may be set. */
struct outbox_wanted {
	bool local;  /* of queue local */
	bool others; /* of all other queues */
};

/* Whether a claim would find a row now. Outside of a closure: it costs a read, where a claim costs a transaction. 1 or 0. */
int outbox_any_due(struct db_conn *, struct outbox_wanted);

/*
 * Takes at most limit rows that are due and that nobody holds, the urgent first, then those that have been due longest: an array of
 * struct outbox_row in the arena, in that order. The row's attempts already count this time. What it costs depends on the limit and on
 * how many rows are held, not on how many wait.
 */
int outbox_claim(struct db_conn *, struct outbox_wanted, struct str owner, int64_t limit, struct arena *, struct db_rows *ret_rows);

/* The leases that owner has on these rows last OUTBOX_LEASE_US from now. ids: a JSON array, as outbox_add_id makes it. */
int outbox_renew(struct db_conn *, struct str owner, struct str ids);

/* Gives the rows back as they were, due now for whoever comes; error (absent: keeps the old one) is noted. */
int outbox_give_back(struct db_conn *, struct str owner, struct str ids, struct str error);

/* As outbox_give_back, but not to be taken before due_at. */
int outbox_put_off(struct db_conn *, struct str owner, struct str ids, struct instant due_at, struct str error);

/* Redis has these rows: the durable ones are `sent`, the others gone. */
int outbox_sent(struct db_conn *, struct str ids);

/* A job wants to be run again: the row is new, with this envelope, not before due_at. Nothing when the owner has lost it. */
int outbox_retry(struct db_conn *, struct str owner, int64_t id, struct str envelope, struct instant due_at, struct str error);

/* The job has failed for good. Nothing when the owner has lost the row. */
int outbox_bury(struct db_conn *, struct str owner, int64_t id, struct str error);

/* ---- rows that Redis has ---- */

struct outbox_sent_row {
	int64_t id;
	struct str task_id, queue;
	struct instant sent_at;
};

/* In the order in which they were sent; { { 0 }, 0 } is before all. */
struct outbox_place {
	struct instant sent_at;
	int64_t id;
};

/* At most limit rows that were sent, those behind the place, in order. Outside of a closure or in one. */
int outbox_list_sent(struct db_conn *, struct outbox_place after, int64_t limit, struct arena *, struct db_rows *ret_rows);

/* Their results are known: they go. */
int outbox_settle(struct db_conn *, struct str ids);

/* Those of them whose effects are committed (egoejo_task_done) go; *ret_n how many. */
int outbox_settle_done(struct db_conn *, struct str ids, int64_t *ret_n);

/* Redis knows nothing of them any more: they are new again, due now. Only rows that are `sent` still. */
int outbox_send_again(struct db_conn *, struct str ids, struct str error);

/* ---- for people and metrics ---- */

#define OUTBOX_COUNTED_MAX 100000 /* more rows of a state are not counted one by one every few seconds */

struct outbox_figures {
	int64_t waiting, sent, dead; /* at most OUTBOX_COUNTED_MAX each */
	struct instant oldest_due;   /* of those that are due and still waiting; NULL_TIME: none */
	struct instant oldest_sent;  /* of those that are sent; NULL_TIME: none */
};

int outbox_figures(struct db_conn *, struct arena *, struct outbox_figures *ret_figures);

struct outbox_listed {
	int64_t id;
	struct str task_id, name, queue, state, lease_owner, last_error, envelope;
	int64_t priority, attempts;
	bool durable;
	struct instant due_at, sent_at, lease_until, created_at;
};

/* At most limit rows, the newest last; state or task_id absent: of any. An array of struct outbox_listed. */
int outbox_list(struct db_conn *, struct str state, struct str task_id, int64_t limit, struct arena *, struct db_rows *ret_rows);

/* The row of that task is new, due now, as if it had never been taken; *ret_n 0: there is none, or a live process has it. */
int outbox_revive(struct db_conn *, struct str task_id, int64_t *ret_n);

/* Takes away all dead rows; *ret_n how many. */
int outbox_purge_dead(struct db_conn *, int64_t *ret_n);

/* Appends an id to the list that the functions above take: begin with an empty buffer, end with outbox_ids. */
void outbox_add_id(struct buf *, int64_t id);
struct str outbox_ids(struct buf *);

#endif
