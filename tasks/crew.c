/*
 * One lock guards the list of waiting jobs and the state of the threads. A thread ("hand") owns its job, its connection and its arena;
 * what the relay must see of it (that it runs, since when, which row) is under the lock. A hand that has been abandoned is no longer
 * counted; when its job ends after all it says nothing of it and ends.
 */
#include "tasks/crew.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "tasks/crew_impl.h"
#include "tasks/report.h"

#define WAITING_PER_HAND 4 /* rows that lie ready, so that a claim is for several */
#define ARENA_BYTES      ((size_t)64 << 20)

static void free_job(struct crew_job *job)
{
	free(job);
}

/* ---- the threads ---- */

/* The next job, the lock held; NULL: the end. */
static struct crew_job *take_locked(struct crew *c)
{
	struct crew_job *job;

	while (!c->jobs && !c->ending)
		pthread_cond_wait(&c->work, &c->lock);
	job = c->jobs;
	if (c->ending || !job)
		return NULL;
	c->jobs = job->next;
	if (!c->jobs)
		c->last = &c->jobs;
	c->waiting--;
	return job;
}

static void tell_figures_locked(struct crew *c)
{
	metric_set(c->queue_metric, c->waiting);
	metric_set(c->running_metric, c->running);
}

static void begin_locked(struct crew_hand *h, struct crew_job *job)
{
	h->job = job;
	h->hard_deadline_us = INT64_MAX; /* until the job is known */
	h->crew->running++;
	tell_figures_locked(h->crew);
}

/* False: the hand was abandoned meanwhile. */
static bool end_locked(struct crew_hand *h)
{
	struct crew *c = h->crew;

	free_job(h->job);
	h->job = NULL;
	if (h->abandoned) {
		c->abandoned--;
		return false;
	}
	c->running--;
	tell_figures_locked(c);
	pthread_cond_broadcast(&c->idle);
	return true;
}

static void *work(void *arg)
{
	struct crew_hand *h = arg;
	struct crew *c = h->crew;
	struct crew_job *job;
	bool stay = true;

	pthread_setname_np(pthread_self(), "tasks-local");
	pthread_mutex_lock(&c->lock);
	while (stay && (job = take_locked(c))) {
		bool room = c->waiting <= c->config.workers;

		begin_locked(h, job);
		pthread_mutex_unlock(&c->lock);
		if (room)
			c->config.on_room(c->config.arg);
		crew_run(h, job);
		pthread_mutex_lock(&c->lock);
		stay = end_locked(h);
		if (!c->jobs) {
			pthread_mutex_unlock(&c->lock);
			c->config.on_room(c->config.arg);
			pthread_mutex_lock(&c->lock);
		}
	}
	h->ended = true;
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void free_hand(struct crew_hand *h)
{
	db_disconnect(h->db);
	arena_finish(&h->arena);
	free(h);
}

static int add_hand(struct crew *c, struct error *err)
{
	struct crew_hand *h = mem_alloc(sizeof(*h));
	int r;

	if (!h)
		return error_set(err, ERR_NOMEM, "out of memory");
	h->crew = c;
	arena_init(&h->arena, ARENA_BYTES);
	r = db_connect(c->config.services->db, &h->db, err);
	if (r < 0) {
		free_hand(h);
		return r;
	}
	pthread_mutex_lock(&c->lock);
	h->next = c->hands;
	c->hands = h;
	if (pthread_create(&h->thread, NULL, work, h) != 0) {
		c->hands = h->next;
		r = error_set(err, ERR_INTERNAL, "cannot start a local worker");
	}
	pthread_mutex_unlock(&c->lock);
	if (r < 0)
		free_hand(h);
	return r;
}

/* ---- life ---- */

int crew_create(const struct crew_config *config, struct crew **ret_crew)
{
	struct crew *c = mem_alloc(sizeof(*c));
	pthread_condattr_t monotonic;

	if (!c)
		return ERR_NOMEM;
	c->config = *config;
	c->last = &c->jobs;
	c->queue_metric = metric_series(METRIC_TASKS_LOCAL_QUEUE, "");
	c->running_metric = metric_series(METRIC_TASKS_LOCAL_RUNNING, "");
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->work, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&c->idle, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*ret_crew = c;
	return 0;
}

int crew_start(struct crew *c, struct error *err)
{
	int r = 0;

	for (int i = 0; i < c->config.workers && r == 0; i++)
		r = add_hand(c, err);
	return r;
}

/* Ends and joins whoever can be: how many cannot. */
static int join_hands(struct crew *c)
{
	struct crew_hand **at = &c->hands;
	int left = 0;

	while (*at) {
		struct crew_hand *h = *at;
		bool gone;

		pthread_mutex_lock(&c->lock);
		gone = h->ended || !h->job;
		pthread_mutex_unlock(&c->lock);
		if (!gone) {
			left++;
			at = &h->next;
			continue;
		}
		pthread_join(h->thread, NULL);
		*at = h->next;
		free_hand(h);
	}
	return left;
}

int crew_destroy(struct crew *c)
{
	int left;

	if (!c)
		return 0;
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_broadcast(&c->work);
	pthread_mutex_unlock(&c->lock);
	left = join_hands(c);
	if (left)
		return left;
	while (c->jobs) {
		struct crew_job *job = c->jobs;

		c->jobs = job->next;
		free_job(job);
	}
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->work);
	pthread_cond_destroy(&c->idle);
	free(c);
	return 0;
}

