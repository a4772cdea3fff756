#include "app/background.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "tasks/relay.h"

#define STUCK_US      (10 * US_PER_S) /* longer than any write may take */
#define ABANDONED_MAX 8               /* runs that went on beyond their hard limit: each keeps a thread */

struct background {
	struct task_services services;
	struct relay *relay;
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

int background_start(const struct task_services *services, struct background **ret_background, struct error *err)
{
	struct background *b = mem_alloc(sizeof(*b));

	if (!b)
		return error_set(err, ERR_NOMEM, "out of memory");
	*ret_background = b;
	b->services = *services;
	return start_relay(b, err);
}

void background_drain(struct background *b, int64_t deadline_us)
{
	relay_drain(b->relay, deadline_us);
}

void background_finish(struct background *b)
{
	int jobs = relay_finish(b->relay);

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
	free(b);
	return true;
}

bool background_alive(const struct background *b, struct buf *verbose)
{
	bool relay = probe_add_check(verbose, "relay", relay_pulse_age_us(b->relay) < STUCK_US);
	bool workers = probe_add_check(verbose, "local-workers", relay_abandoned(b->relay) <= ABANDONED_MAX);

	return relay && workers;
}
