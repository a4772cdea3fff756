/*
 * The control mailbox of a worker (tasks.md 7.7): what `celery inspect`, `celery control` and Flower ask is answered as a Celery
 * worker answers it. And the other side: `egoejo inspect`, which asks all workers. Any thread.
 */
#ifndef TASKS_CONTROL_H
#define TASKS_CONTROL_H

#include "base/buf.h"
#include "base/error.h"
#include "resilience/redis.h"

struct control;
struct worker;

/* Listens for this worker. NULL without memory or threads. */
struct control *control_create(struct worker *);

/* Leaves the mailbox's exchange, stops. NULL is fine. */
void control_destroy(struct control *);

/*
 * Asks all workers for method and appends a JSON object of their answers by name, one worker a line. *ret_n: how many answered
 * within a second. ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_NOMEM.
 */
int control_ask(struct redis *, const char *method, struct buf *ret_replies, size_t *ret_n, struct error *err);

/* How many workers answer a ping within a second; at once when none is connected, or all have answered. Errors as control_ask. */
int control_count_workers(struct redis *, int64_t *ret_n);

#endif
