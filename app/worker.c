/*
 * egoejo worker: the parts of a worker process from the bottom up (database, Redis, cache, outbox relay, worker), a wait for a signal or
 * for control's word, and the warm end: what runs is finished, what waits goes back. A second signal ends at once.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/background.h"
#include "app/command.h"
#include "app/process.h"
#include "app/sd_notify.h"
#include "base/clock.h"
#include "base/log.h"
#include "cache/cache.h"
#include "tasks/worker.h"

#define LOOK_MS   1000
#define STUCK_US  (10 * US_PER_S)
#define HOST_SIZE 65

struct process {
	struct settings *settings;
	const struct arguments *arguments;
	struct db *db;
	struct redis *redis;
	struct cache *cache;
	struct background *background;
	struct task_services services;
	struct worker *worker;
	char name[WORKER_NAME_SIZE];
	int signals, changed; /* a signalfd, an eventfd */
};

static void on_change(void *arg)
{
	struct process *p = arg;
	uint64_t one = 1;

	if (write(p->changed, &one, sizeof(one)) < 0)
		return; /* full: it will be looked at anyway */
}

/* ---- making ---- */

static int start_database(struct process *p, struct error *err)
{
	CLEANUP(buf_finish) struct buf differences = BUF_EMPTY;
	enum schema_state state = SCHEMA_EMPTY;
	int r = command_open_database(p->settings, p->settings->migrate_on_start, &p->db, err);

	if (r < 0)
		return r;
	if (p->settings->migrate_on_start && !db_read_only(p->db))
		return command_migrate_schema(p->db, &state, &differences, err);
	r = command_inspect_schema(p->db, &state, &differences, err);
	if (r == 0 && state != SCHEMA_CURRENT)
		return error_set(err, ERR_SCHEMA, "%s lacks tables of this version: run egoejo migrate", db_shown_url(p->db));
	return r;
}

static int start_redis(struct process *p, struct error *err)
{
	struct cache_config config = { .max_bytes = (size_t)p->settings->cache_local_max_bytes,
		                       .max_entries = (size_t)p->settings->cache_local_max_entries };
	char warning[200] = "";
	int r = command_create_redis(p->settings, &p->redis, warning, err);

	if (r < 0)
		return r;
	if (*warning)
		log_write(LOG_WARNING, "app", "settings.warning", LOG_NO_FIELDS, "%s", warning);
	if (!redis_configured(p->redis, REDIS_TASKS))
		return error_set(err, ERR_CONFIG, "a worker needs Redis: set REDIS_URL or CELERY_BROKER_URL");
	config.redis = p->redis;
	p->cache = cache_create(&config);
	if (!p->cache)
		return error_set(err, ERR_NOMEM, "out of memory");
	r = redis_start(p->redis, err);
	return r < 0 ? r : cache_start(p->cache, err);
}

static int start_background(struct process *p, struct error *err)
{
	p->services = (struct task_services){ .settings = p->settings, .db = p->db, .cache = p->cache, .redis = p->redis };
	return background_start(&p->services, &p->background, err);
}

/* -n: a name with a host, or Celery's %h for the host. */
static void make_name(struct process *p)
{
	const char *given = p->arguments->name ? p->arguments->name : "egoejo";
	char host[HOST_SIZE] = "";

	gethostname(host, sizeof(host) - 1);
	if (strchr(given, '@'))
		snprintf(p->name, sizeof(p->name), "%s", given);
	else
		snprintf(p->name, sizeof(p->name), "%s@%s", given, host);
}

static int read_concurrency(const struct process *p, struct error *err)
{
	int64_t n = p->settings->celery_concurrency;

	if (p->arguments->concurrency && (!str_to_uint(str_of(p->arguments->concurrency), &n) || n < 1 || n > 256))
		return error_set(err, ERR_CONFIG, "--concurrency=%.40s: 1 to 256", p->arguments->concurrency);
	return (int)n;
}

static int start_worker(struct process *p, struct error *err)
{
	struct worker_config config = { .services = &p->services, .name = p->name, .on_change = on_change, .arg = p };
	const char *queues = p->arguments->queues ? p->arguments->queues : "celery";

	config.concurrency = read_concurrency(p, err);
	if (config.concurrency < 0)
		return config.concurrency;
	if (worker_read_queues(queues, &config.queues) < 0)
		return error_set(err, ERR_CONFIG, "--queues=%.100s: 1 to %d names of up to 100 characters", queues, BROKER_QUEUES_MAX);
	config.send_events = p->settings->celery_send_events || (p->arguments->given & OPTION_EVENTS);
	make_name(p);
	return worker_create(&config, &p->worker, err);
}

