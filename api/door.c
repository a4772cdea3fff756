/*
 * The door: one thread that accepts, peeks until the request head is whole, judges its raw bytes, and hands the socket on
 * with nothing consumed. It also runs the sweep of the deadlines.
 *
 * Sockets are in its epoll set edge-triggered: a peek leaves the bytes where they are, so a level would fire for ever.
 * Whoever is refused gets a whole small answer, and may read it at leisure: the door sends, shuts its half, and closes
 * when the client has, or after two seconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/site.h"
#include "api/transport_impl.h"
#include "base/log.h"
#include "base/mem.h"

#define SWEEP_MS          250
#define SWEEP_DRAINING_MS 20 /* stopping waits for the sweep to close what is idle */
#define EVENTS            256
#define LOG_INTERVAL_US   (10 * US_PER_S)

struct door {
	struct server *server;
	int epoll, wake;
	int spare; /* a descriptor to give up when there are none left */
	pthread_t thread;
	bool started;
	atomic_bool closing;  /* stop accepting */
	atomic_bool stopping; /* end the thread */
	bool accept_again;    /* accept failed for want of something: the edge is gone, so the next sweep tries again */
	char *peeked;         /* one head, and a byte more */
	size_t peek_bytes;
	struct log_limit limit_full, limit_files;
};

/* ---- connections that the door owns ---- */

void door_close(struct server *s, struct connection *c)
{
	int fd = c->fd;

	server_release(s, c);
	close(fd);
}

void door_refuse(struct server *s, struct connection *c, int status, const char *detail)
{
	respond_raw(c->fd, status, detail);
	shutdown(c->fd, SHUT_WR);
	connection_set(c, PHASE_LINGER, clock_monotonic_us() + LINGER_LIMIT_US);
}

/* GET /ws/… with exactly "Upgrade: websocket". */
static bool wants_websocket(const struct head *h, const char *bytes)
{
	struct str method = { bytes + h->method_at, h->method_len };
	struct str target = { bytes + h->target_at, h->target_len };

	return h->upgrade_is_websocket && str_is(method, "GET") && str_starts(target, "/ws/");
}

static void leave_epoll(struct door *d, struct connection *c, bool watched)
{
	if (watched)
		epoll_ctl(d->epoll, EPOLL_CTL_DEL, c->fd, NULL);
}

/*
 * Looks at what has come. True: the door keeps watching (more is to come, or it lingers); false: the socket is closed or
 * somebody else's.
 */
static bool look(struct door *d, struct connection *c, bool watched)
{
	ssize_t n = recv(c->fd, d->peeked, d->peek_bytes, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0) {
		door_close(d->server, c);
		return false;
	}
	if (connection_phase(c->seen) == PHASE_SILENT)
		connection_set(c, PHASE_PEEKING, clock_monotonic_us() + HEAD_LIMIT_US);
	switch (head_scan(&c->stream.head, d->peeked, (size_t)n)) {
	case HEAD_PARTIAL:
		return true;
	case HEAD_BAD:
		door_refuse(d->server, c, c->stream.head.verdict.status, c->stream.head.verdict.detail);
		return true;
	default:
		leave_epoll(d, c, watched);
		if (wants_websocket(&c->stream.head, d->peeked))
			door_hand_to_hub(d->server, c, d->peeked);
		else
			http_hand_over(d->server, c);
		return false;
	}
}

/* ---- accepting ---- */

static void note_peer(struct connection *c)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&c->peer;
	const struct sockaddr_in *four = (const struct sockaddr_in *)&c->peer;

	if (c->peer.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &six->sin6_addr, c->peer_text, sizeof(c->peer_text));
	else
		inet_ntop(AF_INET, &four->sin_addr, c->peer_text, sizeof(c->peer_text));
}

/* Too many: a word, and close; lingering would keep what is short. */
static void turn_away(struct door *d, int fd)
{
	char waste[4096];
	int64_t left_out;

	respond_raw(fd, 503, "Trop de connexions.");
	(void)!recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
	close(fd);
	if (log_limit_pass(&d->limit_full, LOG_INTERVAL_US, &left_out))
		log_write(LOG_WARNING, "http", "http.connections_full", LOG_FIELDS(LOG_INT("suppressed", left_out)),
		          "connection refused: too many");
}

static bool may_enter(struct server *s, struct connection *c)
{
	if (site_trusts(s->context->site, &c->peer))
		return true;
	c->counted = addresses_enter(s->addresses, &c->peer, (int)s->settings->max_connections_per_address);
	return c->counted;
}

static void welcome(struct door *d, int fd, const struct sockaddr_storage *peer)
{
	struct server *s = d->server;
	struct connection *c = NULL;
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd };

	if (atomic_load(&s->open) < (int)s->settings->max_connections)
		c = server_claim(s, fd);
	if (!c) {
		turn_away(d, fd);
		return;
	}
	c->peer = *peer;
	atomic_fetch_add(&s->open, 1);
	if (!may_enter(s, c)) {
		server_release(s, c);
		turn_away(d, fd);
		return;
	}
	note_peer(c);
	stream_init(&c->stream, (size_t)s->settings->max_header_bytes);
	connection_set(c, PHASE_SILENT, clock_monotonic_us() + SILENT_LIMIT_US);
	if (look(d, c, false) && epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		door_close(s, c);
}

