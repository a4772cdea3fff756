/* The life of a worker. */
#include "tasks/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tasks/control.h"
#include "tasks/worker_impl.h"

#define OFFLINE_US (200 * US_PER_MS)

int worker_read_queues(const char *text, struct broker_queues *ret_queues)
{
	struct str rest = str_of(text), one;

	ret_queues->n = 0;
	while (str_split(&rest, ',', &one)) {
		one = str_trim(one);
		if (!one.len)
			continue;
		if (ret_queues->n == BROKER_QUEUES_MAX || one.len >= BROKER_QUEUE_SIZE)
			return ERR_INVALID;
		snprintf(ret_queues->names[ret_queues->n++], BROKER_QUEUE_SIZE, "%.*s", STR_ARG(one));
	}
	return ret_queues->n ? 0 : ERR_INVALID;
}

const struct task_policy *worker_find_task(const struct worker *w, struct str name)
{
	if (str_starts(name, "interop.") && !w->settings->interop_tasks)
		return NULL;
	return task_find(name);
}

size_t worker_task_index(const struct task_policy *policy)
{
	size_t n;

	return (size_t)(policy - task_all(&n));
}

/* ---- making ---- */

static struct worker *allocate(const struct worker_config *config)
{
	struct worker *w = mem_alloc(sizeof(*w));

	if (!w)
		return NULL;
	w->config = *config;
	w->settings = config->services->settings;
	w->redis = config->services->redis;
	snprintf(w->name, sizeof(w->name), "%s", config->name);
	w->visibility_us = w->settings->visibility_timeout * US_PER_S;
	w->expires_s = w->settings->celery_result_expires;
	w->queues = config->queues;
	w->queues_version = 1;
	w->started = clock_now();
	w->renewed_at_us = clock_monotonic_us();
	atomic_init(&w->last_take_us, clock_monotonic_us());
	atomic_init(&w->taker_pulse_us, clock_monotonic_us());
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	TAILQ_INIT(&w->all);
	TAILQ_INIT(&w->ready);
	TAILQ_INIT(&w->slots);
	STAILQ_INIT(&w->ended);
	STAILQ_INIT(&w->unsent);
	task_all(&w->n_tasks);
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return w;
}

static bool make_parts(struct worker *w)
{
	w->limits = mem_array(w->n_tasks ? w->n_tasks : 1, sizeof(*w->limits));
	w->revoked = revoked_create();
	w->events = events_create(w->redis, w->name, w->config.send_events);
	w->monitor = monitor_create("worker-monitor");
	return w->limits && w->revoked && w->events && w->monitor && w->wake_fd >= 0;
}

static int start(struct worker *w, struct error *err)
{
	int r = 0;

	for (int i = 0; i < w->config.concurrency && r == 0; i++)
		r = worker_add_slot(w, err);
	if (r < 0)
		return r;
	if (worker_keep(w) < 0 || monitor_start(w->monitor) < 0)
		return error_set(err, ERR_INTERNAL, "cannot start the worker's monitor");
	w->control = control_create(w);
	if (!w->control)
		return error_set(err, ERR_INTERNAL, "cannot listen to the control mailbox");
	events_worker(w->events, "worker-online", 0, 0);
	w->taker_runs = pthread_create(&w->taker, NULL, worker_take, w) == 0;
	if (!w->taker_runs)
		return error_set(err, ERR_INTERNAL, "cannot start the thread that takes tasks");
	pthread_setname_np(w->taker, "task-taker");
	return 0;
}

int worker_create(const struct worker_config *config, struct worker **ret_worker, struct error *err)
{
	struct worker *w = allocate(config);
	int r;

	if (!w)
		return error_set(err, ERR_NOMEM, "out of memory");
	r = make_parts(w) ? start(w, err) : error_set(err, ERR_NOMEM, "out of memory");
	if (r < 0) {
		worker_drain(w);
		worker_destroy(w);
		return r;
	}
	*ret_worker = w;
	return 0;
}

/* ---- ending ---- */

bool worker_wants_end(const struct worker *w)
{
	return atomic_load(&w->wants_end);
}

void worker_drain(struct worker *w)
{
	atomic_store(&w->draining, true);
	worker_wake(w);
}

bool worker_idle(struct worker *w)
{
	bool idle;

	pthread_mutex_lock(&w->lock);
	idle = (!w->taker_runs || w->taker_done) && w->n_running == 0 &&
	       (w->n_unsent == w->n_refused || !redis_usable(w->redis, REDIS_TASKS));
	pthread_mutex_unlock(&w->lock);
	return idle;
}

int64_t worker_pulse_age_us(const struct worker *w)
{
	return clock_monotonic_us() - atomic_load(&w->taker_pulse_us);
}

size_t worker_abandoned(struct worker *w)
{
	size_t n;

	pthread_mutex_lock(&w->lock);
	n = w->n_abandoned;
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* What still runs goes back to its list: somebody else runs it, from the beginning. How many there were. */
static size_t put_back_running(struct worker *w)
{
	struct job *j;
	size_t n = 0;

	pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH(j, &w->all, all)
	{
		atomic_store(&j->given_up, true);
		if (j->state == JOB_RUNNING)
			j->slot->left = true;
		worker_put_back(w, j); /* with the lock, once: nobody waits for it any more */
		n++;
	}
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* Stops the threads that can be stopped; false: some run on. */
static bool stop_slots(struct worker *w)
{
	size_t left = put_back_running(w);
	struct slot *s, *next;

	atomic_store(&w->stopping, true);
	pthread_mutex_lock(&w->lock);
	left += w->n_abandoned;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	for (s = TAILQ_FIRST(&w->slots); s; s = next) {
		next = TAILQ_NEXT(s, next);
		if (s->left)
			continue;
		pthread_join(s->thread, NULL);
		TAILQ_REMOVE(&w->slots, s, next);
		db_disconnect(s->db);
		free(s);
	}
	return left == 0;
}

static void release(struct worker *w)
{
	struct ending *e;

	STAILQ_CONCAT(&w->unsent, &w->ended);
	while ((e = STAILQ_FIRST(&w->unsent))) {
		STAILQ_REMOVE_HEAD(&w->unsent, next);
		ending_destroy(e);
	}
	revoked_destroy(w->revoked);
	free(w->limits);
	free(w->waiting);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

bool worker_destroy(struct worker *w)
{
	bool all;

	if (!w)
		return true;
	if (w->taker_runs)
		pthread_join(w->taker, NULL);
	control_destroy(w->control);
	monitor_destroy(w->monitor);
	if (w->n_unsent)
		worker_send_unsent(w);
	all = stop_slots(w);
	if (w->events) {
		events_flush(w->events);
		events_worker(w->events, "worker-offline", 0, atomic_load(&w->processed));
	}
	if (!all) {
		usleep(OFFLINE_US); /* the publisher's thread sends it; nothing that a run may still use is freed */
		return false;
	}
	events_destroy(w->events);
	release(w);
	return true;
}
