/*
 * What is due at times: heartbeats, time limits, threads that are missing, what Redis could not be told, delivery times of what is
 * held, the restore sweep, and the watchdog over the thread that takes.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tasks/worker_impl.h"

#define TICK_US      (100 * US_PER_MS)
#define SWEEP_US     (100 * US_PER_S) /* kombu's (tasks.md 7.4, 5) */
#define WATCHDOG_US  (5 * US_PER_S)
#define SWEEP_MIN_US US_PER_S

/* ---- time limits ---- */

/* Gives up the first job that is beyond its hard limit; false: there is none. */
static bool give_up_late(struct worker *w)
{
	int64_t now = clock_monotonic_us();
	struct ending *e = NULL;
	struct job *j;

	pthread_mutex_lock(&w->lock);
	TAILQ_FOREACH(j, &w->all, all)
	if (j->state == JOB_RUNNING && !j->ending && now >= j->hard_at_us)
		break;
	if (j) {
		double limit_s = (double)(j->hard_at_us - j->started_us) / (double)US_PER_S;
		struct task_error error = result_error("billiard.exceptions", "TimeLimitExceeded", "%.10g", limit_s);

		e = worker_give_up(w, j, &error, false);
	}
	pthread_mutex_unlock(&w->lock);
	worker_tell(w, e);
	return e;
}

static int64_t at_most(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How many threads take the place of abandoned ones, which keep theirs and a database connection: of so many at most. With the lock. */
static size_t lacking_slots(const struct worker *w)
{
	int64_t lacking = w->config.concurrency - (int64_t)w->n_slots;

	return (size_t)at_most(lacking, lacking + TASK_ABANDONED_MAX - (int64_t)w->n_abandoned);
}

static void add_slots(struct worker *w, size_t n)
{
	struct error err = { 0 };

	while (n-- > 0 && worker_add_slot(w, &err) == 0)
		;
	worker_wake(w);
}

static void tick(void *arg)
{
	struct worker *w = arg;
	size_t lacking;
	bool unsent;

	while (give_up_late(w))
		;
	pthread_mutex_lock(&w->lock);
	lacking = atomic_load(&w->stopping) ? 0 : lacking_slots(w);
	unsent = w->n_unsent > 0;
	pthread_mutex_unlock(&w->lock);
	if (lacking)
		add_slots(w, lacking);
	if (unsent)
		worker_send_unsent(w);
	events_flush(w->events);
	log_flush(); /* the log promises its lines within 100 ms */
}

/* ---- heartbeats ---- */

static void beat(void *arg)
{
	struct worker *w = arg;
	int64_t active;

	pthread_mutex_lock(&w->lock);
	active = (int64_t)w->n_running;
	pthread_mutex_unlock(&w->lock);
	events_worker(w->events, "worker-heartbeat", active, atomic_load(&w->processed));
}

/* ---- delivery times ---- */

/* Copies of the tags of all that is held; NULL when that is nothing, or without memory. */
static char (*copy_tags(struct worker *w, size_t *ret_n))[BROKER_TAG_SIZE]
{
	char(*tags)[BROKER_TAG_SIZE];
	struct job *j;
	size_t n = 0;

	pthread_mutex_lock(&w->lock);
	tags = w->n_held ? mem_array(w->n_held, sizeof(*tags)) : NULL;
	if (tags)
		TAILQ_FOREACH(j, &w->all, all)
	memcpy(tags[n++], j->tag, sizeof(j->tag));
	*ret_n = tags ? n : w->n_held;
	pthread_mutex_unlock(&w->lock);
	return tags;
}

/* 0, or why what is held looks older than it is. */
static int renew(struct worker *w)
{
	size_t n;
	char(*copies)[BROKER_TAG_SIZE] = copy_tags(w, &n);
	struct str *tags = copies ? mem_array(n, sizeof(*tags)) : NULL;
	int r = n && !tags ? ERR_NOMEM : 0;

	for (size_t i = 0; tags && i < n; i++)
		tags[i] = str_of(copies[i]);
	if (tags)
		r = broker_renew(w->redis, tags, n);
	free(tags);
	free(copies);
	return r;
}

static void sweep(struct worker *w)
{
	size_t restored = 0, buried = 0;

	if (broker_restore(w->redis, w->visibility_us, w->expires_s, &restored, &buried) < 0)
		return;
	if (restored)
		log_write(LOG_WARNING, "tasks.worker", "worker.restored", LOG_FIELDS(LOG_INT("messages", (int64_t)restored)),
		          "messages that nobody finished went back to their queues");
	if (buried)
		log_write(LOG_ERROR, "tasks.worker", "worker.buried", LOG_FIELDS(LOG_INT("messages", (int64_t)buried)),
		          "messages that cannot be finished were moved to " BROKER_DEAD);
}

static void keep_deliveries(void *arg)
{
	struct worker *w = arg;
	int64_t now = clock_monotonic_us(), quarter = w->visibility_us / 4;

	if (!redis_usable(w->redis, REDIS_TASKS))
		return;
	if (now >= w->renewed_at_us + quarter) {
		if (renew(w) < 0)
			return; /* again with the next turn; a sweep would find what is our own */
		w->renewed_at_us = now;
	}
	if (!w->swept_at_us || now >= w->swept_at_us + at_most(SWEEP_US, quarter > SWEEP_MIN_US ? quarter : SWEEP_MIN_US)) {
		w->swept_at_us = now;
		sweep(w);
	}
}

/* ---- the watchdog ---- */

/*
 * A worker that has room and a Redis, and whose queue is not empty, takes: if the thread has not looked for a while, its connection
 * is not what it seems, and is made again.
 */
static void watch(void *arg)
{
	struct worker *w = arg;
	int64_t now = clock_monotonic_us(), waiting = 0;
	struct broker_queues queues;
	size_t room;

	pthread_mutex_lock(&w->lock);
	room = jobs_room(w, 0);
	queues = w->queues;
	pthread_mutex_unlock(&w->lock);
	if (!room || !queues.n || atomic_load(&w->draining) || !redis_usable(w->redis, REDIS_TASKS) ||
	    now - atomic_load(&w->last_take_us) < WATCHDOG_US)
		return;
	if (broker_waiting(w->redis, &queues, &waiting) < 0 || !waiting)
		return;
	log_write(LOG_ERROR, "tasks.worker", "worker.stalled", LOG_FIELDS(LOG_INT("waiting", waiting)),
	          "messages wait and none was taken for 5 s: the connection is made again");
	atomic_store(&w->last_take_us, now);
	atomic_store(&w->reconnect, true);
	worker_wake(w);
}

int worker_keep(struct worker *w)
{
	static const struct {
		int64_t interval_us;
		void (*fn)(void *worker);
	} watches[] = { { TICK_US, tick }, { EVENTS_HEARTBEAT_US, beat }, { 500 * US_PER_MS, keep_deliveries }, { US_PER_S, watch } };
	int r = 0;

	for (size_t i = 0; i < N_ELEMENTS(watches) && r == 0; i++)
		r = monitor_watch(w->monitor, watches[i].interval_us, watches[i].fn, w);
	return r;
}
