/*
 * egoejo beat: a process that enqueues what the schedule says, and nothing else. Its relay hands the tasks to Redis; what Redis does not
 * take, the processes with local workers find in the outbox.
 */
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/command.h"
#include "app/parts.h"
#include "app/process.h"
#include "app/sd_notify.h"
#include "base/clock.h"

#define LOOK_MS 1000

static int start(struct parts *p, struct error *err)
{
	int r = parts_start(p, err);

	if (r >= 0)
		r = background_start_beat(p->background, err);
	return r < 0 ? r : parts_start_probes(p, NULL, NULL, err);
}

static void wait_for_signal(const struct parts *p, int fd)
{
	struct pollfd watched = { .fd = fd, .events = POLLIN };
	struct signalfd_siginfo info;

	while (poll(&watched, 1, LOOK_MS) <= 0 || read(fd, &info, sizeof(info)) != sizeof(info)) {
		if (background_alive(p->background, NULL))
			sd_notify_send("WATCHDOG=1");
	}
}

static int run(struct parts *p, int signals)
{
	int64_t grace_us = p->settings->shutdown_grace_s * US_PER_S;
	struct error err = { 0 };
	int r;

	process_log_warnings(p->settings);
	r = start(p, &err);
	if (r < 0)
		log_write(LOG_CRITICAL, "app", "start.failed", LOG_NO_FIELDS, "%s", err.text[0] ? err.text : error_name(r));
	if (r >= 0) {
		log_write(LOG_INFO, "app", "beat.ready", LOG_FIELDS(LOG_STR("version", EGOEJO_VERSION)), "beat is ready");
		log_flush();
		sd_notify_send("READY=1");
		wait_for_signal(p, signals);
		log_write(LOG_INFO, "app", "beat.stopping", LOG_NO_FIELDS, "stopping");
		sd_notify_send("STOPPING=1");
	}
	parts_drain(p, clock_monotonic_us() + grace_us);
	parts_finish(p);
	parts_destroy(p); /* it runs no tasks, so nothing can keep it */
	log_flush();
	return r < 0 ? command_exit_status(r) : EXIT_SUCCESS;
}

int command_beat(const struct arguments *arguments)
{
	CLEANUP(cleanup_close) int signals = -1;
	struct parts p = { 0 };
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
	p.settings->tasks_local_workers = 0;
	log_init(p.settings->resolved_log_format, p.settings->log_level, STDERR_FILENO);
	return run(&p, signals);
}
