/* Groups and their lists of entries: hub_impl.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

static struct group **place_of(struct hub *hub, enum hub_target target, int64_t id)
{
	uint64_t hash = ((uint64_t)id * 2 + target) * UINT64_C(0x9e3779b97f4a7c15);
	struct group **at = &hub->groups[hash >> 32 & (GROUP_BUCKETS - 1)];

	while (*at && ((*at)->target != target || (*at)->id != id))
		at = &(*at)->next_in_bucket;
	return at;
}

struct group *group_find(struct hub *hub, enum hub_target target, int64_t id)
{
	return *place_of(hub, target, id);
}

struct group *group_get(struct hub *hub, enum hub_target target, int64_t id)
{
	struct group **at = place_of(hub, target, id), *g = *at;

	if (g)
		return g;
	g = mem_alloc(sizeof(*g));
	if (!g)
		return NULL;
	g->end = g->oldest = mem_alloc(sizeof(*g->end));
	if (!g->end) {
		free(g);
		return NULL;
	}
	g->target = target;
	g->id = id;
	g->last_id = -1;
	g->pending_end = &g->pending;
	g->empty_since_us = clock_monotonic_us();
	g->next_sweep_us = g->empty_since_us + (hub->degraded ? SWEEP_AWAY_US : SWEEP_US);
	*at = g;
	return g;
}

/* One that is in no bucket any more. */
static void group_free(struct hub *hub, struct group *g)
{
	if (g->joined)
		bus_leave(hub->bus, g);
	if (hub->batch.group == g)
		hub->batch.group = NULL;
	events_free(g);
	group_trim(g);
	free(g->heard);
	free(g->end);
	blob_unref(g->origin);
	free(g);
}

static void drop_group(struct hub *hub, struct group *g)
{
	*place_of(hub, g->target, g->id) = g->next_in_bucket;
	group_free(hub, g);
}

void group_join(struct group *g, struct session *s)
{
	s->group = g;
	g->all_woken = false;
	s->next_in_group = g->sessions;
	s->prev_in_group = NULL;
	if (g->sessions)
		g->sessions->prev_in_group = s;
	g->sessions = s;
	g->n_sessions++;
	s->at = g->end;
	s->at->waiting++;
}

void group_welcome(struct hub *hub, struct group *g, struct str origin_prefix)
{
	struct blob *origin = blob_create(origin_prefix.s, origin_prefix.len);

	if (origin) {
		blob_unref(g->origin);
		g->origin = origin;
	}
	if (g->joined)
		return;
	g->joined = true;
	bus_join(hub->bus, g);
}

void group_leave(struct group *g, struct session *s)
{
	if (s->prev_in_group)
		s->prev_in_group->next_in_group = s->next_in_group;
	else
		g->sessions = s->next_in_group;
	if (s->next_in_group)
		s->next_in_group->prev_in_group = s->prev_in_group;
	s->group = NULL;
	s->at->waiting--;
	s->at = NULL;
	group_trim(g);
	if (--g->n_sessions)
		return;
	g->empty_since_us = clock_monotonic_us();
	g->members = 0;
	g->last_id = -1; /* nobody follows it: whoever comes next reads it anew */
	g->poll_digest = 0;
	g->swept_to = 0;
	events_free(g);
}

void group_trim(struct group *g)
{
	while (g->oldest != g->end && g->oldest->waiting == 0) {
		struct entry *e = g->oldest;

		g->oldest = e->next;
		if (g->newest_poll == e)
			g->newest_poll = NULL;
		blob_unref(e->bytes);
		hold_unref(e->hold);
		free(e);
	}
}

void group_step(struct group *g, struct session *s, struct entry *to)
{
	struct entry *e = s->at;

	e->waiting--;
	s->at = to;
	to->waiting++;
	if (e == g->oldest)
		group_trim(g);
}

void group_wake(struct group *g)
{
	if (g->all_woken)
		return;
	g->all_woken = true;
	for (struct session *s = g->sessions; s; s = s->next_in_group)
		session_want_write(s);
}

void group_close_all(struct group *g, enum close_cause cause)
{
	struct session *next;

	for (struct session *s = g->sessions; s; s = next) {
		next = s->next_in_group;
		session_close(s, cause);
	}
}

