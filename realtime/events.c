/*
 * From an event to the sockets of its group, in order and once: new messages of a thread ascend by id. An event that says that
 * there is one before it which has not been seen waits until the database has told it; so does everything while it is being
 * found out who takes part.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

static bool is_blocked(const struct group *g)
{
	return g->filling || g->checking || (g->target == HUB_CHAT && g->last_id < 0);
}

/* ---- waiting ---- */

/* What a sweep finds as well. */
static bool is_state(enum live_kind kind)
{
	return kind == LIVE_CHAT_MESSAGE || kind == LIVE_CHAT_TYPING || kind == LIVE_POLL_UPDATE;
}

static void pend(struct group *g, const struct live_event *event, struct blob *payload, int64_t since_us)
{
	struct pending *p = g->n_pending >= PENDING_MAX && is_state(event->kind) ? NULL : mem_alloc(sizeof(*p));

	if (!p) {
		g->next_sweep_us = 0;
		return;
	}
	p->event = *event;
	p->event.payload = blob_view(payload);
	p->payload = blob_ref(payload);
	p->since_us = since_us;
	*g->pending_end = p;
	g->pending_end = &p->next;
	g->n_pending++;
}

static struct pending *take_pending(struct group *g)
{
	struct pending *p = g->pending;

	if (p) {
		g->pending = p->next;
		if (!g->pending)
			g->pending_end = &g->pending;
		g->n_pending--;
	}
	return p;
}

static void pending_free(struct pending *p)
{
	blob_unref(p->payload);
	free(p);
}

void events_free(struct group *g)
{
	struct pending *p;

	while ((p = take_pending(g)))
		pending_free(p);
}

/* ---- asking ---- */

/* Reads what lies between the last message that was appended and this one. */
static void ask_gap(struct hub *hub, struct group *g, int64_t up_to)
{
	struct job *job = job_create(JOB_GAP, NULL, g);

	if (!job)
		return;
	job->after = g->last_id;
	job->up_to = up_to;
	job->limit = GAP_MAX;
	g->filling = true;
	lookup_ask(hub->lookup, job);
}

void events_ask_members(struct hub *hub, struct group *g)
{
	struct job *job = job_create(JOB_MEMBERS, NULL, g);

	if (job)
		job->members = mem_array(g->n_sessions ? g->n_sessions : 1, sizeof(*job->members));
	if (!job || !job->members) {
		job_free(job);
		group_close_all(g, CLOSE_INTERNAL_ERROR); /* better nobody than somebody who left */
		return;
	}
	for (struct session *s = g->sessions; s; s = s->next_in_group)
		if (s->user != NULL_INT)
			job->members[job->n_members++].user = s->user;
	g->checking = true;
	g->members_unknown = g->members_again = false;
	lookup_ask(hub->lookup, job);
}

/* ---- delivering ---- */

/* Two that change a thing at once may be told in the other order: what the database says in a moment is the last word. */
static void settle_soon(struct group *g)
{
	int64_t soon_us = clock_monotonic_us() + SETTLE_US;

	if (soon_us < g->next_sweep_us)
		g->next_sweep_us = soon_us;
}

static void note_told(struct group *g, int64_t message, uint64_t digest)
{
	g->told[g->n_told++ % TOLD] = (struct told){ message, digest };
}

/* Whether what was read of a message need not be told: that was its last word, or one came while it was read. */
static bool is_told(const struct group *g, const struct job *job, const struct found *f)
{
	for (unsigned n = g->n_told; n > 0 && g->n_told - n < TOLD; n--) {
		const struct told *t = &g->told[(n - 1) % TOLD];

		if (t->message == f->id)
			return n > job->told || t->digest == digest_of(blob_view(f->bytes));
	}
	return false;
}

/* Without memory for it nothing is noted either, and the next sweep finds it. */
static void append_message(struct hub *hub, struct group *g, struct blob *take_frame, int64_t id, bool is_new, bool settled,
                           struct hold *take_hold)
{
	uint64_t digest = !settled && take_frame ? digest_of(blob_view(take_frame)) : 0;