/* ---- the relay's side ---- */

int64_t crew_room(struct crew *c)
{
	int64_t room;

	pthread_mutex_lock(&c->lock);
	room = c->ending ? 0 : (int64_t)c->config.workers * (1 + WAITING_PER_HAND) - c->waiting - c->running;
	pthread_mutex_unlock(&c->lock);
	return room > 0 ? room : 0;
}

static struct str copy_into(char **at, struct str text)
{
	struct str copy = { *at, text.len };

	memcpy(*at, text.s ? text.s : "", text.len);
	*at += text.len;
	return copy;
}

int crew_give(struct crew *c, const struct outbox_row *row)
{
	struct crew_job *job = mem_alloc(sizeof(*job) + row->name.len + row->task_id.len + row->queue.len + row->envelope.len);
	char *at;

	if (!job)
		return ERR_NOMEM;
	at = job->texts;
	job->row = *row;
	job->row.name = copy_into(&at, row->name);
	job->row.task_id = copy_into(&at, row->task_id);
	job->row.queue = copy_into(&at, row->queue);
	job->row.envelope = copy_into(&at, row->envelope);
	pthread_mutex_lock(&c->lock);
	*c->last = job;
	c->last = &job->next;
	c->waiting++;
	tell_figures_locked(c);
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

void crew_held(struct crew *c, struct buf *ids)
{
	pthread_mutex_lock(&c->lock);
	for (const struct crew_job *job = c->jobs; job; job = job->next)
		outbox_add_id(ids, job->row.id);
	for (const struct crew_hand *h = c->hands; h; h = h->next)
		if (h->job && !h->abandoned)
			outbox_add_id(ids, h->job->row.id);
	pthread_mutex_unlock(&c->lock);
}

void crew_take_back(struct crew *c, struct buf *ids)
{
	struct crew_job *job, *next;

	pthread_mutex_lock(&c->lock);
	job = c->jobs;
	c->jobs = NULL;
	c->last = &c->jobs;
	c->waiting = 0;
	tell_figures_locked(c);
	pthread_mutex_unlock(&c->lock);
	for (; job; job = next) {
		next = job->next;
		outbox_add_id(ids, job->row.id);
		free_job(job);
	}
}

void crew_hurry(struct crew *c)
{
	atomic_store(&c->hurry, true);
}

int crew_wait_idle(struct crew *c, int64_t until_us)
{
	struct timespec until = clock_wait_until(until_us - clock_monotonic_us());
	int running, r = 0;

	pthread_mutex_lock(&c->lock);
	while (c->running && r == 0)
		r = pthread_cond_timedwait(&c->idle, &c->lock, &until);
	running = c->running;
	pthread_mutex_unlock(&c->lock);
	return running;
}

int crew_abandoned(struct crew *c)
{
	int n;

	pthread_mutex_lock(&c->lock);
	n = c->abandoned;
	pthread_mutex_unlock(&c->lock);
	return n;
}

/* ---- the hard limit ---- */

/* Abandons one run that is too late, and copies what it was; false: there is none. */
static bool abandon_one(struct crew *c, struct crew_late *ret_late)
{
	bool found = false;

	pthread_mutex_lock(&c->lock);
	for (struct crew_hand *h = c->hands; h && !found; h = h->next) {
		if (!h->job || h->abandoned || clock_monotonic_us() < h->hard_deadline_us)
			continue;
		found = h->abandoned = true;
		c->abandoned++;
		c->running--;
		ret_late->id = h->job->row.id;
		snprintf(ret_late->name, sizeof(ret_late->name), "%.*s", STR_ARG(h->job->row.name));
		snprintf(ret_late->task_id, sizeof(ret_late->task_id), "%.*s", STR_ARG(h->job->row.task_id));
		tell_figures_locked(c);
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

/* An abandoned one whose run has ended after all, taken out of the list; NULL: there is none. */
static struct crew_hand *take_ended(struct crew *c)
{
	struct crew_hand **at = &c->hands, *h;

	pthread_mutex_lock(&c->lock);
	while ((h = *at) && !(h->abandoned && h->ended))
		at = &h->next;
	if (h)
		*at = h->next;
	pthread_mutex_unlock(&c->lock);
	return h;
}

void crew_watch(struct crew *c, struct db_conn *db)
{
	struct crew_late late;
	struct error err = { 0 };
	struct crew_hand *h;

	while ((h = take_ended(c))) {
		pthread_join(h->thread, NULL);
		free_hand(h);
	}
	while (abandon_one(c, &late)) {
		struct crew_end end = { .owner = str_of(c->config.owner), .id = late.id, .error = str_of("TimeLimitExceeded") };

		task_report_lost(str_of(late.name), str_of(late.task_id), "local", "TimeLimitExceeded: the run was abandoned");
		if (db_write(db, crew_bury, &end) < 0)
			log_write(LOG_ERROR, "tasks", "task.not_buried", LOG_FIELDS(LOG_STR("task", late.name)), "its row stays");
		if (crew_abandoned(c) <= TASK_ABANDONED_MAX && add_hand(c, &err) < 0)
			log_write(LOG_ERROR, "tasks", "crew.no_thread", LOG_NO_FIELDS, "%s", err.text);
	}
}