/* Whether anybody may have too much before him: the one who stands at the oldest entry has most. */
static bool is_behind(const struct hub *hub, const struct group *g)
{
	return g->end->frames - g->oldest->frames > (uint64_t)hub->settings->realtime_queue_frames ||
	       g->end->frames_bytes - g->oldest->frames_bytes > (uint64_t)hub->settings->realtime_queue_bytes;
}

static void judge_sessions(struct group *g)
{
	for (struct session *s = g->sessions; s; s = s->next_in_group)
		session_overloaded(s);
}

bool group_append(struct hub *hub, struct group *g, enum entry_kind kind, struct blob *take_bytes, int64_t message, struct hold *take_hold)
{
	struct entry *e = g->end, *end = g->n_sessions && take_bytes ? mem_alloc(sizeof(*end)) : NULL;

	if (!end) {
		blob_unref(take_bytes);
		hold_unref(take_hold);
		return false;
	}
	e->kind = kind;
	e->bytes = take_bytes;
	e->message = message;
	e->hold = take_hold;
	e->next = end;
	end->frames = e->frames + 1;
	end->frames_bytes = e->frames_bytes + take_bytes->len;
	end->lasting = e->lasting + (kind == ENTRY_MESSAGE);
	end->lasting_bytes = e->lasting_bytes + (kind == ENTRY_MESSAGE ? take_bytes->len : 0);
	g->end = end;
	if (kind == ENTRY_POLL)
		g->newest_poll = e;
	group_wake(g);
	if (is_behind(hub, g))
		judge_sessions(g);
	group_trim(g);
	return true;
}

uint64_t digest_of(struct str text)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.s[i]) * UINT64_C(1099511628211);
	return hash ? hash : 1;
}

/* ---- time ---- */

/* Who is still a member comes first: what is found is not for those who are no more. */
static void ask_sweep(struct hub *hub, struct group *g)
{
	struct job *job;

	if (g->target == HUB_CHAT && !g->checking)
		events_ask_members(hub, g);
	job = job_create(g->target == HUB_CHAT ? JOB_SWEEP : JOB_POLL, NULL, g);
	if (!job)
		return;
	job->after = g->last_id;
	job->since = g->swept_at;
	job->changed_after = g->swept_to;
	job->up_to = g->last_id;
	hub->n_sweeps++;
	lookup_ask(hub->lookup, job);
}

/* However many are due, few are on their way at once: nothing is sent to a group whose members are being read. */
static bool may_sweep(const struct hub *hub, const struct group *g, int64_t now_us)
{
	return hub->n_sweeps < SWEEPS_AT_ONCE && !g->jobs && (g->target == HUB_POLL || g->last_id >= 0) && now_us >= g->next_sweep_us;
}

static void tick_group(struct hub *hub, struct group *g, int64_t now_us)
{
	if (!g->n_sessions) { /* one into which nobody was let costs nothing: anybody can ask for any number */
		if (!g->jobs && (!g->joined || now_us - g->empty_since_us > LINGER_US))
			drop_group(hub, g);
		return;
	}
	if (g->members_unknown && now_us >= g->retry_us)
		events_ask_members(hub, g);
	if (g->pending && now_us >= g->retry_us)
		events_go_on(hub, g);
	if (may_sweep(hub, g, now_us)) {
		g->next_sweep_us = now_us + (hub->degraded ? SWEEP_AWAY_US : SWEEP_US);
		ask_sweep(hub, g);
	}
}

void groups_tick(struct hub *hub, int64_t now_us)
{
	size_t from = hub->tick_from;
	struct group *next;

	for (size_t i = from; i < from + GROUP_BUCKETS; i++) {
		for (struct group *g = hub->groups[i % GROUP_BUCKETS]; g; g = next) {
			next = g->next_in_bucket;
			tick_group(hub, g, now_us);
		}
		if (hub->n_sweeps < SWEEPS_AT_ONCE)
			hub->tick_from = (i + 1) % GROUP_BUCKETS; /* so far all had their turn */
	}
}

void groups_free(struct hub *hub)
{
	for (size_t i = 0; i < GROUP_BUCKETS; i++) {
		while (hub->groups[i]) {
			struct group *g = hub->groups[i];

			hub->groups[i] = g->next_in_bucket;
			group_free(hub, g);
		}
	}
}
