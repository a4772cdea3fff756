/*
 * The http threads: one libmicrohttpd daemon each, without a listening socket. How they start and stop, how a connection comes
 * to one and leaves it. What becomes of its requests is in exchange.c.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "api/transport_impl.h"

#define HEADER_MEMORY_BYTES (8 * 1024) /* for libmicrohttpd beside the head: its records, the answer's head */

/*
 * A refused client may still be sending; closing now would answer his bytes with a reset, which can destroy the answer
 * before he has read it. So a duplicate of the socket stays with the door until he is done.
 */
static bool linger(struct server *s, const struct connection *c)
{
	int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
	struct connection *heir;

	if (fd < 0)
		return false;
	heir = server_claim(s, fd);
	if (!heir) {
		close(fd);
		return false;
	}
	heir->peer = c->peer;
	heir->counted = c->counted;
	connection_set(heir, PHASE_LINGER, clock_monotonic_us() + LINGER_LIMIT_US);
	return true;
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode what)
{
	struct http_thread *t = arg;
	struct server *s = t->server;
	struct connection *c;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		exchange_watch(t);
		*context = &s->connections[MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd];
		return;
	}
	c = *context;
	connection_end(c);
	c->thread = NULL;
	stream_finish(&c->stream);
	atomic_fetch_sub(&t->connections, 1);
	if (c->lingers && !atomic_load(&s->draining) && linger(s, c))
		connection_forget(c); /* its place in the counts goes on with the duplicate */
	else
		server_release(s, c);
}

/* Paths and queries are taken apart by dispatch: leave them as they came. */
static size_t leave_escaped(void *arg, struct MHD_Connection *mhd, char *text)
{
	return strlen(text);
}

static int start_thread(struct http_thread *t, struct error *err)
{
	struct server *s = t->server;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME;
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)exchange_on_target, t },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)exchange_on_completed, t },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, t },
		{ MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escaped, t },
		{ MHD_OPTION_CONNECTION_LIMIT, s->n_connections, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)s->settings->max_header_bytes + HEADER_MEMORY_BYTES, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, MHD_get_version()[0] != '0', NULL }, /* strict, 0.9.75 sends its pages twice */
		{ MHD_OPTION_END, 0, NULL },
	};

	if (getrandom(&t->id_seed, sizeof(t->id_seed), 0) != (ssize_t)sizeof(t->id_seed))
		return error_set(err, ERR_IO, "getrandom failed");
	t->daemon = MHD_start_daemon(flags, 0, NULL, NULL, exchange_handle, t, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	return t->daemon ? 0 : error_set(err, ERR_IO, "cannot start an http thread");
}

int http_start(struct server *s, struct error *err)
{
	for (size_t i = 0; i < s->n_threads; i++) {
		int r = start_thread(&s->threads[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

void http_stop(struct server *s)
{
	for (size_t i = 0; i < s->n_threads; i++) {
		struct http_thread *t = &s->threads[i];

		if (t->daemon)
			MHD_stop_daemon(t->daemon);
		t->daemon = NULL;
		respond_forget(t);
		exchange_free_all(t);
	}
}

void http_hand_over(struct server *s, struct connection *c)
{
	struct http_thread *best = &s->threads[0];
	socklen_t len = c->peer.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);

	for (size_t i = 1; i < s->n_threads; i++)
		if (atomic_load_explicit(&s->threads[i].connections, memory_order_relaxed) <
		    atomic_load_explicit(&best->connections, memory_order_relaxed))
			best = &s->threads[i];
	atomic_fetch_add(&best->connections, 1);
	c->thread = best;
	c->requests = 0;
	stream_init(&c->stream, (size_t)s->settings->max_header_bytes);
	connection_set(c, PHASE_IDLE, clock_monotonic_us() + HEAD_LIMIT_US);
	if (MHD_add_connection(best->daemon, c->fd, (const struct sockaddr *)&c->peer, len) == MHD_YES)
		return;
	connection_end(c); /* libmicrohttpd has closed the socket */
	c->thread = NULL;
	atomic_fetch_sub(&best->connections, 1);
	server_release(s, c);
}
