/* Made and taken down by the main thread; each part has threads of its own, which look after themselves. */
#include "app/background.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "resilience/monitor.h"
#include "resilience/redis.h"
#include "tasks/alert_now.h"
#include "tasks/beat.h"
#include "tasks/pulse.h"
#include "tasks/redis_watch.h"
#include "tasks/relay.h"

#define STUCK_US       (10 * US_PER_S)  /* longer than any write may take */
#define BEAT_STUCK_US  (30 * US_PER_S)  /* it sleeps for five seconds, and may then wait for the database */
#define WATCH_STUCK_US (300 * US_PER_S) /* it sends mails, one after the other */
#define PROBE_US       (500 * US_PER_MS)

struct background {
	struct task_services services;
	struct relay *relay;
	struct redis_watch *redis_watch;
	struct beat *beat;
	struct pulse *pulse;
	struct monitor *database;
};

bool probe_add_check(struct buf *verbose, const char *name, bool good)
{
	if (verbose)
		buf_addf(verbose, "[%c]%s %s\n", good ? '+' : '-', name, good ? "ok" : "failed");
	return good;
}

static int start_relay(struct background *b, struct error *err)
{
	const struct settings *settings = b->services.settings;
	const struct relay_config config = {
		.services = &b->services,
		.local_workers = (int)settings->tasks_local_workers,
		.resend_us = settings->tasks_resend_s * US_PER_S,
	};
	int r = relay_create(&config, &b->relay, err);

	return r < 0 ? r : relay_start(b->relay, err);
}

static int start_redis_watch(struct background *b, struct error *err)
{
	const struct settings *settings = b->services.settings;
	const struct redis_watch_config config = {
		.services = &b->services,
		.alert_after_us = settings->redis_alert_after_s * US_PER_S,
		.every_us = settings->redis_check_s * US_PER_S,
		.send_alert = alert_send_now,
	};
	int r = redis_watch_create(&config, &b->redis_watch, err);

	return r < 0 ? r : redis_watch_start(b->redis_watch, err);
}

int background_start(const struct task_services *services, struct background **ret_background, struct error *err)
{
	struct background *b = mem_alloc(sizeof(*b));
	int r;

	if (!b)
		return error_set(err, ERR_NOMEM, "out of memory");
	*ret_background = b;
	b->services = *services;
	r = start_relay(b, err);
	return r < 0 ? r : start_redis_watch(b, err);
}

bool background_beats_here(const struct task_services *services)
{
	struct str beat = str_of(services->settings->beat);

	if (str_is(beat, "auto"))
		return !services->redis || !redis_configured(services->redis, REDIS_TASKS);
	return str_is(beat, "on");
}

int background_start_beat(struct background *b, struct error *err)
{
	int r = beat_create(b->services.db, NULL, 0, &b->beat, err);

	return r < 0 ? r : beat_start(b->beat, err);
}

int background_start_pulse(struct background *b, struct error *err)
{
	int r = pulse_create(&b->services, &b->pulse, err);

	return r < 0 ? r : pulse_start(b->pulse, err);
}

void background_tasks_state(void *background, struct tasks_state *ret_state)
{
	const struct background *b = background;

	pulse_state(b->pulse, ret_state);
}

static void look_after(void *arg)
{
	struct background *b = arg;

	log_flush();
	db_probe(b->services.db);
}

int background_watch_database(struct background *b, struct error *err)
{
	b->database = monitor_create("database");
	if (!b->database || monitor_watch(b->database, PROBE_US, look_after, b) < 0 || monitor_start(b->database) < 0)
		return error_set(err, ERR_INTERNAL, "cannot start the monitor thread");
	return 0;
}

void background_drain(struct background *b, int64_t deadline_us)
{
	redis_watch_hurry(b->redis_watch);
	beat_stop(b->beat);
	if (b->relay)
		relay_drain(b->relay, deadline_us);
}

void background_finish(struct background *b)
{
	int jobs = b->relay ? relay_finish(b->relay) : 0;

	if (jobs)
		log_write(LOG_WARNING, "app", "tasks.cut", LOG_FIELDS(LOG_INT("jobs", jobs)),
		          "%d background tasks were cut: they will be run again", jobs);
}

bool background_destroy(struct background *b)
{
	if (!b)
		return true;
	if (relay_destroy(b->relay) > 0)
		return false;
	pulse_destroy(b->pulse);
	redis_watch_destroy(b->redis_watch);
	beat_destroy(b->beat);
	monitor_destroy(b->database);
	free(b);
	return true;
}

bool background_alive(const struct background *b, struct buf *verbose)
{
	bool relay = probe_add_check(verbose, "relay", relay_pulse_age_us(b->relay) < STUCK_US);
	bool workers = probe_add_check(verbose, "local-workers", relay_abandoned(b->relay) <= TASK_ABANDONED_ALIVE);
	bool watch = probe_add_check(verbose, "redis-watch", redis_watch_pulse_age_us(b->redis_watch) < WATCH_STUCK_US);
	bool beat = !b->beat || probe_add_check(verbose, "beat", beat_pulse_age_us(b->beat) < BEAT_STUCK_US);

	bool pulse = !b->pulse || probe_add_check(verbose, "tasks-pulse", pulse_age_us(b->pulse) < BEAT_STUCK_US);

	return relay && workers && watch && beat && pulse;
}
