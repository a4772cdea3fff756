/*
 * Telling Redis how jobs ended: what is stored, what follows, the acknowledgement, in one step on the server, and then the event.
 * Those that nothing follows are told together. What Redis could not be told is kept and told when it is back; a result for 60 s,
 * acknowledgements and what follows for as long as it takes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tasks/worker_impl.h"

#define RESULT_KEPT_US (60 * US_PER_S)
#define TELLING_BYTES  ((size_t)1 << 20) /* of the results of one trip, unless one is larger */

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

/* ---- given back ---- */

int worker_put_back(struct worker *w, const struct job *j)
{
	CLEANUP(buf_finish) struct buf envelope = BUF_EMPTY;
	const struct message *m = &j->message;
	int r = message_add_restored(&envelope, m, false);

	return r < 0 ? r : broker_put_back(w->redis, str_of(j->tag), m->id, m->queue, m->priority, buf_view(&envelope), true);
}