	if (!group_append(hub, g, ENTRY_MESSAGE, take_frame, is_new ? id : 0, take_hold))
		return;
	if (is_new && id > g->last_id)
		g->last_id = id;
	if (!settled)
		note_told(g, id, digest);
}

static void append_poll(struct hub *hub, struct group *g, struct str payload, struct hold *take_hold)
{
	if (group_append(hub, g, ENTRY_POLL, frame_message(SENT_POLL_UPDATE, payload), 0, take_hold))
		g->poll_digest = digest_of(payload);
}

static void deliver_message(struct hub *hub, struct group *g, const struct live_event *event, struct blob *payload, int64_t since_us)
{
	bool is_new = event->previous != LIVE_NOT_NEW;
	int64_t known_before = is_new ? event->previous : event->message;

	if (is_new && event->message <= g->last_id)
		return;                                       /* the database was faster */
	if (event->members && event->members != g->members) { /* somebody may have left, and the word about it be still to come */
		struct live_event checked = *event;

		checked.members = 0;
		pend(g, &checked, payload, since_us);
		events_ask_members(hub, g);
		return;
	}
	if (known_before > g->last_id) {
		pend(g, event, payload, since_us);
		ask_gap(hub, g, event->message);
		return;
	}
	if (!is_new)
		settle_soon(g);
	append_message(hub, g, frame_message(SENT_CHAT_MESSAGE, blob_view(payload)), event->message, is_new, /* settled: */ is_new,
	               hold_create(hub, g, event, since_us));
}

static void deliver(struct hub *hub, struct group *g, const struct live_event *event, struct blob *payload, int64_t since_us)
{
	switch (event->kind) {
	case LIVE_CHAT_MESSAGE:
		deliver_message(hub, g, event, payload, since_us);
		break;
	case LIVE_CHAT_TYPING:
		group_append(hub, g, ENTRY_TYPING, frame_message(SENT_CHAT_TYPING, blob_view(payload)), 0, NULL);
		break;
	case LIVE_POLL_UPDATE:
		g->n_told++;
		settle_soon(g);
		append_poll(hub, g, blob_view(payload), hold_create(hub, g, event, since_us));
		break;
	case LIVE_THREAD_MEMBERS:
		events_ask_members(hub, g);
		break;
	case LIVE_THREAD_GONE:
	case LIVE_POLL_GONE:
		group_close_all(g, CLOSE_NOT_FOUND);
		g->next_sweep_us = 0; /* for those whose verdict is older, and still on its way */
		break;
	}
}

void event_told(struct hub *hub, const struct live_event *event, struct blob *payload, int64_t since_us)
{
	struct group *g = group_find(hub, event_target(event->kind), event->id);

	if (!g || !g->n_sessions)
		return;
	if (is_blocked(g) || g->pending)
		pend(g, event, payload, since_us);
	else
		deliver(hub, g, event, payload, since_us);
}

/* Notes the eid; true when it was there. Without memory for it what orders messages still holds. */
static bool is_heard_again(struct group *g, uint64_t eid)
{
	if (!g->heard)
		g->heard = mem_array(HEARD, sizeof(*g->heard));
	if (!g->heard)
		return false;
	for (size_t i = 0; i < HEARD; i++)
		if (g->heard[i] == eid)
			return true;
	g->heard[g->n_heard++ % HEARD] = eid;
	return false;
}

void event_heard(struct hub *hub, const struct live_event *event, struct blob *payload, uint64_t eid)
{
	struct group *g = group_find(hub, event_target(event->kind), event->id);

	if (g && g->n_sessions && !is_heard_again(g, eid))
		event_told(hub, event, payload, clock_monotonic_us());
}

/* A round at most: what is put back waits for its own answer. */
void events_go_on(struct hub *hub, struct group *g)
{
	struct pending *list = g->pending, *p;

	if (is_blocked(g))
		return;
	g->pending = NULL;
	g->pending_end = &g->pending;
	g->n_pending = 0;
	while ((p = list)) {
		list = p->next;
		if (is_blocked(g))
			pend(g, &p->event, p->payload, p->since_us);
		else
			deliver(hub, g, &p->event, p->payload, p->since_us);
		pending_free(p);
	}
}

