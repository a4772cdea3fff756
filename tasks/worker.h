/*
 * `egoejo worker`: takes tasks from the queues in Redis and runs them, as Celery's worker does and beside it (tasks.md 7.4): late
 * acknowledgement, prefetch, ETA, expiry, retries, revocation, time limits, events, control.
 *
 * Threads: one that takes, as many as concurrency that run, one that listens to the control mailbox, one that answers it, and a
 * monitor for what is due at times: heartbeats, limits, what could not be told to Redis, delivery times, the restore sweep, the watchdog.
 * No outage of Redis ends it or loses what it holds; it goes on when Redis is back. What it has finished meanwhile is told then.
 */
#ifndef TASKS_WORKER_H
#define TASKS_WORKER_H

#include "tasks/broker.h"
#include "tasks/task.h"

struct worker;

#define WORKER_NAME_SIZE 201

struct worker_config {
	const struct task_services *services; /* borrowed; redis configured for tasks and started */
	const char *name;                     /* "egoejo@host" */
	struct broker_queues queues;
	int concurrency;
	bool send_events;
	/* Called (by any thread) when control asks for the end, and when the last job of a draining worker has ended. */
	void (*on_change)(void *arg);
	void *arg;
};

/* Reads "a,b" into queues; ERR_INVALID: none, too many, or one that is too long. */
int worker_read_queues(const char *text, struct broker_queues *ret_queues);

/* Makes connections and threads and begins. ERR_NOMEM, ERR_INTERNAL, or as db_connect. */
int worker_create(const struct worker_config *, struct worker **ret_worker, struct error *err);

/* Whether control has asked for the end. */
bool worker_wants_end(const struct worker *);

/* Warm shutdown begins: nothing is taken any more, what waits goes back to its list. Returns at once. */
void worker_drain(struct worker *);

/* Whether a draining worker has ended all it ran and told Redis of it, as far as Redis listens. */
bool worker_idle(struct worker *);

/*
 * Puts back whatever is still held, says that it is offline, stops the threads, frees. False: runs that cannot be ended go on
 * (abandoned beyond their hard limit, or cut by a second signal): nothing is freed, the caller leaves all they use and ends
 * the process. NULL is fine.
 */
bool worker_destroy(struct worker *);

/* How many runs go on beyond their hard limit. */
size_t worker_abandoned(struct worker *);

/* Age of the last turn of the thread that takes, in microseconds. */
int64_t worker_pulse_age_us(const struct worker *);

#endif
