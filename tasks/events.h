/*
 * What a worker tells of itself and its tasks on the channels of kombu's exchange celeryev (tasks.md 7.6): Flower and
 * `celery events` live on it. Telling waits for nothing; while Redis is away nothing is told. Any thread.
 */
#ifndef TASKS_EVENTS_H
#define TASKS_EVENTS_H

#include "tasks/message.h"
#include "tasks/task.h"

struct events;

#define EVENTS_HEARTBEAT_US (2 * INT64_C(1000000))

/* hostname: the node's name, borrowed. enabled: whether tasks are told of from the start. NULL without memory or threads. */
struct events *events_create(struct redis *, const char *hostname, bool enabled);

/* Sends what waits, as long as Redis takes it; frees. NULL is fine. */
void events_destroy(struct events *);

/* Whether tasks are told of; what it was before. */
bool events_enable(struct events *, bool enabled);

/* The logical clock: one higher, and what it is then; and moved beyond another's. */
int64_t events_tick(struct events *);
void events_hear_clock(struct events *, int64_t theirs);

/* worker-online, worker-heartbeat and worker-offline: how many tasks run, how many have been run. */
void events_worker(struct events *, const char *type, int64_t active, int64_t processed);

/*
 * Events of tasks are sent several at a time, as Celery's are: when there are EVENTS_BATCH of them, and by events_flush. These two are
 * told at once, as far as tasks are told of.
 */
#define EVENTS_BATCH 24
void events_task_received(struct events *, const struct message *);
void events_task_started(struct events *, const struct message *);
void events_flush(struct events *);

/* Those of an end are written when it is known, and put when Redis knows it. An empty buffer stays empty where tasks are not told of. */
void events_write_succeeded(struct events *, struct buf *, const struct message *, struct str result, int64_t runtime_us); /* JSON */
void events_write_error(struct events *, struct buf *, const char *type, const struct message *, const struct task_error *,
                        bool with_traceback); /* type: task-failed or task-retried */
void events_write_revoked(struct events *, struct buf *, const struct message *, bool terminated, bool expired);
void events_put(struct events *, const struct buf *);

/*
 * Appends the envelope of a broadcast or a reply: body is JSON, headers the members of an object without its braces. For this file and
 * control.
 */
int events_add_envelope(struct buf *, struct str body, struct str headers, int delivery_mode, const char *exchange, struct str routing_key);

#endif
