/*
 * `egoejo send-task`: tasks sent straight to the broker, as an ordinary Celery producer does, from requests in JSON
 * (tasks.md section 5). For people and scripts; the product itself enqueues by the outbox.
 */
#ifndef TASKS_SEND_H
#define TASKS_SEND_H

#include "base/buf.h"
#include "base/error.h"
#include "resilience/redis.h"

#define TASK_SEND_MAX 128 /* requests of one call */

/*
 * Reads n requests, {"task", "args", "kwargs", "id", "countdown", "eta", "expires", "priority", "queue", "ignore_result"}, all but
 * "task" may be absent or null, and pushes them in their order, those for the same list that stand together in one step. eta is ISO
 * 8601, expires too or seconds from now. Appends the ids of what was pushed, a line each, and counts them: on an error it is those
 * before. ERR_INVALID with the reason in *err: that request is none; ERR_UNAVAILABLE, ERR_TIMEOUT: the broker does not answer, or
 * not in time.
 */
int task_send(struct redis *, const struct str *requests, size_t n, struct buf *ret_ids, size_t *ret_pushed, struct error *err);

#endif
