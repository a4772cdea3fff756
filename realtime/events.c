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

static void pend(struct group *g, const struct live_event *event, struct blob *payload, int64_t since_us)
{
	struct pending *p = mem_alloc(sizeof(*p));

	if (!p)
		return; /* the next sweep finds it */
	p->event = *event;
	p->event.payload = blob_view(payload);
	p->payload = blob_ref(payload);
	p->since_us = since_us;
	*g->pending_end = p;
	g->pending_end = &p->next;
}

static struct pending *take_pending(struct group *g)
{
	struct pending *p = g->pending;

	if (p) {
		g->pending = p->next;
		if (!g->pending)
			g->pending_end = &g->pending;
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

static void note_digest(struct group *g, struct str bytes)
{
	g->digests[g->n_digests++ % DIGESTS] = digest_of(bytes);
}

static bool was_sent(const struct group *g, struct str bytes)
{
	uint64_t digest = digest_of(bytes);

	for (size_t i = 0; i < DIGESTS; i++)
		if (g->digests[i] == digest)
			return true;
	return false;
}

static void append_message(struct hub *hub, struct group *g, struct blob *take_frame, int64_t new_id, struct hold *take_hold)
{
	if (take_frame)
		note_digest(g, blob_view(take_frame));
	if (new_id > g->last_id)
		g->last_id = new_id;
	group_append(hub, g, ENTRY_MESSAGE, take_frame, new_id, take_hold);
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
	append_message(hub, g, frame_message(SENT_CHAT_MESSAGE, blob_view(payload)), is_new ? event->message : 0,
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
		g->poll_digest = digest_of(blob_view(payload));
		group_append(hub, g, ENTRY_POLL, frame_message(SENT_POLL_UPDATE, blob_view(payload)), 0,
		             hold_create(hub, g, event, since_us));
		break;
	case LIVE_THREAD_MEMBERS:
		events_ask_members(hub, g);
		break;
	case LIVE_THREAD_GONE:
	case LIVE_POLL_GONE:
		group_close_all(g, CLOSE_NOT_FOUND);
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

static void append_found(struct hub *hub, struct group *g, struct job *job)
{
	for (struct found *f = job->found; f; f = f->next) {
		if (f->is_new ? f->id <= g->last_id : was_sent(g, blob_view(f->bytes)))
			continue;
		metric_add(hub->figures.repaired, 1);
		append_message(hub, g, blob_ref(f->bytes), f->is_new ? f->id : 0, NULL);
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

static void found_thread(struct hub *hub, struct group *g, struct job *job)
{
	if (job->error == ERR_NOT_FOUND)
		group_close_all(g, CLOSE_NOT_FOUND);
	if (job->error || g->last_id < 0)
		return;
	append_found(hub, g, job);
	if (job->kind == JOB_SWEEP)
		g->swept_at = job->until;
	else if (job->complete && job->up_to > g->last_id)
		g->last_id = job->up_to; /* that one is gone: nobody need wait for it */
}

static void found_poll(struct hub *hub, struct group *g, struct job *job)
{
	if (job->error == ERR_NOT_FOUND)
		group_close_all(g, CLOSE_NOT_FOUND);
	if (job->error || !job->poll || job->digest == g->poll_digest)
		return;
	g->poll_digest = job->digest;
	metric_add(hub->figures.repaired, 1);
	group_append(hub, g, ENTRY_POLL, frame_message(SENT_POLL_UPDATE, blob_view(job->poll)), 0, NULL);
}

void event_found(struct hub *hub, struct group *g, struct job *job)
{
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
