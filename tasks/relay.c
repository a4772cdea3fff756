/* The relay's thread: it sleeps until it is woken, at most a second, and at the end waits for what runs. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/random.h"
#include "tasks/relay_impl.h"

#define SWEEP_US     US_PER_S       /* what other processes wrote wakes nobody here */
#define HURRY_US     (2 * US_PER_S) /* before the deadline what runs is told to hurry */
#define ARENA_BYTES  ((size_t)256 << 20)
#define END_CHECK_US (200 * US_PER_MS)

static int name_owner(struct relay *r)
{
	char host[33] = "", hex[UUID_HEX_SIZE];
	int result = random_uuid_hex(hex);

	gethostname(host, sizeof(host) - 1);
	snprintf(r->owner, sizeof(r->owner), "%.32s-%d-%.12s", host, (int)getpid(), hex);
	return result;
}

static void make_metrics(struct relay *r)
{
	static const char *const states[] = { "new", "sent", "dead" };

	r->to_redis = metric_series(METRIC_TASKS_RELAYED, "to=\"redis\"");
	r->to_local = metric_series(METRIC_TASKS_RELAYED, "to=\"local\"");
	r->push_errors = metric_series(METRIC_TASKS_RELAY_ERRORS, "");
	r->resent = metric_series(METRIC_TASKS_RESENT, "");
	r->oldest = metric_series(METRIC_TASKS_OUTBOX_AGE, "");
	r->oldest_sent = metric_series(METRIC_TASKS_SENT_AGE, "");
	r->unacked = metric_series(METRIC_TASKS_UNACKED, "");
	r->queue = metric_series(METRIC_TASKS_QUEUE, "queue=\"celery\"");
	for (size_t i = 0; i < N_ELEMENTS(states); i++)
		r->rows[i] = metric_seriesf(METRIC_TASKS_OUTBOX, "state=\"%s\"", states[i]);
}

static void make_lock(struct relay *r)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static void wake(void *arg)
{
	relay_wake(arg);
}

int relay_create(const struct relay_config *config, struct relay **ret_relay, struct error *err)
{
	struct relay *r = mem_alloc(sizeof(*r));
	int result;

	if (!r)
		return error_set(err, ERR_NOMEM, "out of memory");
	r->config = *config;
	if (!r->config.find)
		r->config.find = task_find;
	arena_init(&r->arena, ARENA_BYTES);
	make_lock(r);
	make_metrics(r);
	atomic_init(&r->pulse_us, clock_monotonic_us());
	const struct crew_config local = { .services = config->services,
		                           .owner = r->owner,
		                           .workers = config->local_workers,
		                           .find = r->config.find,
		                           .on_room = wake,
		                           .arg = r };
	result = name_owner(r);
	if (result == 0)
		result = crew_create(&local, &r->crew);
	if (result < 0) {
		relay_destroy(r);
		return error_set(err, result, "%s", error_name(result));
	}
	*ret_relay = r;
	return 0;
}

void relay_wake(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	r->woken = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* True: go on; false: the end has come. */
static bool sleep_until_woken(struct relay *r, bool more)
{
	struct timespec until = clock_wait_until(SWEEP_US);
	bool go_on;

	pthread_mutex_lock(&r->lock);
	if (!more && !r->woken && !r->draining)
		pthread_cond_timedwait(&r->changed, &r->lock, &until);
	r->woken = false;
	go_on = !r->draining;
	pthread_mutex_unlock(&r->lock);
	return go_on;
}

/* ---- the end ---- */

static void give_back_waiting(struct relay *r)
{
	CLEANUP(buf_finish) struct buf ids = BUF_EMPTY;

	crew_take_back(r->crew, &ids);
	relay_give_back(r, &ids, NULL);
}

static void give_back_running(struct relay *r)
{
	CLEANUP(buf_finish) struct buf ids = BUF_EMPTY;

	crew_held(r->crew, &ids);
	relay_give_back(r, &ids, "cut: its process ended");
}

static void wind_up(struct relay *r)
{
	int64_t left_us = r->deadline_us - clock_monotonic_us();
	int64_t hurry_at_us = r->deadline_us - (left_us / 2 < HURRY_US ? left_us / 2 : HURRY_US);
	int running;

	give_back_waiting(r);
	while ((running = crew_wait_idle(r->crew, clock_monotonic_us() + END_CHECK_US)) > 0 && clock_monotonic_us() < r->deadline_us) {
		atomic_store(&r->pulse_us, clock_monotonic_us());
		relay_renew(r);
		if (clock_monotonic_us() >= hurry_at_us)
			crew_hurry(r->crew);
	}
	if (running)
		give_back_running(r);
	r->cut = running;
}

static void *run(void *arg)
{
	struct relay *r = arg;
	bool more;

	pthread_setname_np(pthread_self(), "relay");
	do {
		atomic_store(&r->pulse_us, clock_monotonic_us());
		atomic_fetch_add(&r->turns, 1);
		more = relay_turn(r);
	} while (sleep_until_woken(r, more));
	wind_up(r);
	return NULL;
}

int relay_start(struct relay *r, struct error *err)
{
	struct db *db = r->config.services->db;
	int result = db_connect(db, &r->db, err);

	if (result == 0)
		result = crew_start(r->crew, err);
	if (result < 0)
		return result;
	if (pthread_create(&r->thread, NULL, run, r) != 0)
		return error_set(err, ERR_INTERNAL, "cannot start the relay");
	r->started = true;
	outbox_watch(db, wake, r);
	return 0;
}

void relay_drain(struct relay *r, int64_t deadline_us)
{
	pthread_mutex_lock(&r->lock);
	if (!r->draining)
		r->deadline_us = deadline_us;
	r->draining = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

int relay_finish(struct relay *r)
{
	if (r->started) {
		pthread_join(r->thread, NULL);
		outbox_watch(r->config.services->db, NULL, r);
	}
	r->started = false;
	return r->cut;
}

int relay_destroy(struct relay *r)
{
	int left;

	if (!r)
		return 0;
	if (r->started) {
		relay_drain(r, clock_monotonic_us());
		relay_finish(r);
	}
	left = crew_destroy(r->crew);
	if (left)
		return left;
	db_disconnect(r->db);
	arena_finish(&r->arena);
	buf_finish(&r->pushed);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->changed);
	free(r);
	return 0;
}

int64_t relay_pulse_age_us(const struct relay *r)
{
	return clock_monotonic_us() - atomic_load(&r->pulse_us);
}

int64_t relay_turns(const struct relay *r)
{
	return atomic_load(&r->turns);
}

int relay_abandoned(const struct relay *r)
{
	return crew_abandoned(r->crew);
}
