#include "tasks/sync.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/random.h"
#include "db/outbox_lease.h"
#include "db/task_message.h"
#include "resilience/redis.h"
#include "tasks/push.h"
#include "tasks/message.h"
#include "tasks/report.h"

#define ARENA_BYTES ((size_t)64 << 20)

struct call {
	const struct task_services *services;
	struct db_conn *db;
	const struct task_policy *policy;
	struct buf envelope;
	struct message message; /* the envelope, read */
	struct instant due_at;  /* of a retry */
	struct buf retry;       /* its envelope */
};

/* ---- the broker ---- */

static bool push(struct call *c)
{
	struct redis *redis = c->services->redis;
	struct str envelope = buf_view(&c->envelope);
	int r;

	if (!redis || !redis_usable(redis, REDIS_TASKS) || str_is(str_of(c->policy->queue), OUTBOX_QUEUE_LOCAL))
		return false;
	r = push_envelopes(redis, NULL, c->policy->queue, 0, &envelope, 1);
	if (r < 0)
		log_write(LOG_WARNING, "tasks", "tasks.enqueue_failed",
		          LOG_FIELDS(LOG_STR("task", c->policy->name), LOG_STR("error", error_name(r))),
		          "%s could not be enqueued (%s): it is run here", c->policy->name, error_name(r));
	return r == 0;
}

static void report_fallback(const struct call *c)
{
	metric_add(metric_seriesf(METRIC_TASKS_SYNC, "task=\"%s\"", c->policy->name), 1);
	if (c->services->redis)
		redis_report_fallback(c->services->redis, REDIS_TASKS, LOG_WARNING, "tasks.sync_fallback", "sync", "task",
		                      str_of(c->policy->name));
}

/* ---- the caller himself ---- */

static int put_retry(struct db_conn *db, void *arg)
{
	const struct call *c = arg;
	const struct outbox_row row = {
		.task_id = c->message.id,
		.name = str_of(c->policy->name),
		.queue = str_of(c->policy->queue),
		.envelope = buf_view(&c->retry),
		.durable = c->policy->durable,
		.due_at = c->due_at,
	};

	return outbox_put_row(db, &row);
}

static int schedule(struct call *c, const struct task_run *run)
{
	int r;

	c->due_at = (struct instant){ clock_now().us + run->retry_after_s * US_PER_S };
	r = message_add_retry(&c->retry, &c->message, c->due_at);
	if (r < 0 || c->retry.failed)
		return r < 0 ? r : ERR_NOMEM;
	return db_write(c->db, put_retry, c);
}

static int run_here(struct call *c, struct task_answer *answer)
{
	struct arena arena;
	struct task_run run = { .services = c->services,
		                .policy = c->policy,
		                .db = c->db,
		                .arena = &arena,
		                .args = c->message.args,
		                .kwargs = c->message.kwargs,
		                .outbox_id = NULL_INT };
	int64_t began_us = clock_monotonic_us();
	int r = 0;

	report_fallback(c);
	arena_init(&arena, ARENA_BYTES);
	snprintf(run.id, sizeof(run.id), "%.*s", STR_ARG(c->message.id));
	answer->outcome = task_execute(&run);
	task_report(&run, answer->outcome, clock_monotonic_us() - began_us, "sync");
	answer->error = run.error;
	if (answer->outcome == TASK_RETRY)
		r = schedule(c, &run);
	answer->result = run.result;
	run.result = (struct buf)BUF_EMPTY;
	task_run_finish(&run);
	arena_finish(&arena);
	return r;
}

static int call(struct call *c, struct str args, struct str kwargs, struct task_answer *answer)
{
	const struct task_message message =
	        TASK_MESSAGE(.name = str_of(c->policy->name), .args = args, .kwargs = kwargs, .queue = str_of(c->policy->queue));
	int r = task_message_write(&c->envelope, &message);

	if (r == 0)
		r = message_parse(buf_view(&c->envelope), &c->message, NULL);
	if (r < 0)
		return r;
	snprintf(answer->id, sizeof(answer->id), "%.*s", STR_ARG(c->message.id));
	answer->queued = push(c);
	return answer->queued ? 0 : run_here(c, answer);
}

int execute_task_sync(const struct task_services *services, struct db_conn *db, const struct task_policy *policy, struct str args,
                      struct str kwargs, struct task_answer *ret_answer)
{
	struct call c = { .services = services, .db = db, .policy = policy };
	int r;

	*ret_answer = (struct task_answer){ .outcome = TASK_FAILED };
	r = call(&c, args, kwargs, ret_answer);
	message_finish(&c.message);
	buf_finish(&c.envelope);
	buf_finish(&c.retry);
	return r;
}

void task_answer_finish(struct task_answer *answer)
{
	buf_finish(&answer->result);
}
