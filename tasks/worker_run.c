/*
 * The threads that run. A thread whose job is given up (hard limit, terminate) cannot be stopped; it is left to itself, another takes its
 * place, and what it still writes is refused (task_run.given_up).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tasks/report.h"
#include "tasks/worker_impl.h"

#define ARENA_BYTES ((size_t)256 * 1024 * 1024)

/* ---- what is next ---- */

void worker_limits(struct worker *w, const struct job *j, int64_t *ret_soft_us, int64_t *ret_hard_us)
{
	const struct task_limits *limits = &w->limits[worker_task_index(j->policy)];
	int64_t soft = j->message.soft_limit_us, hard = j->message.hard_limit_us;

	if (soft == NULL_INT)
		soft = limits->soft_us ? limits->soft_us : j->policy->soft_limit_s * US_PER_S;
	if (hard == NULL_INT)
		hard = limits->hard_us ? limits->hard_us : j->policy->hard_limit_s * US_PER_S;
	*ret_soft_us = soft;
	*ret_hard_us = hard > 0 ? hard : INT64_MAX;
}

/* With a rate limit the job may have to wait; true when it may start. */
static bool pass_rate(struct worker *w, struct job *j)
{
	struct task_limits *limits = &w->limits[worker_task_index(j->policy)];
	int64_t now = clock_now().us;

	if (!limits->interval_us)
		return true;
	if (limits->next_us > now)
		return jobs_limit(w, j, limits->next_us) < 0;
	limits->next_us = now + limits->interval_us;
	return true;
}

/* With the lock. NULL: the thread is to end. */
static struct job *next_job(struct worker *w, struct slot *slot)
{
	int64_t hard_us;
	struct job *j;

	for (;;) {
		if (atomic_load(&w->stopping) || slot->abandoned)
			return NULL;
		j = atomic_load(&w->draining) ? NULL : TAILQ_FIRST(&w->ready);
		if (j && pass_rate(w, j))
			break;
		if (!j)
			pthread_cond_wait(&w->work, &w->lock);
	}
	jobs_start(w, j, slot);
	w->limits[worker_task_index(j->policy)].total++;
	j->started = clock_now();
	j->started_us = clock_monotonic_us();
	worker_limits(w, j, &j->soft_us, &hard_us);
	j->hard_at_us = hard_us == INT64_MAX ? INT64_MAX : j->started_us + hard_us;
	return j;
}

/* ---- one job ---- */

static bool has_succeeded(struct worker *w, const struct message *m)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	json_t *stored = NULL;
	bool found = false, success;

	if (broker_result(w->redis, m->id, &text, &found) < 0 || !found)
		return false;
	stored = json_loadb(text.data, text.len, JSON_ALLOW_NUL, NULL);
	success = str_is(message_text(stored, "status"), "SUCCESS");
	json_decref(stored);
	return success;
}

/* Whether it need not be run: its end, which may be NULL without memory. */
static bool pass_over(struct worker *w, struct job *j, struct ending **ret_ending)
{
	if (j->message.expires.us != NULL_TIME.us && j->message.expires.us < clock_now().us)
		*ret_ending = ending_revoked(w, j, "expired");
	else if (revoked_has(w->revoked, j->message.id))
		*ret_ending = ending_revoked(w, j, "revoked");
	else if (j->message.redelivered && has_succeeded(w, &j->message))
		*ret_ending = ending_done_before(j);
	else
		return false;
	return true;
}

/* The run is over: unless it had been given up, nobody gives it up any more. */
static bool claim_end(struct worker *w, struct job *j)
{
	bool mine;

	pthread_mutex_lock(&w->lock);
	mine = !atomic_load(&j->given_up);
	j->ending = true;
	pthread_mutex_unlock(&w->lock);
	return mine;
}

static struct ending *end(struct worker *w, const struct job *j, struct task_run *run, enum task_outcome outcome)
{
	int64_t runtime_us = clock_monotonic_us() - j->started_us;
	struct ending *e;

	if (outcome == TASK_SUCCEEDED)
		e = ending_success(w, j, buf_view(&run->result), runtime_us);
	else if (outcome == TASK_RETRY)
		e = ending_retry(w, j, &run->error, run->retry_after_s);
	else
		e = ending_failure(w, j, &run->error, true);
	task_report(run, outcome, runtime_us, "worker");
	return e;
}

/* Its end; NULL: it had been given up. */
static struct ending *execute(struct worker *w, struct slot *slot, struct job *j)
{
	struct ending *e = NULL;
	struct arena arena;
	struct task_run run = { .services = w->config.services,
		                .policy = j->policy,
		                .db = slot->db,
		                .arena = &arena,
		                .args = j->message.args,
		                .kwargs = j->message.kwargs,
		                .retries = j->message.retries,
		                .from_beat = j->message.from_beat,
		                .outbox_id = NULL_INT,
		                .soft_limit_us = j->soft_us,
		                .given_up = &j->given_up };
	enum task_outcome outcome;

	snprintf(run.id, sizeof(run.id), "%.*s", STR_ARG(j->message.id));
	arena_init(&arena, ARENA_BYTES);
	events_task_started(w->events, &j->message);
	outcome = task_execute(&run);
	if (claim_end(w, j))
		e = end(w, j, &run, outcome);
	task_run_finish(&run);
	arena_finish(&arena);
	return e;
}

static void run_job(struct worker *w, struct slot *slot, struct job *j)
{
	struct ending *e = NULL;

	if (!pass_over(w, j, &e))
		e = execute(w, slot, j);
	worker_end(w, j, e);
}

/* ---- a thread ---- */

static void release(struct slot *slot)
{
	db_disconnect(slot->db);
	free(slot);
}

/* An abandoned one frees itself; the others are joined by worker_destroy. */
static void *run_jobs(void *arg)
{
	struct slot *slot = arg;
	struct worker *w = slot->worker;
	struct job *j;
	bool abandoned;

	pthread_mutex_lock(&w->lock);
	while ((j = next_job(w, slot))) {
		pthread_mutex_unlock(&w->lock);
		run_job(w, slot, j);
		pthread_mutex_lock(&w->lock);
	}
	abandoned = slot->abandoned;
	if (abandoned)
		w->n_abandoned--;
	pthread_mutex_unlock(&w->lock);
	if (abandoned) {
		pthread_detach(pthread_self());
		release(slot);
	}
	return NULL;
}

int worker_add_slot(struct worker *w, struct error *err)
{
	struct slot *slot = mem_alloc(sizeof(*slot));
	char name[16];
	int r;

	if (!slot)
		return error_set(err, ERR_NOMEM, "out of memory");
	slot->worker = w;
	r = db_connect(w->config.services->db, &slot->db, err);
	if (r < 0) {
		free(slot);
		return r;
	}
	pthread_mutex_lock(&w->lock);
	if (pthread_create(&slot->thread, NULL, run_jobs, slot) == 0) {
		TAILQ_INSERT_TAIL(&w->slots, slot, next);
		snprintf(name, sizeof(name), "task-%zu", w->n_slots++);
		pthread_setname_np(slot->thread, name);
	} else {
		r = ERR_INTERNAL;
	}
	pthread_mutex_unlock(&w->lock);
	if (r < 0)
		release(slot);
	return r < 0 ? error_set(err, r, "cannot start a thread for tasks") : 0;
}
