/*
 * The socket does not block: each step waits in short slices, so that a process that ends, or a deadline, is seen soon. clamd may
 * answer before it has had all ("size limit exceeded") and closes then; so each piece that is sent also watches for an answer, which
 * would be lost with the connection.
 */
#include "tasks/clamd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"

#define PIECE_BYTES      (64 * 1024)
#define SLICE_MS         200
#define CONNECT_LIMIT_US (5 * US_PER_S) /* for one address */

const char *const clamd_sockets[] = { "/run/clamav/clamd.ctl", "/run/clamd.scan/clamd.sock", NULL };

struct call {
	const struct clamd *with;
	struct error *err;
	int socket;
	bool answered; /* something can be read: no more is sent */
};

static int lost(struct call *c)
{
	return error_set(c->err, ERR_CORRUPT, "the scanner ended the connection before its answer");
}

/* Nothing is waited for any more. */
static bool is_over(const struct call *c)
{
	return clock_monotonic_us() >= c->with->deadline_us || (c->with->stop && c->with->stop(c->with->arg));
}

/* Until the socket is ready for one of the events; *ret_events which. */
static int wait_for(struct call *c, short events, int64_t deadline_us, short *ret_events)
{
	for (;;) {
		struct pollfd p = { c->socket, events, 0 };
		int64_t left_us = deadline_us - clock_monotonic_us();
		int n;

		if (left_us <= 0 || is_over(c))
			return error_set(c->err, ERR_TIMEOUT, "the scanner does not answer in time");
		n = poll(&p, 1, left_us / 1000 < SLICE_MS ? (int)(left_us / 1000) + 1 : SLICE_MS);
		if (n > 0) {
			*ret_events = p.revents;
			return 0;
		}
		if (n < 0 && errno != EINTR)
			return error_set(c->err, ERR_CORRUPT, "poll: %s", strerror(errno));
	}
}

/* ---- connecting ---- */

/* 0, or ERR_UNAVAILABLE, ERR_TIMEOUT of the whole. */
static int connect_to(struct call *c, const struct sockaddr *address, socklen_t size)
{
	int64_t deadline_us = clock_monotonic_us() + CONNECT_LIMIT_US;
	int cause = 0;
	socklen_t n = sizeof(cause);
	short events;
	int r;

	c->socket = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->socket < 0)
		return error_set(c->err, ERR_UNAVAILABLE, "socket: %s", strerror(errno));
	if (connect(c->socket, address, size) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return error_set(c->err, ERR_UNAVAILABLE, "no scanner: %s", strerror(errno));
	r = wait_for(c, POLLOUT, deadline_us, &events);
	if (r < 0 && is_over(c))
		return r;
	if (r < 0)
		return error_set(c->err, ERR_UNAVAILABLE, "no scanner: it does not answer");
	if (getsockopt(c->socket, SOL_SOCKET, SO_ERROR, &cause, &n) < 0 || cause != 0)
		return error_set(c->err, ERR_UNAVAILABLE, "no scanner: %s", strerror(cause ? cause : errno));
	return 0;
}

static void hang_up(struct call *c)
{
	if (c->socket >= 0)
		close(c->socket);
	c->socket = -1;
}

static int connect_by_tcp(struct call *c)
{
	const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *found = NULL;
	char port[24];
	int r;

	snprintf(port, sizeof(port), "%lld", (long long)c->with->port);
	r = getaddrinfo(c->with->host, port, &wanted, &found);
	if (r != 0)
		return error_set(c->err, ERR_UNAVAILABLE, "no scanner: %s", gai_strerror(r));
	r = ERR_UNAVAILABLE;
	for (const struct addrinfo *a = found; a && r == ERR_UNAVAILABLE; a = a->ai_next) {
		hang_up(c);
		r = connect_to(c, a->ai_addr, a->ai_addrlen);
	}
	freeaddrinfo(found);
	return r;
}

static int connect_by_path(struct call *c, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return ERR_UNAVAILABLE;
	memcpy(address.sun_path, path, strlen(path) + 1);
	hang_up(c);
	return connect_to(c, (const struct sockaddr *)&address, sizeof(address));
}

/* What is told when nobody is there is what the first said: the sockets are only where one might be. */
static int connect_somewhere(struct call *c)
{
	struct error ignored;
	struct call others = *c;
	int r = connect_by_tcp(c);

	others.err = &ignored;
	others.socket = -1;
	for (size_t i = 0; r == ERR_UNAVAILABLE && c->with->sockets[i]; i++)
		r = connect_by_path(&others, c->with->sockets[i]);
	if (others.socket >= 0) {
		hang_up(c);
		c->socket = others.socket;
	}
	return r;
}

