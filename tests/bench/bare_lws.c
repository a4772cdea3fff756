/*
 * What the hub's fan-out is measured against: the best plain libwebsockets program that we know to write.
 *
 * One group, one thread, libwebsockets on libev. A message comes as a line on a second port (as ours comes from Redis), is
 * framed once into a ring that all sessions share, and each session has a position in it; when a session is writable, all
 * that it lacks goes out in one lws_write(…, LWS_WRITE_RAW) straight from the ring, without a copy, with tx_packet_size as
 * large as such a write. Sessions are woken once for all messages that were read together. It knows no users, no tokens, no
 * limits, no slow readers (one that is a whole ring behind ends it) and no order to keep but the one that it reads.
 *
 * usage: bare_lws; it prints the port of the sockets and that of the messages, and runs until SIGTERM.
 */
#include <arpa/inet.h>
#include <ev.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING_BYTES   (UINT64_C(1) << 21)
#define BATCH_BYTES  (64 * 1024)
#define MAX_SESSIONS 20000
#define LINE_BYTES   65536

struct session {
	struct lws *wsi;
	struct session *next, **at;
	uint64_t sent; /* bytes of the ring, ever */
};

static unsigned char ring[RING_BYTES];
static uint64_t written; /* bytes of the ring, ever */
static struct session *sessions;
static ev_io feed_accepted, feed_readable;

static void die(const char *what)
{
	fprintf(stderr, "bare_lws: %s\n", what);
	exit(EXIT_FAILURE);
}

/* ---- sessions ---- */

static void enter(struct session *s, struct lws *wsi)
{
	*s = (struct session){ .wsi = wsi, .next = sessions, .at = &sessions, .sent = written };
	if (sessions)
		sessions->at = &s->next;
	sessions = s;
}

static void leave(struct session *s)
{
	*s->at = s->next;
	if (s->next)
		s->next->at = s->at;
}

/* Bytes may be cut anywhere: what is not a frame of libwebsockets' own is a stream to it. */
static int send_rest(struct session *s)
{
	uint64_t n = written - s->sent, at = s->sent % RING_BYTES;

	if (n > RING_BYTES)
		die("a reader is a whole ring behind");
	if (n > RING_BYTES - at)
		n = RING_BYTES - at;
	if (n > BATCH_BYTES)
		n = BATCH_BYTES;
	if (n && lws_write(s->wsi, ring + at, (size_t)n, LWS_WRITE_RAW) < (int)n)
		return -1;
	s->sent += n;
	if (s->sent != written)
		lws_callback_on_writable(s->wsi);
	return 0;
}

static int on_socket(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct session *s = user;

	switch (reason) {
	case LWS_CALLBACK_ESTABLISHED:
		enter(s, wsi);
		return 0;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return send_rest(s);
	case LWS_CALLBACK_CLOSED:
		leave(s);
		return 0;
	default:
		return lws_callback_http_dummy(wsi, reason, user, in, len);
	}
}

/* ---- messages ---- */

static void put(const void *bytes, size_t n)
{
	size_t at = (size_t)(written % RING_BYTES), first = n < RING_BYTES - at ? n : (size_t)(RING_BYTES - at);

	memcpy(ring + at, bytes, first);
	memcpy(ring, (const char *)bytes + first, n - first);
	written += n;
}

static void broadcast(const char *text, size_t n)
{
	unsigned char head[4] = { 0x81, 126, (unsigned char)(n >> 8), (unsigned char)n };

	if (n >= 126) {
		put(head, 4);
	} else {
		head[1] = (unsigned char)n;
		put(head, 2);
	}
	put(text, n);
}

static void on_feed(struct ev_loop *loop, ev_io *watcher, int events)
{
	static char lines[LINE_BYTES];
	static size_t held;
	ssize_t n = recv(watcher->fd, lines + held, sizeof(lines) - held, MSG_DONTWAIT);
	char *from = lines, *end;

	if (n <= 0) {
		ev_io_stop(loop, watcher);
		close(watcher->fd);
		held = 0;
		return;
	}
	held += (size_t)n;
	for (; (end = memchr(from, '\n', held)); from = end + 1) {
		broadcast(from, (size_t)(end - from));
		held -= (size_t)(end + 1 - from);
	}
	memmove(lines, from, held);
	for (struct session *s = sessions; s; s = s->next)
		lws_callback_on_writable(s->wsi);
}

static void on_feed_connection(struct ev_loop *loop, ev_io *watcher, int events)
{
	int fd = accept(watcher->fd, NULL, NULL);

	if (fd < 0)
		return;
	if (ev_is_active(&feed_readable)) { /* whose end is still to be read */
		ev_io_stop(loop, &feed_readable);
		close(feed_readable.fd);
	}
	ev_io_init(&feed_readable, on_feed, fd, EV_READ);
	ev_io_start(loop, &feed_readable);
}

/* Returns the port. */
static int listen_for_feed(struct ev_loop *loop)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		die("no port for messages");
	ev_io_init(&feed_accepted, on_feed_connection, fd, EV_READ);
	ev_io_start(loop, &feed_accepted);
	return ntohs(address.sin_port);
}

/* ---- the program ---- */

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
	exit(EXIT_SUCCESS);
}

static struct lws_vhost *make_vhost(struct ev_loop *loop)
{
	static const struct lws_protocols protocols[] = {
		{ .name = "",
		  .callback = on_socket,
		  .per_session_data_size = sizeof(struct session),
		  .rx_buffer_size = 1024,
		  .tx_packet_size = 2 * BATCH_BYTES },
		{ 0 },
	};
	void *loops[1] = { loop };
	const struct lws_context_creation_info info = {
		.port = 0,
		.iface = "127.0.0.1",
		.protocols = protocols,
		.options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		.foreign_loops = loops,
		.fd_limit_per_thread = MAX_SESSIONS,
		.vhost_name = "bare",
	};
	struct lws_context *context;

	lws_set_log_level(LLL_ERR, NULL);
	context = lws_create_context(&info);
	return context ? lws_create_vhost(context, &info) : NULL;
}

int main(void)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOINOTIFY);
	struct lws_vhost *vhost;
	struct rlimit files;
	ev_signal terminated;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	vhost = loop ? make_vhost(loop) : NULL;
	if (!vhost)
		die("cannot start");
	ev_signal_init(&terminated, on_signal, SIGTERM);
	ev_signal_start(loop, &terminated);
	printf("%d %d\n", lws_get_vhost_listen_port(vhost), listen_for_feed(loop));
	fflush(stdout);
	ev_run(loop, 0);
	return EXIT_SUCCESS;
}
