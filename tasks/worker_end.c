/*
 * The ends of jobs: the result to be stored, what follows, and the event. Telling Redis of them is in worker_tell.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tasks/report.h"
#include "tasks/worker_impl.h"

void ending_destroy(struct ending *e)
{
	if (!e)
		return;
	buf_finish(&e->result);
	buf_finish(&e->event);
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

/* ---- the ends ---- */

/* Ends that no run came to; those of a run are told by task_report. */
static void log_end(enum log_level level, const struct job *j, const char *event, const char *text)
{
	log_write(level, "tasks", event,
	          LOG_FIELDS(LOG_VIEW("task", j->message.task), LOG_VIEW("id", j->message.id), LOG_INT("retries", j->message.retries),
	                     LOG_STR("where", "worker")),
	          "%.*s %s", STR_ARG(j->message.task), text);
}

struct ending *ending_success(struct worker *w, const struct job *j, struct str value, int64_t runtime_us)
{
	struct result result = result_of(&j->message, RESULT_SUCCESS);
	struct ending *e = create(j);

	if (canvas_is_chord(&j->message))
		log_end(LOG_WARNING, j, "task.chord", "is part of a chord, which is not counted here");
	if (!e)
		return NULL;
	result.value = value;
	canvas_after_success(&j->message, value, &e->followers);
	write_result(e, j, result);
	events_write_succeeded(w->events, &e->event, &j->message, value, runtime_us);
	return e;
}

struct ending *ending_failure(struct worker *w, const struct job *j, const struct task_error *error, bool with_traceback)
{
	struct result result = result_of(&j->message, RESULT_FAILURE);
	struct ending *e = create(j);

	if (!e)
		return NULL;
	result.error = error;
	result.with_traceback = with_traceback;
	canvas_after_failure(&j->message, &e->followers);
	write_result(e, j, result);
	events_write_error(w->events, &e->event, "task-failed", &j->message, error, with_traceback);
	return e;
}

struct ending *ending_retry(struct worker *w, const struct job *j, const struct task_error *error, int64_t after_s)
{
	struct instant eta = { clock_now().us + after_s * US_PER_S };
	struct result result = result_of(&j->message, RESULT_RETRY);
	struct ending *e = create(j);
	struct follower *again = e ? followers_add(&e->followers) : NULL;

	if (!again || message_add_retry(&again->envelope, &j->message, eta) < 0) {
		ending_destroy(e);
		return NULL;
	}
	snprintf(again->queue, sizeof(again->queue), "%.*s", STR_ARG(j->message.queue));
	snprintf(again->id, sizeof(again->id), "%.*s", STR_ARG(j->message.id));
	again->priority = j->message.priority;
	result.error = error;
	result.with_traceback = true;
	write_result(e, j, result);
	events_write_error(w->events, &e->event, "task-retried", &j->message, error, true);
	return e;
}

struct ending *ending_revoked(struct worker *w, const struct job *j, const char *why)
{
	struct task_error error = result_error("celery.exceptions", "TaskRevokedError", "%s", why);
	struct result result = result_of(&j->message, RESULT_REVOKED);
	struct ending *e;

	result.error = &error;
	e = ending_create(j, &result);
	log_end(LOG_INFO, j, "task.revoked", why);
	if (e)
		events_write_revoked(w->events, &e->event, &j->message, false, strcmp(why, "expired") == 0);
	return e;
}

struct ending *ending_done_before(const struct job *j)
{
	log_end(LOG_INFO, j, "task.done_before", "was delivered again, and had been done");
	return create(j);
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
		events_write_revoked(w->events, &e->event, &j->message, true, false);
	else
		events_write_error(w->events, &e->event, "task-failed", &j->message, error, false);
	atomic_store(&j->given_up, true);
	jobs_remove(w, j);
	j->slot->abandoned = true;
	TAILQ_REMOVE(&w->slots, j->slot, next);
	w->n_slots--;
	w->n_abandoned++;
	atomic_fetch_add(&w->processed, 1);
	return e;
}
