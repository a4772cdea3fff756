/*
 * The executor: a few threads and a bounded queue, for what an http thread must not wait for. It knows nothing of HTTP.
 */
#ifndef API_EXECUTOR_H
#define API_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct executor;
struct worker;

struct executor_job {
	void (*run)(void *arg, struct worker *); /* on an executor thread, with that thread's worker */
	void (*drop)(void *arg);                 /* instead of run, when the executor stops first */
	void *arg;
};

/* n threads, one for each of the workers (borrowed), and a queue of capacity jobs. NULL without memory. */
struct executor *executor_create(struct worker *const *workers, size_t n, size_t capacity);

/* Starts the threads. ERR_IO when one cannot be made; those that could are stopped by executor_stop. */
int executor_start(struct executor *, struct error *err);

/* Queues a job; false when the queue is full or the executor stops: neither function will be called. Any thread. */
bool executor_submit(struct executor *, struct executor_job);

/* Jobs that wait. Any thread. */
size_t executor_waiting(struct executor *);

/* Drops what waits, lets what runs end, joins the threads. A second call does nothing. */
void executor_stop(struct executor *);

/* Stops and frees; NULL is fine. */
void executor_destroy(struct executor *);

#endif
