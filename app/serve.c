/*
 * egoejo serve: start, wait for a signal, stop in order. Signals arrive by signalfd on the main thread, blocked in all
 * others; while it stops, SIGINT has its default effect again, so that a second Ctrl-C ends the process at once.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "app/command.h"
#include "app/process.h"
#include "app/sd_notify.h"
#include "app/service.h"
#include "base/clock.h"

static void let_interrupt_end_at_once(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	signal(SIGINT, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Returns the signal that asks to stop. Under a systemd watchdog it tells meanwhile that all threads turn. */
static int wait_for_signal(struct service *service, int fd)
{
	int64_t watchdog_us = sd_notify_watchdog_us();
	struct pollfd watched = { .fd = fd, .events = POLLIN };
	struct signalfd_siginfo info;

	for (;;) {
		int n = poll(&watched, 1, watchdog_us ? (int)(watchdog_us / US_PER_MS) + 1 : -1);

		if (n == 0 && service_alive(service))
			sd_notify_send("WATCHDOG=1");
		if (n > 0 && read(fd, &info, sizeof(info)) == sizeof(info))
			return (int)info.ssi_signo;
	}
}

static void announce(const struct service *service)
{
	char address[300];

	service_address(service, address);
	log_write(LOG_INFO, "app", "server.listening", LOG_FIELDS(LOG_STR("address", address), LOG_STR("version", EGOEJO_VERSION)),
	          "serving on %s", address);
	log_flush();
	sd_notify_send("READY=1");
}

static void stop(struct service *service, int signo, int64_t grace_us)
{
	int cut;

	log_write(LOG_INFO, "app", "server.stopping", LOG_FIELDS(LOG_STR("signal", signo == SIGINT ? "SIGINT" : "SIGTERM")), "stopping");
	log_flush();
	sd_notify_send("STOPPING=1");
	service_drain(service);
	let_interrupt_end_at_once();
	cut = service_stop(service, clock_monotonic_us() + grace_us);
	log_write(cut ? LOG_WARNING : LOG_INFO, "app", "server.stopped", LOG_FIELDS(LOG_INT("cut", cut)),
	          cut ? "stopped, %d answers cut" : "stopped", cut);
}

/* Settings are checked and the log is open: from here on the log tells what goes wrong. */
static int run(struct settings *take_settings, int signals)
{
	int64_t grace_us = take_settings->shutdown_grace_s * US_PER_S;
	struct service *service = NULL;
	struct error err = { 0 };
	int r;

	process_log_warnings(take_settings);
	r = service_create(take_settings, &service, &err);
	if (r < 0) {
		log_write(LOG_CRITICAL, "app", "start.failed", LOG_NO_FIELDS, "%s", err.text[0] ? err.text : error_name(r));
		return command_exit_status(r);
	}
	announce(service);
	stop(service, wait_for_signal(service, signals), grace_us);
	if (!service_destroy(service)) {
		log_flush();
		_exit(EXIT_SUCCESS);
	}
	return EXIT_SUCCESS;
}

int command_serve(const struct arguments *arguments)
{
	CLEANUP(cleanup_close) int signals = -1;
	struct settings *settings = NULL;
	struct error err = { 0 };
	int r;

	r = command_load_settings(&settings, &err);
	if (r >= 0)
		r = settings_check_serving(settings, &err);
	if (r >= 0)
		r = process_take_signals(&signals, &err);
	if (r < 0) {
		settings_destroy(settings);
		return command_fail(&err);
	}
	log_init(settings->resolved_log_format, settings->log_level, STDERR_FILENO);
	return run(settings, signals);
}
