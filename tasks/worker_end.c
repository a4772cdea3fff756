/*
 * How a job ends: what is stored, what follows, the acknowledgement, in one step on the server, and then its event. Those that nothing
 * follows are told together. What Redis could not be told is kept and told when it is back; a result for 60 s, acknowledgements and
 * what follows for as long as it takes.
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
#define TELLING_BYTES  ((size_t)1 << 20) /* of the results of one trip, unless one is larger */

/* ---- endings ---- */

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

static struct broker_end end_of(const struct worker *w, const struct ending *e)
{
	struct broker_end end = { .tag = str_of(e->tag), .id = str_of(e->id), .expires_s = w->expires_s };

	if (e->result.len && !e->result.failed)
		end.result = buf_view(&e->result);
	return end;
}

static int tell(struct worker *w, const struct ending *e)
{
	struct broker_message messages[BROKER_FOLLOWERS_MAX];
	struct broker_end end = end_of(w, e);

	end.followers = messages;
	end.n_followers = e->followers.n;
	for (size_t i = 0; i < e->followers.n; i++) {
		const struct follower *f = &e->followers.all[i];

		messages[i] = (struct broker_message){ str_of(f->queue), f->priority, buf_view(&f->envelope) };
	}
	return broker_finish(w->redis, &end);
}

/* ---- telling ---- */

/* What has been told is over; what has not is the monitor's from here on. The jobs are held no more. */
static void settle(struct worker *w, struct ending *const *endings, size_t n, bool told)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < n; i++) {
		if (endings[i]->job)
			jobs_remove(w, endings[i]->job);
		if (told)
			continue;
		STAILQ_INSERT_TAIL(&w->unsent, endings[i], next);
		w->n_unsent++;
	}
	pthread_mutex_unlock(&w->lock);
}

void worker_told(struct worker *w, struct telling *t, bool told)
{
	struct job *jobs[BROKER_ENDS_MAX];

	for (size_t i = 0; i < t->n; i++)
		jobs[i] = t->endings[i]->job;
	settle(w, t->endings, t->n, told);
	for (size_t i = 0; i < t->n; i++) {
		jobs_free(jobs[i]);
		if (!told)
			continue;
		events_put(w->events, &t->endings[i]->event);
		ending_destroy(t->endings[i]);
	}
	if (t->n && atomic_load(&w->draining))
		w->config.on_change(w->config.arg);
	t->n = 0;
}

static void tell_alone(struct worker *w, struct ending *take_ending)
{
	struct telling t = { .endings = { take_ending }, .n = 1 };

	worker_told(w, &t, tell(w, take_ending) == 0);
}

/* With the lock. */
static void leave_to_taker(struct worker *w, struct ending *e)
{
	STAILQ_INSERT_TAIL(&w->ended, e, next);
	if (w->taker_waits)
		worker_wake(w);
	w->taker_waits = false;
}

void worker_tell(struct worker *w, struct ending *take_ending)
{
	bool left;

	if (!take_ending)
		return;
	pthread_mutex_lock(&w->lock);
	left = !w->taker_done;
	if (left)
		leave_to_taker(w, take_ending);
	pthread_mutex_unlock(&w->lock);
	if (!left)
		tell_alone(w, take_ending);
}

/* The end of a job that is not left to the taker: none, for it was given up or there was no memory, or the taker has gone. */
static void end_here(struct worker *w, struct job *j, struct ending *e)
{
	if (e && !atomic_load(&j->given_up))
		tell_alone(w, e);
	else
		ending_destroy(e);
	pthread_mutex_lock(&w->lock);
	if (!atomic_load(&j->given_up))
		jobs_remove(w, j);
	pthread_mutex_unlock(&w->lock);
	jobs_free(j);
	worker_wake(w);
	if (atomic_load(&w->draining))
		w->config.on_change(w->config.arg);
}