static int start_all(struct process *p, struct error *err)
{
	int (*const steps[])(struct process *, struct error *) = { start_database, start_redis, start_background, start_worker };
	int r = 0;

	p->changed = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->changed < 0)
		return error_set(err, ERR_INTERNAL, "cannot make an event descriptor");
	for (size_t i = 0; i < N_ELEMENTS(steps) && r >= 0; i++)
		r = steps[i](p, err);
	return r;
}

/* ---- waiting ---- */

/* The signal that came within so many milliseconds; 0: none. */
static int wait_for_signal(struct process *p, int ms)
{
	struct pollfd watched[2] = { { .fd = p->signals, .events = POLLIN }, { .fd = p->changed, .events = POLLIN } };
	struct signalfd_siginfo info;
	uint64_t changes;

	if (poll(watched, 2, ms) <= 0)
		return 0;
	if ((watched[1].revents & POLLIN) && read(p->changed, &changes, sizeof(changes)) < 0)
		return 0;
	if ((watched[0].revents & POLLIN) && read(p->signals, &info, sizeof(info)) == sizeof(info))
		return (int)info.ssi_signo;
	return 0;
}

static void serve(struct process *p)
{
	log_write(LOG_INFO, "app", "worker.ready", LOG_FIELDS(LOG_STR("name", p->name), LOG_STR("version", EGOEJO_VERSION)), "%s is ready",
	          p->name);
	log_flush();
	sd_notify_send("READY=1");
	while (!wait_for_signal(p, LOOK_MS) && !worker_wants_end(p->worker)) {
		log_flush();
		if (worker_pulse_age_us(p->worker) < STUCK_US && background_alive(p->background, NULL))
			sd_notify_send("WATCHDOG=1");
	}
}

/* False: a second signal came, what runs is left. */
static bool finish(struct process *p)
{
	bool cut = false;

	log_write(LOG_INFO, "app", "worker.stopping", LOG_NO_FIELDS, "stopping: what runs is finished");
	log_flush();
	sd_notify_send("STOPPING=1");
	worker_drain(p->worker);
	while (!worker_idle(p->worker) && !cut)
		cut = wait_for_signal(p, LOOK_MS / 10) != 0;
	return !cut;
}

/* ---- the end ---- */

/* False: something runs on, and nothing that it uses may be freed. */
static bool destroy(struct process *p, bool at_once)
{
	int64_t grace_us = at_once ? 0 : p->settings->shutdown_grace_s * US_PER_S;

	if (p->background)
		background_drain(p->background, clock_monotonic_us() + grace_us);
	if (!worker_destroy(p->worker))
		return false;
	if (p->background)
		background_finish(p->background);
	if (!background_destroy(p->background))
		return false;
	cache_destroy(p->cache);
	redis_destroy(p->redis);
	db_close(p->db);
	settings_destroy(p->settings);
	if (p->changed >= 0)
		close(p->changed);
	return true;
}

static int run(struct process *p)
{
	struct error err = { 0 };
	bool warm;
	int r;

	process_log_warnings(p->settings);
	r = start_all(p, &err);
	if (r < 0) {
		log_write(LOG_CRITICAL, "app", "start.failed", LOG_NO_FIELDS, "%s", err.text[0] ? err.text : error_name(r));
		destroy(p, true);
		return command_exit_status(r);
	}
	serve(p);
	warm = finish(p);
	if (!destroy(p, !warm)) {
		log_flush();
		_exit(EXIT_SUCCESS);
	}
	return EXIT_SUCCESS;
}

int command_worker(const struct arguments *arguments)
{
	CLEANUP(cleanup_close) int signals = -1;
	struct process p = { .arguments = arguments, .changed = -1 };
	struct error err = { 0 };
	int r;

	r = command_load_settings(&p.settings, &err);
	if (r >= 0)
		r = settings_check_serving(p.settings, &err);
	if (r >= 0)
		r = process_take_signals(&signals, &err);
	if (r < 0) {
		settings_destroy(p.settings);
		return command_fail(&err);
	}
	p.signals = signals;
	log_init(p.settings->resolved_log_format, p.settings->log_level, STDERR_FILENO);
	r = run(&p);
	log_write(LOG_INFO, "app", "worker.stopped", LOG_NO_FIELDS, "stopped");
	log_flush();
	return r;
}
