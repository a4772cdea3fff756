/*
 * Sessions: one WebSocket each, from the socket that the door gave to its end. The loop tells when something has come; who has
 * something to send waits in a list, and has his turn when all that was told is done: so a burst goes out in few writes. Only who
 * finds his socket full asks the loop to tell him when it is not.
 */
#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/mem.h"
#include "realtime/hub_impl.h"

#define RX_BYTES 4096 /* read at once */

/* ---- memory ---- */

static void unlink_session(struct session *s)
{
	struct hub *hub = s->hub;

	if (s->prev)
		s->prev->next = s->next;
	else
		hub->sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	atomic_fetch_sub(&hub->n_sessions, 1);
}

void session_unref(struct session *s)
{
	if (s->jobs)
		s->jobs--;
	if (s->state != SESSION_GONE || s->jobs)
		return;
	blob_unref(s->texts);
	free(s);
}

/* The socket is closed, or somebody else's: nothing of the session is left but what a job holds. */
static void end(struct session *s)
{
	struct hub *hub = s->hub;
	bool was_open = s->state == SESSION_OPEN || s->state == SESSION_CLOSING;

	if (was_open && s->user != NULL_INT && s->handshake.target == HUB_CHAT && s->sent_to >= 0)
		memory_keep(hub, s, clock_monotonic_us());
	if (s->counted)
		holder_leave(hub, s);
	if (s->group)
		group_leave(s->group, s);
	if (s->typing)
		inbound_tell_typing(s, false);
	while (s->parcels) {
		struct parcel *p = s->parcels;

		s->parcels = p->next;
		blob_unref(p->bytes);
		free(p);
	}
	free(s->replay);
	s->replay = NULL;
	blob_unref(s->rest);
	s->rest = NULL;
	receive_finish(&s->in);
	unlink_session(s);
	s->state = SESSION_GONE;
	s->jobs++; /* for the one that session_unref takes */
	session_unref(s);
}

/* Its turn to write is not waited for any more. */
static void leave_ready(struct session *s)
{
	if (!s->queued)
		return;
	TAILQ_REMOVE(&s->hub->ready, s, in_ready);
	s->hub->n_ready--;
	s->queued = false;
}

void session_hang_up(struct session *s)
{
	if (s->state == SESSION_OPEN) { /* the end came without a close frame of either */
		s->cause = CLOSE_LOST;
		metric_add(s->hub->figures.closed[CLOSE_LOST], 1);
	}
	leave_ready(s);
	if (s->watched)
		ev_io_stop(s->hub->loop, &s->io);
	s->watched = false;
	close(s->fd);
	end(s);
}

/* ---- the handshake ---- */

/* The head that came is taken out of the socket: what follows is frames. */
static bool swallow_head(struct session *s)
{
	size_t left = s->handshake.head_bytes;
	char waste[4096];

	while (left) {
		ssize_t n = recv(s->fd, waste, left < sizeof(waste) ? left : sizeof(waste), MSG_DONTWAIT);

		if (n <= 0)
			return false;
		left -= (size_t)n;
	}
	return true;
}