void worker_end(struct worker *w, struct job *j, struct ending *e)
{
	bool left;

	pthread_mutex_lock(&w->lock);
	left = e && !w->taker_done && !atomic_load(&j->given_up);
	if (!atomic_load(&j->given_up))
		atomic_fetch_add(&w->processed, 1);
	if (left) {
		e->job = j;
		jobs_end(w, j);
		leave_to_taker(w, e);
	}
	pthread_mutex_unlock(&w->lock);
	if (!left)
		end_here(w, j, e);
}

/* With the lock: out of the list of what has ended, those that go together into t, the others into alone. */
static void sort_ended(struct worker *w, struct telling *t, struct endings *alone)
{
	struct ending *e;
	size_t bytes = 0;

	while (t->n < BROKER_ENDS_MAX && (e = STAILQ_FIRST(&w->ended)) && (!bytes || bytes + e->result.len <= TELLING_BYTES)) {
		STAILQ_REMOVE_HEAD(&w->ended, next);
		if (e->followers.n) {
			STAILQ_INSERT_TAIL(alone, e, next);
			continue;
		}
		bytes += e->result.len;
		t->ends[t->n] = end_of(w, e);
		t->endings[t->n++] = e;
	}
}

void worker_collect(struct worker *w, struct telling *t, size_t *ret_room)
{
	struct endings alone = STAILQ_HEAD_INITIALIZER(alone);
	struct ending *e;
	size_t leaving = 0;

	t->n = 0;
	pthread_mutex_lock(&w->lock);
	sort_ended(w, t, &alone);
	pthread_mutex_unlock(&w->lock);
	while ((e = STAILQ_FIRST(&alone))) {
		STAILQ_REMOVE_HEAD(&alone, next);
		tell_alone(w, e);
	}
	for (size_t i = 0; i < t->n; i++)
		leaving += t->endings[i]->job != NULL;
	pthread_mutex_lock(&w->lock);
	*ret_room = jobs_room(w, leaving);
	pthread_mutex_unlock(&w->lock);
}

/* ---- what Redis could not be told ---- */

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

static void remove_told(struct worker *w, struct ending *e)
{
	pthread_mutex_lock(&w->lock);
	STAILQ_REMOVE_HEAD(&w->unsent, next);
	w->n_unsent--;
	w->n_refused -= e->refused;
	pthread_mutex_unlock(&w->lock);
	events_put(w->events, &e->event);
	ending_destroy(e);
	w->config.on_change(w->config.arg);
}

/* The others go before it from now on. */
static void move_refused(struct worker *w, struct ending *e)
{
	pthread_mutex_lock(&w->lock);
	STAILQ_REMOVE_HEAD(&w->unsent, next);
	STAILQ_INSERT_TAIL(&w->unsent, e, next);
	w->n_refused += !e->refused;
	e->refused = true;
	pthread_mutex_unlock(&w->lock);
	w->config.on_change(w->config.arg);
}

/* Only the monitor takes out of the list, so the first stays where it is without the lock. Each is tried once, of the refused one. */
void worker_send_unsent(struct worker *w)
{
	bool refused = false;
	struct ending *e;
	size_t n;

	drop_old_results(w);
	pthread_mutex_lock(&w->lock);
	n = w->n_unsent;
	pthread_mutex_unlock(&w->lock);
	while (n-- > 0 && (e = first_unsent(w)) && redis_usable(w->redis, REDIS_TASKS)) {
		int r = e->refused && refused ? ERR_INTERNAL : tell(w, e);

		refused |= e->refused;
		if (r == 0)
			remove_told(w, e);
		else if (r == ERR_UNAVAILABLE || r == ERR_TIMEOUT)
			return;
		else
			move_refused(w, e);
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

int worker_put_back(struct worker *w, const struct job *j)
{
	CLEANUP(buf_finish) struct buf envelope = BUF_EMPTY;
	const struct message *m = &j->message;
	int r = message_add_restored(&envelope, m, false);

	return r < 0 ? r : broker_put_back(w->redis, str_of(j->tag), m->id, m->queue, m->priority, buf_view(&envelope), true);
}
