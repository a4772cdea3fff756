/*
 * How background tasks are: who runs them, whether the schedule is kept. tasks/ knows, /health shows, app/ joins them; api/ and tasks/ do
 * not know each other. Source: resilience.md 2.6; tasks.md 1, 2.
 */
#ifndef DOMAIN_TASKS_STATE_H
#define DOMAIN_TASKS_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/kinds.h"

struct tasks_state {
	int64_t workers; /* that answered when last asked, ours and Celery's; NULL_INT: nobody can be asked (no Redis, or it is away) */
	int64_t local_workers;   /* of this process */
	const char *beat;        /* "ok"; "late": something has been due for a while; "never": nobody has kept the schedule yet; static */
	struct instant beat_due; /* what was due last, of all entries; NULL_TIME: nothing */
	const char *compost;     /* as the daily check has it: "ok", "error": none was finished for 8 days; "off"; static */
};

/* Who knows: any thread, never waits. */
struct tasks_watcher {
	void (*state)(void *arg, struct tasks_state *ret_state);
	void *arg;
};

#endif
