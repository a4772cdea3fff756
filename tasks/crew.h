/*
 * The crew, or local workers: threads that run tasks in this process: all while Redis is down or not configured, and always
 * those of queue `local` (resilience.md 2.4). They take rows that the relay has claimed, and end each with one write: gone with its
 * effects, new again with a later due_at (a retry), dead, or given back. Who uses it: the relay alone, on its thread, unless said
 * otherwise.
 */
#ifndef TASKS_CREW_H
#define TASKS_CREW_H

#include "db/outbox_lease.h"
#include "tasks/task.h"

struct crew;

struct crew_config {
	const struct task_services *services; /* borrowed */
	const char *owner;                    /* of the leases; borrowed */
	int workers;                          /* 0: none; then there is never room */
	const struct task_policy *(*find)(struct str name);
	void (*on_room)(void *arg); /* called on a worker's thread when there is room again: wake the relay */
	void *arg;
};

/* ERR_NOMEM. */
int crew_create(const struct crew_config *, struct crew **ret_crew);

/* Makes the threads and their connections. ERR_INTERNAL, or as db_connect. */
int crew_start(struct crew *, struct error *err);

/* How many rows may be given now. */
int64_t crew_room(struct crew *);

/* A row to be run, copied. ERR_NOMEM: it was not taken. */
int crew_give(struct crew *, const struct outbox_row *);

/* Appends the ids of the rows that are here, waiting or running: their leases are to be renewed. */
void crew_held(struct crew *, struct buf *ids);

/* Looks for runs beyond their hard limit: they are abandoned, their row is buried by db, and another thread takes over. */
void crew_watch(struct crew *, struct db_conn *db);

/* Appends the ids of what waits, which is forgotten here: to be given back. */
void crew_take_back(struct crew *, struct buf *ids);

/* What runs should hurry (task_is_late) from now on. */
void crew_hurry(struct crew *);

/* Waits until nothing runs any more, or until the time (monotonic): how many run still. */
int crew_wait_idle(struct crew *, int64_t until_us);

/* How many runs that were abandoned run on. Any thread. */
int crew_abandoned(struct crew *);

/*
 * Ends the threads and frees. Those that run or were abandoned cannot be ended: then nothing of it is freed, and the caller must
 * leave all that jobs use as it is, and end the process. How many; 0: all is gone. NULL is fine.
 */
int crew_destroy(struct crew *);

#endif
