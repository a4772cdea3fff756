/*
 * What is to be sent goes out in batches: when the socket can take something, all that the session lacks is put together, up
 * to BATCH_BYTES, and written at once (design 4a). The frames are complete, so libwebsockets writes them as they are
 * (LWS_WRITE_RAW); its own frames (pong, close) come between batches, never within one.
 */
#include <poll.h>
#include <stdlib.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

#define EXCUSED 16 /* times that a session is not asked again whether its socket is full */

void session_want_write(struct session *s)
{
	if (!s->wsi || s->woken)
		return;
	s->woken = true;
	lws_callback_on_writable(s->wsi);
}

static void push(struct session *s, struct blob *take_bytes, bool replayed)
{
	struct parcel *p = take_bytes && s->state == SESSION_OPEN ? mem_alloc(sizeof(*p)) : NULL;

	if (!p) {
		blob_unref(take_bytes);
		return;
	}
	p->bytes = take_bytes;
	p->replayed = replayed;
	if (!s->parcels)
		s->parcels_end = &s->parcels;
	*s->parcels_end = p;
	s->parcels_end = &p->next;
	s->n_parcels++;
	if (!replayed) {
		s->n_own++;
		s->own_bytes += take_bytes->len;
	}
	session_want_write(s);
}

void session_push_replayed(struct session *s, struct blob *take_bytes)
{
	push(s, take_bytes, true);
}

void session_push(struct session *s, struct blob *take_bytes)
{
	push(s, take_bytes, false);
	if (s->group)
		session_overloaded(s); /* he may ask much and read nothing */
}

bool session_may_read_group(const struct session *s)
{
	if (!s->group || s->replay || s->group->checking || s->at == s->group->end)
		return false;
	return !s->at->hold || s->at->hold->released || s->at->hold->user != s->user;
}

static bool has_more(const struct session *s)
{
	return s->parcels || session_may_read_group(s);
}

/* Whether the session passes over the entry where it stands. */
static bool passes_over(const struct session *s)
{
	const struct figures *f = &s->hub->figures;
	const struct entry *e = s->at;

	if (e->message && e->message <= s->replayed_to)
		return true;
	if (!s->lean || e->kind == ENTRY_MESSAGE || s->group->newest_poll == e)
		return false;
	metric_add(e->kind == ENTRY_TYPING ? f->dropped_typing : f->dropped_superseded, 1);
	return true;
}

/* Its socket can take something, it only has not had its turn yet: much has come at once. */
static bool is_excused(struct session *s)
{
	struct pollfd watched = { .events = POLLOUT };

	if (!s->wsi || !has_more(s) || lws_partial_buffered(s->wsi))
		return false;
	if (s->excused) {
		s->excused--;
		return true;
	}
	watched.fd = lws_get_socket_fd(s->wsi);
	if (poll(&watched, 1, 0) <= 0)
		return false;
	s->excused = EXCUSED;
	return true;
}

void session_overloaded(struct session *s)
{
	const struct settings *settings = s->hub->settings;
	const struct entry *at = s->at, *end = s->group->end;
	uint64_t frames = end->frames - at->frames + s->n_own, bytes = end->frames_bytes - at->frames_bytes + s->own_bytes;
	uint64_t lasting = end->lasting - at->lasting + s->n_own, lasting_bytes = end->lasting_bytes - at->lasting_bytes + s->own_bytes;
	uint64_t max_frames = (uint64_t)settings->realtime_queue_frames, max_bytes = (uint64_t)settings->realtime_queue_bytes;

	if (s->state != SESSION_OPEN || (frames <= max_frames && bytes <= max_bytes) || is_excused(s))
		return;
	s->lean = true;
	if (lasting > max_frames || (lasting_bytes > max_bytes && lasting > 1)) {
		metric_add(s->hub->figures.dropped_slow, (int64_t)frames);
		session_close(s, CLOSE_SLOW_CONSUMER);
	}
}

/* ---- batches ---- */