/* RFC 6455 section 4.2.2, 5.4. */
static void add_accept(struct buf *answer, struct str key)
{
	struct buf text CLEANUP(buf_finish) = BUF_EMPTY;
	unsigned char digest[SHA_DIGEST_LENGTH];

	buf_addf(&text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", STR_ARG(key));
	SHA1((const unsigned char *)buf_view(&text).s, text.len, digest);
	base64_add(answer, BASE64, digest, sizeof(digest));
}

/* The switch is answered: the socket is new, so it takes this at once or is of no use. */
static bool answer(struct session *s)
{
	struct buf text CLEANUP(buf_finish) = BUF_EMPTY;

	buf_add_text(&text, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
	add_accept(&text, s->handshake.key);
	buf_addf(&text, "\r\n%s\r\n", s->handshake.offers_v1 ? "Sec-WebSocket-Protocol: egoejo.v1\r\n" : "");
	return !text.failed && send(s->fd, text.data, text.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)text.len;
}

static void watch(struct session *s)
{
	s->state = SESSION_OPEN;
	ev_io_init(&s->io, session_on_event, s->fd, EV_READ);
	s->io.data = s;
	ev_io_start(s->hub->loop, &s->io);
	s->watched = true;
}

/* What a session may not be, though its handshake is good. */
static void judge_numbers(struct session *s, bool too_many)
{
	struct hub *hub = s->hub;

	if (too_many)
		session_close(s, CLOSE_TOO_MANY);
	else if (atomic_load(&hub->n_sessions) > hub->settings->realtime_max_connections)
		session_close(s, CLOSE_OVERLOADED);
	else if (atomic_load(&hub->draining))
		session_close(s, CLOSE_GOING_AWAY);
}

static void judge(struct session *s, const struct job *job)
{
	const struct hub_handshake *h = &s->handshake;
	bool too_many = !holder_enter(s->hub, s, (unsigned)s->hub->settings->realtime_max_per_user);

	s->counted = true;
	if (job->error) {
		session_close(s, CLOSE_INTERNAL_ERROR);
	} else if (job->verdict) {
		refusals_note(s->hub->refusals, h->client, h->path, clock_monotonic_us());
		session_close(s, job->verdict);
	} else {
		judge_numbers(s, too_many);
	}
	if (too_many)
		s->kill_us = clock_monotonic_us() + TOO_MANY_US; /* nobody keeps the places of others by not closing */
}

static void begin_replay(struct session *s)
{
	int64_t from;

	if (s->state != SESSION_OPEN)
		s->sent_to = -1; /* he was sent nothing: what is remembered of him stays */
	if (s->state != SESSION_OPEN || s->handshake.target != HUB_CHAT)
		return;
	if (s->handshake.last_message_id.s && str_to_uint(s->handshake.last_message_id, &from)) {
		replay_begin(s, from, false);
		return;
	}
	from = memory_take(s->hub, s->user, s->handshake.id, clock_monotonic_us());
	if (from < 0 || from >= s->sent_to)
		return;
	s->sent_to = from; /* until the replay has sent more: he may go before */
	replay_begin(s, from, true);
}

void session_adopt(struct session *s, const struct job *job)
{
	int64_t now_us = clock_monotonic_us();

	s->user = job->user;
	s->token_expires = job->token_expires;
	s->sent_to = s->handshake.target == HUB_CHAT && s->group && !job->error && !job->verdict ? s->group->last_id : -1;
	s->heard_us = s->allowance_us = now_us;
	s->allowance = (double)s->hub->settings->realtime_burst;
	s->next_ping_us = now_us + s->hub->settings->realtime_ping_seconds * US_PER_S;
	s->next_check_us = now_us + s->hub->settings->realtime_recheck_seconds * US_PER_S;
	if (!swallow_head(s) || !answer(s)) {
		session_hang_up(s);
		return;
	}
	watch(s);
	judge(s, job);
	begin_replay(s);
	session_want_write(s); /* what came to the group meanwhile */
}

/* ---- closing ---- */

void session_close(struct session *s, enum close_cause cause)
{
	if (s->state != SESSION_OPEN)
		return;
	s->state = SESSION_CLOSING;
	s->cause = cause;
	metric_add(s->hub->figures.closed[cause], 1);
	s->kill_us = clock_monotonic_us() + (cause == CLOSE_GOING_AWAY ? GOODBYE_US : CLOSE_LIMIT_US);
	session_want_write(s);
}

/* ---- what the loop tells ---- */

/* 0, or -1: it has ended. */
static int read_some(struct session *s)
{
	unsigned char bytes[RX_BYTES];
	ssize_t n = recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return n == 0 ? -1 : receive_bytes(s, bytes, (size_t)n);
}

static int write_again(struct session *s)
{
	s->wants_room = false;
	ev_io_stop(s->hub->loop, &s->io);
	ev_io_set(&s->io, s->fd, EV_READ);
	ev_io_start(s->hub->loop, &s->io);
	return session_write(s);
}

void session_on_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct session *s = io->data;

	(void)loop;
	if ((events & EV_READ && read_some(s) < 0) || (events & EV_WRITE && s->wants_room && write_again(s) < 0))
		session_hang_up(s);
}

/* A turn for each who was ready when it began; who is ready again has his in the next. */
void sessions_write(struct hub *hub)
{
	for (unsigned n = hub->n_ready; n && !TAILQ_EMPTY(&hub->ready); n--) {
		struct session *s = TAILQ_FIRST(&hub->ready);

		leave_ready(s);
		if (session_write(s) < 0)
			session_hang_up(s);
	}
}

/* ---- time ---- */

static void ask_again(struct session *s, bool membership)
{
	struct job *job = job_create(JOB_CHECK, s, NULL);

	if (!job)
		return;
	job->limit = membership;
	lookup_ask(s->hub->lookup, job);
}

static void tick_open(struct session *s, int64_t now_us)
{
	const struct settings *settings = s->hub->settings;
	bool pings = now_us >= s->next_ping_us, checks = now_us >= s->next_check_us;

	if (s->user != NULL_INT && clock_now().us >= s->token_expires.us) {
		session_close(s, CLOSE_UNAUTHENTICATED);
		return;
	}
	if (s->ping_us && s->heard_us >= s->ping_us)
		s->ping_us = 0;
	if (s->ping_us && now_us - s->ping_us > settings->realtime_pong_seconds * US_PER_S) {
		session_close(s, CLOSE_PING_TIMEOUT);
		return;
	}
	if ((pings || checks) && s->user != NULL_INT && !s->jobs) {
		ask_again(s, checks);
		if (checks)
			s->next_check_us = now_us + settings->realtime_recheck_seconds * US_PER_S;
	}
	if (!pings)
		return;
	s->next_ping_us = now_us + settings->realtime_ping_seconds * US_PER_S;
	if (!s->ping_us)
		s->ping_us = now_us;
	s->wants_ping = true;
	session_want_write(s);
}

void sessions_tick(struct hub *hub, int64_t now_us)
{
	struct session *next;

	for (struct session *s = hub->sessions; s; s = next) {
		next = s->next;
		if (s->state == SESSION_OPEN)
			tick_open(s, now_us);
		else if (s->state == SESSION_CLOSING && now_us >= s->kill_us)
			session_hang_up(s);
	}
}
