/*
 * `egoejo send-task`: one task sent straight to the broker, as an ordinary Celery producer does, from a request in JSON
 * (tasks.md section 5). For people and scripts; the product itself enqueues by the outbox.
 */
#ifndef TASKS_SEND_H
#define TASKS_SEND_H

#include "base/buf.h"
#include "base/error.h"
#include "resilience/redis.h"

/*
 * Reads {"task", "args", "kwargs", "id", "countdown", "eta", "expires", "priority", "queue", "ignore_result"}, all but "task" may
 * be absent or null, pushes, and appends the id. eta is ISO 8601, expires too or seconds from now. ERR_INVALID with the reason in *err;
 * ERR_UNAVAILABLE, ERR_TIMEOUT: the broker does not answer, or not in time.
 */
int task_send(struct redis *, struct str request, struct buf *ret_id, struct error *err);

#endif
