/*
 * One mutex guards the plan (when each watch is due); the watches run without it. The thread sleeps on a condition until
 * the earliest time or a wake: it never polls.
 */
#include "resilience/monitor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

#define MAX_WATCHES 16
#define IDLE_US     (60 * US_PER_S) /* the longest sleep, when nothing is due earlier */

struct watch {
	int64_t interval_us;
	int64_t next_us; /* monotonic */
	void (*fn)(void *arg);
	void *arg;
};

struct monitor {
	char name[16];
	pthread_mutex_t lock; /* all that follows but pulse_us */
	pthread_cond_t changed;
	struct watch watches[MAX_WATCHES];
	size_t n;
	struct watch *running; /* the watch whose function runs, on the monitor's thread */
	bool started;
	bool stopping;
	bool woken;
	pthread_t thread;
	_Atomic int64_t pulse_us; /* monotonic */
};

struct monitor *monitor_create(const char *name)
{
	struct monitor *m = mem_alloc(sizeof(*m));
	pthread_condattr_t attributes;

	if (!m)
		return NULL;
	snprintf(m->name, sizeof(m->name), "%s", name);
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&m->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	atomic_init(&m->pulse_us, clock_monotonic_us());
	return m;
}

int monitor_watch(struct monitor *m, int64_t interval_us, void (*fn)(void *arg), void *arg)
{
	if (m->started || interval_us <= 0)
		return ERR_INVALID;
	if (m->n == MAX_WATCHES)
		return ERR_LIMIT;
	m->watches[m->n++] = (struct watch){ .interval_us = interval_us, .fn = fn, .arg = arg };
	return 0;
}

static void beat(struct monitor *m)
{
	atomic_store(&m->pulse_us, clock_monotonic_us());
}

/* Runs one watch, the lock released meanwhile. */
static void run_watch(struct monitor *m, struct watch *w)
{
	w->next_us = clock_monotonic_us() + w->interval_us;
	m->running = w;
	pthread_mutex_unlock(&m->lock);
	w->fn(w->arg);
	beat(m);
	pthread_mutex_lock(&m->lock);
	m->running = NULL;
}

static void run_due(struct monitor *m)
{
	bool all = m->woken;

	m->woken = false;
	for (size_t i = 0; i < m->n && !m->stopping; i++)
		if (all || m->watches[i].next_us <= clock_monotonic_us())
			run_watch(m, &m->watches[i]);
}

static int64_t time_to_next(const struct monitor *m)
{
	int64_t now = clock_monotonic_us(), next = now + IDLE_US;

	for (size_t i = 0; i < m->n; i++)
		if (m->watches[i].next_us < next)
			next = m->watches[i].next_us;
	return next > now ? next - now : 0;
}

/* Until something is due or somebody calls; the lock is held before and after. */
static void sleep_locked(struct monitor *m)
{
	struct timespec until = clock_wait_until(time_to_next(m));

	if (!m->woken && !m->stopping)
		pthread_cond_timedwait(&m->changed, &m->lock, &until);
}

static void *run(void *arg)
{
	struct monitor *m = arg;

	pthread_setname_np(pthread_self(), m->name); /* from within: from outside it needs /proc */
	pthread_mutex_lock(&m->lock);
	while (!m->stopping) {
		beat(m);
		run_due(m);
		if (!m->stopping)
			sleep_locked(m);
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

int monitor_start(struct monitor *m)
{
	if (m->started)
		return ERR_INVALID;
	m->started = true;
	if (pthread_create(&m->thread, NULL, run, m) != 0) {
		m->started = false;
		return ERR_INTERNAL;
	}
	return 0;
}

void monitor_wake(struct monitor *m)
{
	pthread_mutex_lock(&m->lock);
	m->woken = true;
	pthread_cond_signal(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

void monitor_again_at(struct monitor *m, int64_t at_us)
{
	pthread_mutex_lock(&m->lock);
	if (m->running && at_us < m->running->next_us)
		m->running->next_us = at_us;
	pthread_mutex_unlock(&m->lock);
}

int64_t monitor_pulse_age_us(const struct monitor *m)
{
	return clock_monotonic_us() - atomic_load(&m->pulse_us);
}

void monitor_destroy(struct monitor *m)
{
	if (!m)
		return;
	if (m->started) {
		pthread_mutex_lock(&m->lock);
		m->stopping = true;
		pthread_cond_signal(&m->changed);
		pthread_mutex_unlock(&m->lock);
		pthread_join(m->thread, NULL);
	}
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	free(m);
}