/* No descriptor is left: gives up the spare one to take a connection and end it, so that the client learns it. False: not even that. */
static bool spend_spare(struct door *d)
{
	int64_t left_out;
	int fd;

	if (log_limit_pass(&d->limit_files, LOG_INTERVAL_US, &left_out))
		log_write(LOG_ERROR, "http", "http.descriptors_exhausted", LOG_FIELDS(LOG_INT("suppressed", left_out)),
		          "no file descriptor is left");
	if (d->spare >= 0)
		close(d->spare);
	fd = accept4(d->server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		turn_away(d, fd);
	d->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

static void accept_all(struct door *d)
{
	struct sockaddr_storage peer;
	socklen_t len;
	int fd;

	d->accept_again = false;
	for (;;) {
		memset(&peer, 0, sizeof(peer));
		len = sizeof(peer);
		fd = accept4(d->server->listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			welcome(d, fd, &peer);
		} else if (errno == EMFILE || errno == ENFILE) {
			d->accept_again = true; /* in case nobody is turned away: descriptors come back without an event here */
			if (!spend_spare(d))
				return;
		} else if (errno == ENOBUFS || errno == ENOMEM) {
			d->accept_again = true;
			return;
		} else if (errno == EAGAIN || errno == EINVAL || errno == EBADF) {
			return;
		} /* else the connection has died in the queue: the next one */
	}
}

/* ---- the thread ---- */

static void on_event(struct door *d, int fd, uint32_t events)
{
	struct connection *c = &d->server->connections[fd];

	switch (connection_phase(atomic_load_explicit(&c->word, memory_order_acquire))) {
	case PHASE_SILENT:
	case PHASE_PEEKING:
		if (look(d, c, true) && connection_phase(c->seen) == PHASE_PEEKING && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
			door_close(d->server, c); /* half a head, and nothing will follow */
		break;
	default:
		break; /* it lingers: the sweep reads it. Or the event is from before the descriptor was somebody else's */
	}
}

static void drop_waiting(struct door *d)
{
	struct server *s = d->server;
	int highest = atomic_load(&s->highest);

	for (int fd = 0; fd <= highest; fd++) {
		enum phase phase = connection_phase(atomic_load_explicit(&s->connections[fd].word, memory_order_acquire));

		if (phase == PHASE_SILENT || phase == PHASE_PEEKING)
			door_close(s, &s->connections[fd]);
	}
}

static void stop_accepting(struct door *d)
{
	epoll_ctl(d->epoll, EPOLL_CTL_DEL, d->server->listener, NULL);
	close(d->server->listener);
	d->server->listener = -1;
	d->accept_again = false;
	drop_waiting(d);
}

static void sweep(struct door *d, int64_t now_us)
{
	if (d->server->listener >= 0 && d->accept_again)
		accept_all(d);
	deadlines_sweep(d->server, now_us);
	metric_set(metric_series(METRIC_HTTP_CONNECTIONS, ""), atomic_load(&d->server->open));
	metric_set(metric_series(METRIC_EXECUTOR_QUEUE, "executor=\"slow\""),
	           (int64_t)executor_waiting(d->server->lanes[LANE_SLOW].executor));
	metric_set(metric_series(METRIC_EXECUTOR_QUEUE, "executor=\"password\""),
	           (int64_t)executor_waiting(d->server->lanes[LANE_PASSWORD].executor));
}

static void handle_events(struct door *d, const struct epoll_event *events, int n)
{
	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == d->wake) {
			eventfd_t count;

			(void)eventfd_read(d->wake, &count);
		} else if (events[i].data.fd == d->server->listener) {
			accept_all(d);
		} else {
			on_event(d, events[i].data.fd, events[i].events);
		}
	}
}

static void *run(void *arg)
{
	struct door *d = arg;
	struct epoll_event events[EVENTS];
	int64_t next_us = 0;

	while (!atomic_load(&d->stopping)) {
		bool draining = atomic_load(&d->closing);
		int n = epoll_wait(d->epoll, events, EVENTS, draining ? SWEEP_DRAINING_MS : SWEEP_MS);
		int64_t now_us = clock_monotonic_us();

		handle_events(d, events, n);
		if (draining && d->server->listener >= 0)
			stop_accepting(d);
		if (now_us >= next_us || draining) {
			sweep(d, now_us);
			next_us = now_us + SWEEP_MS * US_PER_MS;
		}
	}
	return NULL;
}

static bool watch(struct door *d, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(d->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

int door_create(struct server *s, struct door **ret_door, struct error *err)
{
	struct door *d = mem_alloc(sizeof(*d));

	if (!d)
		return error_set(err, ERR_NOMEM, "out of memory");
	d->server = s;
	d->peek_bytes = (size_t)s->settings->max_header_bytes + 1;
	d->peeked = mem_alloc(d->peek_bytes);
	d->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	d->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!d->peeked || d->epoll < 0 || d->wake < 0 || !watch(d, s->listener, EPOLLIN | EPOLLET) || !watch(d, d->wake, EPOLLIN)) {
		door_destroy(d);
		return error_set(err, ERR_IO, "cannot prepare the listening thread: %s", strerror(errno));
	}
	*ret_door = d;
	return 0;
}

int door_start(struct door *d, struct error *err)
{
	if (pthread_create(&d->thread, NULL, run, d) != 0)
		return error_set(err, ERR_IO, "cannot start the listening thread");
	d->started = true;
	pthread_setname_np(d->thread, "door");
	return 0;
}

void door_close_listener(struct door *d)
{
	atomic_store(&d->closing, true);
	(void)eventfd_write(d->wake, 1);
}

void door_stop(struct door *d)
{
	if (!d->started)
		return;
	atomic_store(&d->stopping, true);
	(void)eventfd_write(d->wake, 1);
	pthread_join(d->thread, NULL);
	d->started = false;
}

void door_destroy(struct door *d)
{
	if (!d)
		return;
	door_stop(d);
	if (d->epoll >= 0)
		close(d->epoll);
	if (d->wake >= 0)
		close(d->wake);
	if (d->spare >= 0)
		close(d->spare);
	free(d->peeked);
	free(d);
}