static bool add_to_batch(struct batch *b, const struct blob *bytes)
{
	if (b->n && b->n + bytes->len > BATCH_BYTES)
		return false;
	if (b->n + bytes->len > b->room) { /* one frame that is larger than a batch */
		unsigned char *larger = mem_realloc(b->bytes, LWS_PRE + bytes->len);

		if (!larger)
			return false;
		b->bytes = larger;
		b->room = bytes->len;
	}
	memcpy(b->bytes + LWS_PRE + b->n, bytes->data, bytes->len);
	b->n += bytes->len;
	return true;
}

static void take_parcels(struct session *s, struct batch *b)
{
	while (s->parcels && add_to_batch(b, s->parcels->bytes)) {
		struct parcel *p = s->parcels;

		s->parcels = p->next;
		s->n_parcels--;
		if (!p->replayed) {
			s->n_own--;
			s->own_bytes -= p->bytes->len;
		}
		blob_unref(p->bytes);
		free(p);
		metric_add(s->hub->figures.sent, 1);
		b->group = NULL;
	}
}

/* The batch has one entry more. */
static void note_entry(struct batch *b, const struct entry *e)
{
	b->frames++;
	b->behind = e->next;
	if (e->message && (!b->lowest || e->message < b->lowest))
		b->lowest = e->message;
	if (e->message > b->highest)
		b->highest = e->message;
	if (!e->hold || e->hold->released)
		return;
	if (b->held_from != NULL_INT && b->held_from != e->hold->user)
		b->group = NULL;
	b->held_from = e->hold->user;
}

static void take_entries(struct session *s, struct batch *b)
{
	while (!s->parcels && session_may_read_group(s)) {
		struct entry *e = s->at;

		if (passes_over(s))
			b->group = NULL;
		else if (add_to_batch(b, e->bytes))
			note_entry(b, e);
		else
			break;
		group_step(s->group, s, e->next);
	}
}

static void gather(struct session *s, struct batch *b)
{
	b->n = b->frames = 0;
	b->lowest = b->highest = 0;
	b->held_from = NULL_INT;
	b->group = s->group;
	b->from = s->at ? s->at->frames : 0;
	take_parcels(s, b);
	take_entries(s, b);
	if (!b->frames)
		b->group = NULL;
}

/* Whether what lies in the batch is what this session would gather. */
static bool is_same(const struct session *s, const struct batch *b)
{
	return b->group && b->group == s->group && b->from == s->at->frames && !s->parcels && !s->lean && session_may_read_group(s) &&
	       (!b->lowest || b->lowest > s->replayed_to) && (b->held_from == NULL_INT || b->held_from != s->user);
}

static void fill_batch(struct session *s, struct batch *b)
{
	if (is_same(s, b))
		group_step(s->group, s, b->behind);
	else
		gather(s, b);
	if (b->frames)
		metric_add(s->hub->figures.sent, (int64_t)b->frames);
	if (b->highest > s->sent_to)
		s->sent_to = b->highest;
	if (s->group && s->at == s->group->end)
		s->lean = false;
}

/* The socket can take something: 0, or -1 to close it. */
int session_write(struct session *s)
{
	struct batch *b = &s->hub->batch;

	s->woken = false;
	if (s->group)
		s->group->all_woken = false;
	if (s->state == SESSION_CLOSING && !(s->cause == CLOSE_GOING_AWAY && has_more(s))) {
		const struct close_row *row = &closes[s->cause];

		lws_close_reason(s->wsi, (enum lws_close_status)row->code, (unsigned char *)(uintptr_t)row->reason, strlen(row->reason));
		return -1;
	}
	if (s->wants_ping) {
		s->wants_ping = false;
		session_want_write(s);
		return lws_write(s->wsi, b->bytes + LWS_PRE, 0, LWS_WRITE_PING) < 0 ? -1 : 0;
	}
	fill_batch(s, b);
	metric_add(s->hub->figures.sent_bytes, (int64_t)b->n);
	if (b->n && lws_write(s->wsi, b->bytes + LWS_PRE, b->n, LWS_WRITE_RAW) < (int)b->n)
		return -1;
	if (has_more(s) || s->state == SESSION_CLOSING)
		session_want_write(s);
	replay_go_on(s);
	return 0;
}
