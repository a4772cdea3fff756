/*
 * What is to be sent goes out in batches: when the socket can take something, all that the session lacks is put together, up
 * to BATCH_BYTES, and written at once (design 4a). The frames are complete, so libwebsockets writes them as they are
 * (LWS_WRITE_RAW); its own frames (pong, close) come between batches, never within one.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

void session_want_write(struct session *s)
{
	if (s->wsi)
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

void session_overloaded(struct session *s)
{
	const struct settings *settings = s->hub->settings;
	const struct entry *at = s->at, *end = s->group->end;
	uint64_t frames = end->frames - at->frames + s->n_own, bytes = end->frames_bytes - at->frames_bytes + s->own_bytes;
	uint64_t lasting = end->lasting - at->lasting + s->n_own, lasting_bytes = end->lasting_bytes - at->lasting_bytes + s->own_bytes;
	uint64_t max_frames = (uint64_t)settings->realtime_queue_frames, max_bytes = (uint64_t)settings->realtime_queue_bytes;

	if (s->state != SESSION_OPEN || (frames <= max_frames && bytes <= max_bytes))
		return;
	s->lean = true;
	if (lasting > max_frames || (lasting_bytes > max_bytes && lasting > 1)) {
		metric_add(s->hub->figures.dropped_slow, (int64_t)frames);
		session_close(s, CLOSE_SLOW_CONSUMER);
	}
}

static bool add_to_batch(struct hub *hub, size_t *n, const struct blob *bytes)
{
	if (*n && *n + bytes->len > BATCH_BYTES)
		return false;
	if (*n + bytes->len > hub->batch_bytes) { /* one frame that is larger than a batch */
		unsigned char *larger = mem_realloc(hub->batch, LWS_PRE + bytes->len);

		if (!larger)
			return false;
		hub->batch = larger;
		hub->batch_bytes = bytes->len;
	}
	memcpy(hub->batch + LWS_PRE + *n, bytes->data, bytes->len);
	*n += bytes->len;
	return true;
}

static size_t take_parcels(struct session *s, size_t n)
{
	while (s->parcels && add_to_batch(s->hub, &n, s->parcels->bytes)) {
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
	}
	return n;
}

static size_t take_entries(struct session *s, size_t n)
{
	while (!s->parcels && session_may_read_group(s)) {
		const struct entry *e = s->at;

		if (!passes_over(s)) {
			if (!add_to_batch(s->hub, &n, e->bytes))
				return n;
			if (e->message > s->sent_to)
				s->sent_to = e->message;
			metric_add(s->hub->figures.sent, 1);
		}
		group_step(s->group, s);
	}
	if (s->group && s->at == s->group->end)
		s->lean = false;
	return n;
}

static bool has_more(const struct session *s)
{
	return s->parcels || session_may_read_group(s);
}

/* The socket can take something: 0, or -1 to close it. */
int session_write(struct session *s)
{
	size_t n = 0;

	if (s->state == SESSION_CLOSING && !(s->cause == CLOSE_GOING_AWAY && has_more(s))) {
		const struct close_row *row = &closes[s->cause];

		lws_close_reason(s->wsi, (enum lws_close_status)row->code, (unsigned char *)(uintptr_t)row->reason, strlen(row->reason));
		return -1;
	}
	if (s->wants_ping) {
		s->wants_ping = false;
		session_want_write(s);
		return lws_write(s->wsi, s->hub->batch + LWS_PRE, 0, LWS_WRITE_PING) < 0 ? -1 : 0;
	}
	n = take_entries(s, take_parcels(s, n));
	metric_add(s->hub->figures.sent_bytes, (int64_t)n);
	if (n && lws_write(s->wsi, s->hub->batch + LWS_PRE, n, LWS_WRITE_RAW) < (int)n)
		return -1;
	if (has_more(s) || s->state == SESSION_CLOSING)
		session_want_write(s);
	replay_go_on(s);
	return 0;
}
