/*
 * The relay: one thread that moves what the outbox holds to where it is run. While the broker can be used it pushes rows to Redis, in
 * the order in which they were written, and forgets them when Redis has answered (durable ones when their result is known); while it
 * cannot, and always for queue `local`, the local workers of this process run them (resilience.md 2.4, design.md 3).
 *
 * Any number of processes do so on one table: a row is leased to one of them for 30 s at a time, and what a dead one held is taken
 * by another. A row may therefore come to be run twice, never not at all; tasks are idempotent by their id (tasks.md 1.2).
 *
 * Every process that writes rows or runs tasks has one. Main thread, but for relay_wake and the pulses.
 */
#ifndef TASKS_RELAY_H
#define TASKS_RELAY_H

#include "tasks/task.h"

struct relay;

struct relay_config {
	const struct task_services *services;               /* borrowed; redis may be NULL: nothing is ever pushed */
	int local_workers;                                  /* TASKS_LOCAL_WORKERS; 0: nothing is run here */
	int64_t resend_us;                                  /* TASKS_RESEND_S; > 0 */
	const struct task_policy *(*find)(struct str name); /* NULL: task_find */
};

/* ERR_NOMEM, ERR_IO (no random bytes for its name). */
int relay_create(const struct relay_config *, struct relay **ret_relay, struct error *err);

/* Makes the threads and their connections, and watches the outbox of this process. ERR_INTERNAL, or as db_connect. */
int relay_start(struct relay *, struct error *err);

/* There is something to do. Any thread, at once. */
void relay_wake(struct relay *);

/*
 * The end begins: nothing is taken any more, what waits is given back, what runs may end until the deadline (monotonic), and is told
 * to hurry shortly before. Returns at once.
 */
void relay_drain(struct relay *, int64_t deadline_us);

/* Waits for that end: how many jobs still ran at the deadline; their rows have been given back. */
int relay_finish(struct relay *);

/*
 * Frees. When jobs cannot be ended (relay_finish said so, or a run was abandoned beyond its hard limit) nothing is freed: the caller
 * leaves all that jobs use as it is and ends the process. How many; 0: all is gone. NULL is fine.
 */
int relay_destroy(struct relay *);

/* Age of the last turn, for /livez. Any thread. */
int64_t relay_pulse_age_us(const struct relay *);

/* How many turns it has made, and how many runs that it had to abandon run on. Any thread. */
int64_t relay_turns(const struct relay *);
int relay_abandoned(const struct relay *);

#endif