/* ---- talking ---- */

/* All of it, unless an answer comes meanwhile. */
static int send_all(struct call *c, const void *bytes, size_t n)
{
	const char *p = bytes;
	short events;
	int r = 0;

	while (n && r == 0) {
		ssize_t sent;

		r = wait_for(c, POLLIN | POLLOUT, c->with->deadline_us, &events);
		if (r < 0)
			return r;
		c->answered = events & (POLLIN | POLLHUP | POLLERR);
		if (c->answered)
			return 0;
		sent = send(c->socket, p, n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return lost(c);
		p += sent > 0 ? sent : 0;
		n -= sent > 0 ? (size_t)sent : 0;
	}
	return r;
}

static int read_piece(const struct call *c, int fd, char *piece, size_t *ret_n)
{
	ssize_t n;

	do
		n = read(fd, piece, PIECE_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_set(c->err, ERR_IO, "the file: %s", strerror(errno));
	*ret_n = (size_t)n;
	return 0;
}

/* Pieces with their length in front; the one that is empty is the end. */
static int send_file(struct call *c, int fd)
{
	char piece[4 + PIECE_BYTES];
	size_t n = 1;
	int r = send_all(c, "zINSTREAM", sizeof("zINSTREAM"));

	while (r == 0 && n && !c->answered) {
		r = read_piece(c, fd, piece + 4, &n);
		if (r == 0) {
			uint32_t length = htonl((uint32_t)n);

			memcpy(piece, &length, 4);
			r = send_all(c, piece, 4 + n);
		}
	}
	return r;
}

/* To the NUL that ends it; what comes without one is no answer, for its end may be missing. */
static int receive(struct call *c, char ret_text[1024])
{
	size_t n = 0;
	short events;

	for (;;) {
		int r = wait_for(c, POLLIN, c->with->deadline_us, &events);
		ssize_t got = r < 0 ? 0 : recv(c->socket, ret_text + n, 1023 - n, 0);

		if (r < 0)
			return r;
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			return lost(c);
		n += (size_t)got;
		if (memchr(ret_text, '\0', n))
			return 0;
	}
}

/* ---- what it says ---- */

/* "stream: Eicar-Test-Signature FOUND" and " FOUND": Eicar-Test-Signature. */
static bool take_end(struct str text, const char *end, char ret_text[CLAMD_TEXT_SIZE])
{
	size_t n = strlen(end);

	if (text.len < n || memcmp(text.s + text.len - n, end, n) != 0)
		return false;
	text = str_trim((struct str){ text.s, text.len - n });
	if (str_starts(text, "stream:"))
		text = str_trim((struct str){ text.s + strlen("stream:"), text.len - strlen("stream:") });
	snprintf(ret_text, CLAMD_TEXT_SIZE, "%.*s", STR_ARG(text));
	for (char *p = ret_text; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	return true;
}

bool clamd_read_answer(const char *text, struct clamd_answer *ret_answer)
{
	struct str all = str_trim(str_of(text));

	ret_answer->text[0] = '\0';
	ret_answer->verdict = CLAMD_CLEAN;
	if (str_is(all, "stream: OK") || str_is(all, "OK"))
		return true;
	ret_answer->verdict = CLAMD_INFECTED;
	if (take_end(all, " FOUND", ret_answer->text))
		return ret_answer->text[0];
	ret_answer->verdict = CLAMD_REFUSED;
	return take_end(all, "ERROR", ret_answer->text);
}

static int ask(struct call *c, int fd, struct clamd_answer *ret_answer)
{
	char text[1024];
	int r = send_file(c, fd);

	if (r == 0)
		r = receive(c, text);
	if (r == 0 && !clamd_read_answer(text, ret_answer))
		return error_set(c->err, ERR_CORRUPT, "the scanner said \"%.100s\"", text);
	return r;
}

int clamd_scan(const struct clamd *with, int fd, struct clamd_answer *ret_answer, struct error *err)
{
	struct call c = { .with = with, .err = err, .socket = -1 };
	int r = connect_somewhere(&c);

	if (r == 0)
		r = ask(&c, fd, ret_answer);
	hang_up(&c);
	return r;
}