/* ---- what the database said ---- */

/* Its author may still wait for his answer: as far as it is known, for which. */
static struct hold *hold_found(struct hub *hub, struct group *g, const struct found *f)
{
	const struct live_event unknown = { .caller = f->author, .request = UINT64_MAX };

	for (const struct pending *p = g->pending; p; p = p->next)
		if (p->event.message == f->id && p->event.previous != LIVE_NOT_NEW)
			return hold_create(hub, g, &p->event, p->since_us);
	return hold_create(hub, g, &unknown, clock_monotonic_us());
}

static void append_found(struct hub *hub, struct group *g, struct job *job)
{
	for (struct found *f = job->found; f; f = f->next) {
		if (f->is_new ? f->id <= g->last_id : is_told(g, job, f))
			continue;
		metric_add(hub->figures.repaired, 1);
		append_message(hub, g, blob_ref(f->bytes), f->id, f->is_new, /* settled: */ false,
		               f->is_new ? hold_found(hub, g, f) : NULL);
	}
}

static void found_members(struct group *g, const struct job *job)
{
	if (job->error == ERR_NOT_FOUND)
		group_close_all(g, CLOSE_NOT_FOUND);
	g->members_unknown = job->error && job->error != ERR_NOT_FOUND; /* asked again in a moment; nothing is sent until it is known */
	g->checking = g->members_unknown;
	if (job->error)
		return;
	g->members = job->members_version;
	for (size_t i = 0; i < job->n_members; i++) {
		struct session *next;

		if (job->members[i].takes_part)
			continue;
		for (struct session *s = g->sessions; s; s = next) {
			next = s->next_in_group;
			if (s->user == job->members[i].user)
				session_close(s, CLOSE_FORBIDDEN);
		}
	}
}

/* Of many edits a sweep takes a part, and the next one goes on at once. */
static void note_swept(struct group *g, const struct job *job)
{
	g->swept_to = 0;
	if (job->changes_complete) {
		g->swept_at = job->until;
		return;
	}
	for (const struct found *f = job->found; f && !f->is_new; f = f->next)
		g->swept_to = f->id;
	g->next_sweep_us = 0;
}

static void found_thread(struct hub *hub, struct group *g, struct job *job)
{
	if (job->error == ERR_NOT_FOUND)
		group_close_all(g, CLOSE_NOT_FOUND);
	if (job->error || g->last_id < 0)
		return;
	append_found(hub, g, job);
	if (job->kind == JOB_SWEEP)
		note_swept(g, job);
	else if (job->complete && job->up_to > g->last_id)
		g->last_id = job->up_to; /* that one is gone: nobody need wait for it */
}

static void found_poll(struct hub *hub, struct group *g, struct job *job)
{
	if (job->error == ERR_NOT_FOUND)
		group_close_all(g, CLOSE_NOT_FOUND);
	if (job->error || !job->poll || job->digest == g->poll_digest || job->told != g->n_told)
		return;
	metric_add(hub->figures.repaired, 1);
	append_poll(hub, g, blob_view(job->poll), NULL);
}

static void note_error(struct group *g, const struct job *job)
{
	if (!job->error || job->error == ERR_NOT_FOUND)
		return;
	g->retry_us = clock_monotonic_us() + RETRY_US;
	if (g->retry_us < g->next_sweep_us)
		g->next_sweep_us = g->retry_us;
}

void event_found(struct hub *hub, struct group *g, struct job *job)
{
	note_error(g, job);
	if (job->kind == JOB_SWEEP || job->kind == JOB_POLL)
		hub->n_sweeps--;
	if (job->kind == JOB_GAP)
		g->filling = false;
	if (job->kind == JOB_MEMBERS) {
		found_members(g, job);
		if (!job->error && g->members_again)
			events_ask_members(hub, g);
	} else if (job->kind == JOB_POLL) {
		found_poll(hub, g, job);
	} else {
		found_thread(hub, g, job);
	}
	if (!job->error)
		events_go_on(hub, g);
	job_free(job);
	group_wake(g);
}
