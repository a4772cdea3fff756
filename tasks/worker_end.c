/*
 * How a job ends: what is stored, what follows, the acknowledgement, in one step on the server. What Redis could not be told is kept
 * and told when it is back; a result for 60 s, acknowledgements and what follows for as long as it takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tasks/report.h"
#include "tasks/worker_impl.h"

#define RESULT_KEPT_US (60 * US_PER_S)

/* ---- endings ---- */

void ending_destroy(struct ending *e)
{
	if (!e)
		return;
	buf_finish(&e->result);
	followers_finish(&e->followers);
	free(e);
}

static struct ending *create(const struct job *j)
{
	struct ending *e = mem_alloc(sizeof(*e));

	if (!e) {
		log_write(LOG_ERROR, "tasks.worker", "task.lost_result", LOG_FIELDS(LOG_VIEW("id", j->message.id)), "out of memory");
		return NULL;
	}
	snprintf(e->tag, sizeof(e->tag), "%s", j->tag);
	snprintf(e->id, sizeof(e->id), "%.*s", STR_ARG(j->message.id));
	e->born_us = clock_monotonic_us();
	return e;
}

/* The result, which names those that follow as its children. */
static void write_result(struct ending *e, const struct job *j, struct result result)
{
	if (j->message.ignore_result)
		return;
	for (size_t i = 0; i < e->followers.n && i < RESULT_CHILDREN_MAX; i++)
		result.children[result.n_children++] = str_of(e->followers.all[i].id);
	result_write(&e->result, &result);
}

struct ending *ending_create(const struct job *j, const struct result *result)
{
	struct ending *e = create(j);

	if (e)
		write_result(e, j, *result);
	return e;
}

static int tell(struct worker *w, const struct ending *e)
{
	struct broker_message messages[BROKER_FOLLOWERS_MAX];
	struct broker_end end = {
		.tag = str_of(e->tag), .id = str_of(e->id), .expires_s = w->expires_s, .followers = messages, .n_followers = e->followers.n
	};

	if (e->result.len && !e->result.failed)
		end.result = buf_view(&e->result);
	for (size_t i = 0; i < e->followers.n; i++) {
		const struct follower *f = &e->followers.all[i];

		messages[i] = (struct broker_message){ str_of(f->queue), f->priority, buf_view(&f->envelope) };
	}
	return broker_finish(w->redis, &end);
}

void worker_tell(struct worker *w, struct ending *take_ending)
{
	if (!take_ending)
		return;
	if (tell(w, take_ending) == 0) {
		ending_destroy(take_ending);
		return;
	}
	pthread_mutex_lock(&w->lock);
	STAILQ_INSERT_TAIL(&w->unsent, take_ending, next);
	w->n_unsent++;
	pthread_mutex_unlock(&w->lock);
}

/* A result that nobody could be told for a minute is given up; the acknowledgement is not. */
static void drop_result(struct ending *e)
{
	if (!e->result.len || clock_monotonic_us() - e->born_us < RESULT_KEPT_US)
		return;
	log_write(LOG_ERROR, "tasks.worker", "task.result_dropped", LOG_FIELDS(LOG_STR("id", e->id)),
	          "the result could not be stored for 60 s and is dropped");
	buf_finish(&e->result);
}

static struct ending *first_unsent(struct worker *w)
{
	struct ending *e;

	pthread_mutex_lock(&w->lock);
	e = STAILQ_FIRST(&w->unsent);
	pthread_mutex_unlock(&w->lock);
	return e;
}

static void drop_old_results(struct worker *w)
{
	struct ending *e;

	pthread_mutex_lock(&w->lock);
	STAILQ_FOREACH(e, &w->unsent, next)
	drop_result(e);
	pthread_mutex_unlock(&w->lock);
}

/* Only the monitor takes out of the list, so the first stays where it is without the lock. */
void worker_send_unsent(struct worker *w)
{
	struct ending *e;

	drop_old_results(w);
	while ((e = first_unsent(w)) && redis_usable(w->redis, REDIS_TASKS) && tell(w, e) == 0) {
		pthread_mutex_lock(&w->lock);
		STAILQ_REMOVE_HEAD(&w->unsent, next);
		w->n_unsent--;
		pthread_mutex_unlock(&w->lock);
		ending_destroy(e);
		w->config.on_change(w->config.arg);
	}
}

/* ---- the ends ---- */

