/*
 * What is to be sent goes out in batches: when the socket can take something, all that the session lacks is put together, up
 * to BATCH_BYTES, and sent at once (design 4a). What the socket does not take is kept, and nothing else is sent before it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

#define EXCUSED     16 /* times that a session is not asked again whether its socket is full */
#define KEPT_QUEUES 16 /* full queues that are kept for who does not read, though most of it can be dropped */

void session_want_write(struct session *s)
{
	struct hub *hub = s->hub;

	if (!s->watched || s->queued || s->wants_room)
		return;
	if (s->rest) {
		s->wants_room = true;
		ev_io_stop(hub->loop, &s->io);
		ev_io_set(&s->io, s->fd, EV_READ | EV_WRITE);
		ev_io_start(hub->loop, &s->io);
		return;
	}
	s->queued = true;
	TAILQ_INSERT_TAIL(&hub->ready, s, in_ready);
	hub->n_ready++;
}

static void push(struct session *s, struct blob *take_bytes, bool replayed, int64_t message)
{
	struct parcel *p = take_bytes && s->state == SESSION_OPEN ? mem_alloc(sizeof(*p)) : NULL;

	if (!p) {
		blob_unref(take_bytes);
		session_close(s, CLOSE_INTERNAL_ERROR); /* better than a message that is left out; nothing, when it is closing */
		return;
	}
	p->bytes = take_bytes;
	p->replayed = replayed;
	p->message = message;
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

void session_push_replayed(struct session *s, const struct found *f)
{
	push(s, blob_ref(f->bytes), true, f->is_new ? f->id : 0);
}

void session_push(struct session *s, struct blob *take_bytes)
{
	push(s, take_bytes, false, 0);
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
	struct pollfd watched = { .fd = s->fd, .events = POLLOUT };

	if (!s->watched || !has_more(s) || s->rest)
		return false;
	if (s->excused) {
		s->excused--;
		return true;
	}
	if (poll(&watched, 1, 0) <= 0)
		return false;
	s->excused = EXCUSED;
	return true;
}

/* What may be dropped and stands next is: who reads nothing must not keep it for all. */
static void let_go(struct session *s)
{
	while (s->at != s->group->end && passes_over(s))
		group_step(s->group, s, s->at->next);
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
	if (lasting > max_frames || (lasting_bytes > max_bytes && lasting > 1) || frames > max_frames * KEPT_QUEUES) {
		metric_add(s->hub->figures.dropped_slow, (int64_t)frames);
		session_close(s, CLOSE_SLOW_CONSUMER);
	}
	let_go(s);
}

/* ---- batches ---- */

static bool add_to_batch(struct batch *b, const struct blob *bytes)
{
	if (b->n && b->n + bytes->len > BATCH_BYTES)
		return false;
	if (b->n + bytes->len > b->room) { /* one frame that is larger than a batch */
		unsigned char *larger = mem_realloc(b->bytes, bytes->len);

		if (!larger)
			return false;
		b->bytes = larger;
		b->room = bytes->len;
	}
	memcpy(b->bytes + b->n, bytes->data, bytes->len);
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
		if (p->message > s->sent_to)
			s->sent_to = p->message;
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
	b->from = s->group ? s->at->frames : 0;
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

/* ---- sending ---- */

/* As many of the bytes as the socket takes: their number, or -1. */
static ssize_t send_some(const struct session *s, const void *bytes, size_t n)
{
	ssize_t sent = send(s->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
}

/* 0, or -1: the connection is broken, or there is no memory for what did not go. */
static int send_bytes(struct session *s, const void *bytes, size_t n)
{
	ssize_t sent = n ? send_some(s, bytes, n) : 0;

	if (sent < 0 || (size_t)sent == n)
		return sent < 0 ? -1 : 0;
	s->rest = blob_create((const char *)bytes + sent, n - (size_t)sent);
	s->rest_at = 0;
	session_want_write(s);
	return s->rest ? 0 : -1;
}

static int send_rest(struct session *s)
{
	ssize_t sent = send_some(s, s->rest->data + s->rest_at, s->rest->len - s->rest_at);

	if (sent < 0)
		return -1;
	s->rest_at += (size_t)sent;
	if (s->rest_at == s->rest->len) {
		blob_unref(s->rest);
		s->rest = NULL;
	}
	session_want_write(s);
	return 0;
}

/* A frame of the hub's own. */
static int send_frame(struct session *s, struct blob *take_frame)
{
	int r = take_frame ? send_bytes(s, take_frame->data, take_frame->len) : -1;

	blob_unref(take_frame);
	session_want_write(s);
	return r;
}

static int send_batch(struct session *s, struct batch *b)
{
	metric_add(s->hub->figures.sent_bytes, (int64_t)b->n);
	if (send_bytes(s, b->bytes, b->n) < 0)
		return -1;
	if (has_more(s) || s->state == SESSION_CLOSING)
		session_want_write(s);
	replay_go_on(s);
	return 0;
}

/* Who closes, or broke a rule, is still answered what he asked before. */
static int send_answers(struct session *s, struct batch *b)
{
	b->n = b->frames = 0;
	b->group = NULL;
	take_parcels(s, b);
	return send_batch(s, b);
}

static int write_open(struct session *s)
{
	if (s->wants_ping) {
		s->wants_ping = false;
		return send_frame(s, frame_create(FRAME_PING, (struct str){ NULL, 0 }));
	}
	fill_batch(s, &s->hub->batch);
	return send_batch(s, &s->hub->batch);
}

/*
 * The last words, the close frame, and the end of the stream; that waits until he has closed too, unless he is not listened to.
 * The socket is dropped when he ends his.
 */
static int write_closing(struct session *s)
{
	if (s->close_sent && (s->in.deaf || s->in.ended))
		shutdown(s->fd, SHUT_WR);
	if (s->close_sent)
		return 0;
	if (s->cause == CLOSE_GOING_AWAY && has_more(s))
		return write_open(s);
	if ((s->in.answers_first || s->cause == CLOSE_INVALID_FRAMES) && s->parcels)
		return send_answers(s, &s->hub->batch);
	s->close_sent = true;
	return send_frame(s, frame_create_close(&closes[s->cause]));
}

int session_write(struct session *s)
{
	if (s->group)
		s->group->all_woken = false;
	if (s->rest)
		return send_rest(s);
	return s->state == SESSION_CLOSING ? write_closing(s) : write_open(s);
}
