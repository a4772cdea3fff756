/* A client's own echo comes after the answer to his request: design.md 9.20. */
#include <stdlib.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

struct hold *hold_create(struct hub *hub, const struct group *g, const struct live_event *event, int64_t since_us)
{
	struct hold *hold;

	if (!event->request || event->caller == NULL_INT || !g->n_sessions)
		return NULL;
	hold = mem_alloc(sizeof(*hold));
	if (!hold)
		return NULL; /* an echo that comes early is better than none */
	*hold = (struct hold){ .next = hub->holds,
		               .refs = 2, /* the list's and the entry's */
		               .request = event->request,
		               .user = event->caller,
		               .until_us = since_us + HOLD_US,
		               .target = g->target,
		               .id = g->id };
	hub->holds = hold;
	return hold;
}

void hold_unref(struct hold *hold)
{
	if (hold && --hold->refs == 0)
		free(hold);
}

/* Lets go of those that were answered, or that have waited long enough. */
static void release(struct hub *hub, uint64_t request, int64_t now_us)
{
	struct hold **at = &hub->holds;

	while (*at) {
		struct hold *hold = *at;
		struct group *g;

		if (hold->request != request && hold->until_us > now_us) {
			at = &hold->next;
			continue;
		}
		*at = hold->next;
		hold->released = true;
		g = group_find(hub, hold->target, hold->id);
		if (g)
			group_wake(g);
		hold_unref(hold);
	}
}

void hold_release(struct hub *hub, uint64_t request)
{
	release(hub, request, INT64_MIN);
}

void holds_tick(struct hub *hub, int64_t now_us)
{
	release(hub, 0, now_us);
}
