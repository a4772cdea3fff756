/*
 * What comes from clients, taken apart into frames and put together to messages: RFC 6455 section 5, realtime.md 7, Limits.
 *
 * No library reads the frames. libwebsockets 4.1.6, which was tried, drops pings that come while one is to be answered, tells
 * nobody of pings, nor of pongs without payload (so neither would count), takes frames without a mask, and says nothing about a
 * large frame until a buffer full of it has come: tests/e2e/AUTOBAHN.md.
 *
 * A client who breaks the protocol or a limit is told the code and heard no more. His socket is not closed at once: closing
 * would answer what he still sends with a reset, which can destroy the close frame before he has read it. It is read and
 * thrown away, for a while.
 */
#include <math.h>

#include "realtime/hub_impl.h"

/* RFC 6455 section 7.1.7. */
static void fail(struct session *s, enum close_cause cause)
{
	s->in.deaf = true;
	s->in.answers_first |= s->state == SESSION_OPEN;
	session_close(s, cause);
	s->kill_us = clock_monotonic_us() + LINGER_CLOSE_US;
}

static bool is_control(const struct receiver *r)
{
	return r->frame.opcode >= FRAME_CLOSE;
}

/* A token bucket: REALTIME_RATE frames a second, REALTIME_BURST at once. */
static bool is_allowed(struct session *s, int64_t now_us)
{
	const struct settings *settings = s->hub->settings;

	s->allowance += (double)(now_us - s->allowance_us) * (double)settings->realtime_rate / US_PER_S;
	s->allowance = fmin(s->allowance, (double)settings->realtime_burst);
	s->allowance_us = now_us;
	if (s->allowance < 1)
		return false;
	s->allowance -= 1;
	return true;
}

/* ---- frames ---- */

static enum close_cause judge_frame(struct session *s)
{
	struct receiver *r = &s->in;
	bool is_new = r->frame.opcode != FRAME_CONTINUATION;

	if (r->frame.opcode == FRAME_CLOSE)
		return CLOSE_NONE;
	if (!is_control(r)) {
		if (is_new == (r->message != FRAME_CONTINUATION))
			return CLOSE_PROTOCOL;
		if (is_new && !inbound_takes(r->frame.opcode))
			return CLOSE_BINARY;
		if (r->frame.bytes > (uint64_t)s->hub->settings->realtime_max_message_bytes - r->text.len)
			return CLOSE_TOO_LARGE;
	}
	return is_allowed(s, clock_monotonic_us()) ? CLOSE_NONE : CLOSE_RATE_LIMIT;
}

/* The head is read: what it announces is judged before any of it is kept. */
static void begin_frame(struct session *s)
{
	struct receiver *r = &s->in;
	enum close_cause cause = s->state == SESSION_OPEN ? judge_frame(s) : CLOSE_NONE;

	if (cause)
		fail(s, cause);
	else if (!is_control(r) && r->frame.opcode != FRAME_CONTINUATION)
		r->message = r->frame.opcode;
}

static void end_message(struct session *s)
{
	struct receiver *r = &s->in;
	enum frame_opcode opcode = r->message;
	struct buf text = r->text;

	r->message = FRAME_CONTINUATION;
	r->text = (struct buf)BUF_EMPTY; /* few have much to say: no memory is kept for it */
	if (s->state != SESSION_OPEN)
		r->check.missing = 0;
	else if (r->check.missing)
		fail(s, CLOSE_NOT_UTF8);
	else if (text.failed)
		session_close(s, CLOSE_INTERNAL_ERROR);
	else
		inbound_message(s, opcode, buf_view(&text));
	metric_add(s->hub->figures.received, 1);
	buf_finish(&text);
}

static void end_frame(struct session *s)
{
	struct receiver *r = &s->in;

	r->in_payload = false;
	s->heard_us = clock_monotonic_us();
	switch (r->frame.opcode) {
	case FRAME_CLOSE:
		r->ended = true;
		r->answers_first = s->state == SESSION_OPEN;
		session_close(s, frame_judge_close(buf_view(&r->control)));
		break;
	case FRAME_PING:
		session_push(s, frame_create(FRAME_PONG, buf_view(&r->control)));
		break;
	case FRAME_PONG:
		break;
	default:
		if (r->frame.fin)
			end_message(s);
	}
	if (is_control(r))
		buf_finish(&r->control);
}

/* ---- bytes ---- */

/* Each takes what it can use of the bytes: how many that is. */
static size_t take_head(struct session *s, const unsigned char *bytes, size_t n)
{
	struct receiver *r = &s->in;
	size_t had = r->n_head, more = n < sizeof(r->head) - had ? n : sizeof(r->head) - had;
	int length;

	memcpy(r->head + had, bytes, more);
	length = frame_read_head(r->head, had + more, &r->frame);
	if (length == 0) {
		r->n_head = (unsigned char)(had + more);
		return more;
	}
	r->n_head = 0;
	if (length < 0) {
		fail(s, CLOSE_PROTOCOL);
		return more;
	}
	r->in_payload = true;
	r->at = 0;
	begin_frame(s);
	if (!r->deaf && r->frame.bytes == 0)
		end_frame(s);
	return (size_t)length - had;
}

/* Text is refused at its first wrong byte, not at its end. */
static void take_data(struct session *s, const unsigned char *bytes, size_t n)
{
	struct receiver *r = &s->in;

	if (r->message == FRAME_TEXT && !frame_text_add(&r->check, bytes, n))
		fail(s, CLOSE_NOT_UTF8);
	else
		buf_add(&r->text, bytes, n);
}

static size_t take_payload(struct session *s, unsigned char *bytes, size_t n)
{
	struct receiver *r = &s->in;
	size_t piece = r->frame.bytes - r->at < n ? (size_t)(r->frame.bytes - r->at) : n;

	frame_unmask(&r->frame, r->at, bytes, piece);
	r->at += piece;
	if (is_control(r))
		buf_add(&r->control, bytes, piece);
	else if (s->state == SESSION_OPEN)
		take_data(s, bytes, piece);
	if (!r->deaf && r->at == r->frame.bytes)
		end_frame(s);
	return piece;
}

int receive_bytes(struct session *s, unsigned char *bytes, size_t n)
{
	struct receiver *r = &s->in;
	size_t wasted = s->state == SESSION_OPEN ? 0 : n;

	while (n && !r->deaf && !r->ended) {
		size_t used = r->in_payload ? take_payload(s, bytes, n) : take_head(s, bytes, n);

		bytes += used;
		n -= used;
	}
	if (r->deaf)
		receive_finish(r);
	r->wasted += wasted ? wasted : n;
	return r->wasted > WASTE_MAX || (r->ended && s->close_sent) ? -1 : 0;
}

void receive_finish(struct receiver *r)
{
	buf_finish(&r->control);
	buf_finish(&r->text);
}
