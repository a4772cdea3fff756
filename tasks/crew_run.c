/*
 * One row, from its message to the write that ends it. That write is tried until the database takes it: meanwhile the lease is
 * renewed, so nobody else runs the task, and this thread could not do anything useful anyway.
 */
#include <stdio.h>

#include "base/clock.h"
#include "tasks/crew_impl.h"
#include "db/outbox.h"
#include "resilience/redis.h"
#include "tasks/message.h"
#include "tasks/report.h"

#define TAKEN_MAX      5                /* a row that has cost five processes their life is not given to a sixth */
#define ENDING_PAUSE_S 1                /* between two tries of the last write */
#define ELSEWHERE_US   (60 * US_PER_S)  /* a task that others know waits for Redis */
#define WRITE_TRIES    INT64_C(1000000) /* of a database that is away */
#define WRONG_TRIES    5                /* of one that refuses */

/* ---- how a row ends ---- */

static int forget(struct db_conn *db, void *arg)
{
	const struct crew_end *end = arg;

	return outbox_delete(db, end->id);
}

static int try_later(struct db_conn *db, void *arg)
{
	const struct crew_end *end = arg;

	return outbox_retry(db, end->owner, end->id, end->envelope, end->due_at, end->error);
}

int crew_bury(struct db_conn *db, void *arg)
{
	const struct crew_end *end = arg;

	return outbox_bury(db, end->owner, end->id, end->error);
}

static int put_off(struct db_conn *db, void *arg)
{
	const struct crew_end *end = arg;
	CLEANUP(buf_finish) struct buf ids = BUF_EMPTY;

	outbox_add_id(&ids, end->id);
	return outbox_put_off(db, end->owner, outbox_ids(&ids), end->due_at, end->error);
}

static bool is_away(int error)
{
	return error == ERR_UNAVAILABLE || error == ERR_TIMEOUT || error == ERR_FULL || error == ERR_LIMIT || error == ERR_READ_ONLY;
}

/* Waits a moment, or less when the process ends; false: it is about to be cut. */
static bool pause_before_next(const struct crew_hand *h)
{
	struct timespec step = { 0, 50 * 1000 * 1000 };

	for (int i = 0; i < ENDING_PAUSE_S * 20 && !atomic_load(&h->crew->hurry); i++)
		nanosleep(&step, NULL);
	return !atomic_load(&h->crew->hurry);
}

static void write_end(struct crew_hand *h, db_write_fn fn, struct crew_end *end)
{
	int r = db_write(h->db, fn, end);

	for (int64_t i = 0; r < 0 && i < (is_away(r) ? WRITE_TRIES : WRONG_TRIES); i++) {
		if (!pause_before_next(h))
			break;
		r = db_write(h->db, fn, end);
	}
	if (r < 0)
		log_write(LOG_ERROR, "tasks", "task.not_noted", LOG_FIELDS(LOG_INT("row", end->id), LOG_STR("error", error_name(r))),
		          "how a task ended could not be written down: it will be run again");
}

/* ---- from the message to the run ---- */

static void bury(struct crew_hand *h, const struct outbox_row *row, const char *error)
{
	struct crew_end end = { .owner = str_of(h->crew->config.owner), .id = row->id, .error = str_of(error) };

	task_report_lost(row->name, row->task_id, "local", error);
	write_end(h, crew_bury, &end);
}

static void leave_to_others(struct crew_hand *h, const struct outbox_row *row)
{
	struct crew_end end = { .owner = str_of(h->crew->config.owner),
		                .id = row->id,
		                .due_at = { clock_now().us + ELSEWHERE_US },
		                .error = STR("not a task of this program: it waits for Redis") };

	write_end(h, put_off, &end);
}

static void end_with_retry(struct crew_hand *h, const struct task_run *run, const struct message *m, struct crew_end *end)
{
	CLEANUP(buf_finish) struct buf envelope = BUF_EMPTY;

	end->due_at = (struct instant){ clock_now().us + run->retry_after_s * US_PER_S };
	if (message_add_retry(&envelope, m, end->due_at) < 0 || envelope.failed)
		return write_end(h, put_off, end); /* without memory it is not a retry more, but run again it will be */
	end->envelope = buf_view(&envelope);
	write_end(h, try_later, end);
}

static void end_run(struct crew_hand *h, const struct task_run *run, enum task_outcome outcome, const struct message *m)
{
	char error[sizeof(run->error.message) + 100];
	struct crew_end end = { .owner = str_of(h->crew->config.owner), .id = run->outbox_id, .due_at = clock_now() };

	if (run->outbox_done)
		return;
	if (outcome == TASK_SUCCEEDED)
		return write_end(h, forget, &end);
	snprintf(error, sizeof(error), "%s: %s", run->error.type, run->error.message);
	end.error = str_of(error);
	if (outcome == TASK_RETRY)
		end_with_retry(h, run, m, &end);
	else
		write_end(h, run->hurried ? put_off : crew_bury, &end);
}

/* Whether the run still is anybody's business. */
static bool still_ours(struct crew_hand *h)
{
	bool abandoned;

	pthread_mutex_lock(&h->crew->lock);
	abandoned = h->abandoned;
	pthread_mutex_unlock(&h->crew->lock);
	return !abandoned;
}

static void arm_hard_limit(struct crew_hand *h, int64_t limit_us)
{
	pthread_mutex_lock(&h->crew->lock);
	h->hard_deadline_us = clock_monotonic_us() + limit_us;
	pthread_mutex_unlock(&h->crew->lock);
}

static void run_message(struct crew_hand *h, const struct outbox_row *row, const struct message *m, const struct task_policy *policy)
{
	struct task_run run = { .services = h->crew->config.services,
		                .policy = policy,
		                .db = h->db,
		                .arena = &h->arena,
		                .args = m->args,
		                .kwargs = m->kwargs,
		                .retries = m->retries,
		                .from_beat = m->from_beat,
		                .stop = &h->crew->hurry,
		                .outbox_id = row->id };
	int64_t began_us = clock_monotonic_us();
	enum task_outcome outcome;

	snprintf(run.id, sizeof(run.id), "%.*s", STR_ARG(m->id));
	arm_hard_limit(h, policy->hard_limit_s * US_PER_S);
	outcome = task_execute(&run);
	arm_hard_limit(h, INT64_MAX / 2); /* what is left is the last write */
	if (still_ours(h)) {
		task_report(&run, outcome, clock_monotonic_us() - began_us, "local");
		end_run(h, &run, outcome, m);
	}
	task_run_finish(&run);
}

void crew_run(struct crew_hand *h, const struct crew_job *job)
{
	const struct crew_config *config = &h->crew->config;
	const struct outbox_row *row = &job->row;
	const struct task_policy *policy = config->find(row->name);
	struct redis *redis = config->services->redis;
	struct message m = { 0 };
	struct error err = { 0 };

	arena_reset(&h->arena);
	if (!policy && redis && redis_configured(redis, REDIS_TASKS))
		return leave_to_others(h, row);
	if (!policy)
		return bury(h, row, "NotRegistered: no such task");
	if (row->attempts > TAKEN_MAX)
		return bury(h, row, "taken again and again by processes that ended with it");
	if (message_parse(row->envelope, &m, &err) < 0)
		return bury(h, row, err.text);
	if (redis && !str_is(row->queue, OUTBOX_QUEUE_LOCAL))
		redis_report_fallback(redis, REDIS_TASKS, LOG_WARNING, "tasks.sync_fallback", "local", "task", row->name);
	run_message(h, row, &m, policy);
	message_finish(&m);
}