/* Ends that no run came to; those of a run are told by task_report. */
static void log_end(enum log_level level, const struct job *j, const char *event, const char *text)
{
	log_write(level, "tasks", event,
	          LOG_FIELDS(LOG_VIEW("task", j->message.task), LOG_VIEW("id", j->message.id), LOG_INT("retries", j->message.retries),
	                     LOG_STR("where", "worker")),
	          "%.*s %s", STR_ARG(j->message.task), text);
}

void worker_end_success(struct worker *w, struct job *j, struct str value, int64_t runtime_us)
{
	struct result result = result_of(&j->message, RESULT_SUCCESS);
	struct ending *e = create(j);

	result.value = value;
	if (canvas_is_chord(&j->message))
		log_end(LOG_WARNING, j, "task.chord", "is part of a chord, which is not counted here");
	if (e) {
		canvas_after_success(&j->message, value, &e->followers);
		write_result(e, j, result);
	}
	worker_tell(w, e);
	events_task_succeeded(w->events, &j->message, value, runtime_us);
}

void worker_end_failure(struct worker *w, struct job *j, const struct task_error *error, bool with_traceback)
{
	struct result result = result_of(&j->message, RESULT_FAILURE);
	struct ending *e = create(j);

	result.error = error;
	result.with_traceback = with_traceback;
	if (e) {
		canvas_after_failure(&j->message, &e->followers);
		write_result(e, j, result);
	}
	worker_tell(w, e);
	events_task_error(w->events, "task-failed", &j->message, error, with_traceback);
}

/* The same message, later; without memory for it the old one is not acknowledged, and comes back by itself. */
void worker_end_retry(struct worker *w, struct job *j, const struct task_error *error, int64_t after_s)
{
	struct instant eta = { clock_now().us + after_s * US_PER_S };
	struct result result = result_of(&j->message, RESULT_RETRY);
	struct ending *e = create(j);
	struct follower *again = e ? followers_add(&e->followers) : NULL;

	if (!again || message_add_retry(&again->envelope, &j->message, eta) < 0) {
		ending_destroy(e);
		return;
	}
	snprintf(again->queue, sizeof(again->queue), "%.*s", STR_ARG(j->message.queue));
	snprintf(again->id, sizeof(again->id), "%.*s", STR_ARG(j->message.id));
	again->priority = j->message.priority;
	result.error = error;
	result.with_traceback = true;
	write_result(e, j, result);
	worker_tell(w, e);
	events_task_error(w->events, "task-retried", &j->message, error, true);
}

void worker_end_revoked(struct worker *w, struct job *j, const char *why)
{
	struct task_error error = result_error("celery.exceptions", "TaskRevokedError", "%s", why);
	struct result result = result_of(&j->message, RESULT_REVOKED);

	result.error = &error;
	worker_tell(w, ending_create(j, &result));
	log_end(LOG_INFO, j, "task.revoked", why);
	events_task_revoked(w->events, &j->message, false, strcmp(why, "expired") == 0);
}

void worker_end_done_before(struct worker *w, struct job *j)
{
	worker_tell(w, create(j));
	log_end(LOG_INFO, j, "task.done_before", "was delivered again, and had been done");
}

struct ending *worker_give_up(struct worker *w, struct job *j, const struct task_error *error, bool terminated)
{
	struct result result = result_of(&j->message, terminated ? RESULT_REVOKED : RESULT_FAILURE);
	struct ending *e;

	result.error = error;
	e = ending_create(j, &result);
	if (!e)
		return NULL;
	if (!terminated)
		canvas_after_failure(&j->message, &e->followers);
	if (terminated)
		log_end(LOG_WARNING, j, "task.terminated", "was terminated: it is left to itself");
	else
		task_report_lost(j->message.task, j->message.id, "worker", "the hard limit has passed: it is left to itself");
	if (terminated)
		events_task_revoked(w->events, &j->message, true, false);
	else
		events_task_error(w->events, "task-failed", &j->message, error, false);
	atomic_store(&j->given_up, true);
	jobs_remove(w, j);
	j->slot->abandoned = true;
	TAILQ_REMOVE(&w->slots, j->slot, next);
	w->n_slots--;
	w->n_abandoned++;
	atomic_fetch_add(&w->processed, 1);
	return e;
}

int worker_put_back(struct worker *w, const struct job *j)
{
	CLEANUP(buf_finish) struct buf envelope = BUF_EMPTY;
	const struct message *m = &j->message;
	int r = message_add_restored(&envelope, m, false);

	return r < 0 ? r : broker_put_back(w->redis, str_of(j->tag), m->id, m->queue, m->priority, buf_view(&envelope), true);
}
