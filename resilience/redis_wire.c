/*
 * The socket: non-blocking, so that every wait is a poll with what is left until the one deadline of the exchange.
 */
#include "resilience/redis_conn_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define USER_TIMEOUT_MS  5000 /* unacknowledged data this old ends the connection, whoever waits for it */
#define KEEPALIVE_IDLE_S 5    /* a silent subscription notices a vanished peer after 5 + 3 × 2 s */
#define KEEPALIVE_STEP_S 2
#define KEEPALIVE_PROBES 3

bool wire_wait(const struct redis_conn *c, short events, int64_t deadline_us)
{
	struct pollfd p = { .fd = c->fd, .events = events };

	for (;;) {
		int64_t left = deadline_us - clock_monotonic_us();
		struct timespec ts;
		int r;

		if (left < 0)
			left = 0;
		ts.tv_sec = (time_t)(left / US_PER_S);
		ts.tv_nsec = (long)(left % US_PER_S) * 1000;
		r = ppoll(&p, 1, &ts, NULL);
		if (r > 0)
			return true; /* an error condition too: the read or write that follows names it */
		if (r == 0 && left == 0)
			return false;
		if (r < 0 && errno != EINTR)
			return false;
	}
}

static void set_option(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value)); /* a kernel without it is no reason to fail */
}

static void set_tcp_options(int fd)
{
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_STEP_S);
	set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
}

/* 0, or the errno of the attempt; ETIMEDOUT when the deadline passed. */
static int finish_connect(struct redis_conn *c, int64_t deadline_us)
{
	int error_number = 0;
	socklen_t len = sizeof(error_number);

	if (!wire_wait(c, POLLOUT, deadline_us))
		return ETIMEDOUT;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error_number, &len) < 0)
		return errno;
	return error_number;
}

static int try_connect(struct redis_conn *c, const struct sockaddr_storage *addr, socklen_t len, int64_t deadline_us)
{
	c->fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return errno;
	if (addr->ss_family != AF_UNIX)
		set_tcp_options(c->fd);
	if (connect(c->fd, (const struct sockaddr *)addr, len) == 0)
		return 0;
	return errno == EINPROGRESS ? finish_connect(c, deadline_us) : errno;
}

static void close_socket(struct redis_conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

int wire_connect(struct redis_conn *c, const struct redis_address *address, int64_t deadline_us)
{
	int error_number = ENOENT;

	for (int i = 0; i < address->n; i++) {
		int64_t now = clock_monotonic_us();
		int64_t share = (deadline_us - now) / (address->n - i); /* a dead first address leaves time for the second */

		error_number = try_connect(c, &address->at[i].addr, address->at[i].len, now + share);
		if (error_number == 0)
			return 0;
		close_socket(c);
	}
	return redis_conn_fail_errno(c, "connect", error_number);
}

static bool would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

ssize_t wire_read(struct redis_conn *c, char *bytes, size_t n)
{
	ssize_t got;

	if (c->ssl)
		return tls_read(c, bytes, n);
	got = recv(c->fd, bytes, n, 0);
	if (got > 0)
		return got;
	if (got == 0)
		return redis_conn_fail(c, ERR_UNAVAILABLE, REDIS_RESET, "connection closed by the server");
	c->waits_for = POLLIN;
	return would_block() ? 0 : redis_conn_fail_errno(c, "read", errno);
}

ssize_t wire_write(struct redis_conn *c, const char *bytes, size_t n)
{
	ssize_t done;

	if (c->ssl)
		return tls_write(c, bytes, n);
	done = send(c->fd, bytes, n, MSG_NOSIGNAL);
	if (done >= 0)
		return done;
	c->waits_for = POLLOUT;
	return would_block() ? 0 : redis_conn_fail_errno(c, "write", errno);
}

int wire_write_all(struct redis_conn *c, const char *bytes, size_t n, int64_t deadline_us)
{
	while (n) {
		ssize_t done = wire_write(c, bytes, n);

		if (done < 0)
			return (int)done;
		if (done == 0 && !wire_wait(c, c->waits_for, deadline_us))
			return redis_conn_fail(c, ERR_TIMEOUT, REDIS_TIMEOUT, "timeout: the server does not read");
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}
