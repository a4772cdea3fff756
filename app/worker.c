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

#include "app/command.h"
#include "app/parts.h"
#include "app/process.h"
#include "app/sd_notify.h"
#include "base/clock.h"
#include "base/log.h"
#include "tasks/worker.h"

#define LOOK_MS   1000
#define STUCK_US  (10 * US_PER_S)
#define HOST_SIZE 65

struct process {
	struct parts parts;
	const struct arguments *arguments;
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

static int start_parts(struct process *p, struct error *err)
{
	int r = parts_start(&p->parts, err);

	if (r < 0)
		return r;
	if (!redis_configured(p->parts.redis, REDIS_TASKS))
		return error_set(err, ERR_CONFIG, "a worker needs Redis: set REDIS_URL or CELERY_BROKER_URL");
	return p->arguments->given & OPTION_BEAT ? background_start_beat(p->parts.background, err) : 0;
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
	int64_t n = p->parts.settings->celery_concurrency;

	if (p->arguments->concurrency && (!str_to_uint(str_of(p->arguments->concurrency), &n) || n < 1 || n > 256))
		return error_set(err, ERR_CONFIG, "--concurrency=%.40s: 1 to 256", p->arguments->concurrency);
	return (int)n;
}

static int start_worker(struct process *p, struct error *err)
{
	struct worker_config config = { .services = &p->parts.services, .name = p->name, .on_change = on_change, .arg = p };
	const char *queues = p->arguments->queues ? p->arguments->queues : "celery";

	config.concurrency = read_concurrency(p, err);
	if (config.concurrency < 0)
		return config.concurrency;
	if (worker_read_queues(queues, &config.queues) < 0)
		return error_set(err, ERR_CONFIG, "--queues=%.100s: 1 to %d names of up to 100 characters", queues, BROKER_QUEUES_MAX);
	config.send_events = p->parts.settings->celery_send_events || (p->arguments->given & OPTION_EVENTS);
	make_name(p);
	return worker_create(&config, &p->worker, err);
}

static bool is_alive(void *arg, struct buf *verbose)
{
	const struct process *p = arg;
	bool takes = probe_add_check(verbose, "worker", worker_pulse_age_us(p->worker) < STUCK_US);
	bool runs = probe_add_check(verbose, "worker-runs", worker_abandoned(p->worker) <= TASK_ABANDONED_ALIVE);

	return takes && runs;
}

static int start_probes(struct process *p, struct error *err)
{
	return parts_start_probes(&p->parts, is_alive, p, err);
}

static int start_all(struct process *p, struct error *err)
{
	int (*const steps[])(struct process *, struct error *) = { start_parts, start_worker, start_probes };
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
		if (worker_pulse_age_us(p->worker) < STUCK_US && background_alive(p->parts.background, NULL))
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
	int64_t grace_us = at_once ? 0 : p->parts.settings->shutdown_grace_s * US_PER_S;
	bool ended;

	parts_drain(&p->parts, clock_monotonic_us() + grace_us);
	ended = worker_destroy(p->worker);
	parts_finish(&p->parts); /* rows are given back, whatever runs on */
	if (!ended || !parts_destroy(&p->parts))
		return false;
	if (p->changed >= 0)
		close(p->changed);
	return true;
}

static int run(struct process *p)
{
	struct error err = { 0 };
	bool warm;
	int r;

	process_log_warnings(p->parts.settings);
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

	r = command_load_settings(&p.parts.settings, &err);
	if (r >= 0)
		r = settings_check_serving(p.parts.settings, &err);
	if (r >= 0)
		r = process_take_signals(&signals, &err);
	if (r < 0) {
		settings_destroy(p.parts.settings);
		return command_fail(&err);
	}
	p.signals = signals;
	log_init(p.parts.settings->resolved_log_format, p.parts.settings->log_level, STDERR_FILENO);
	r = run(&p);
	log_write(LOG_INFO, "app", "worker.stopped", LOG_NO_FIELDS, "stopped");
	log_flush();
	return r;
}
