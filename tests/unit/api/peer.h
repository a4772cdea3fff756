/*
 * A client of the tests: a socket, and answers read whole from it. Each wait has a deadline.
 */
#ifndef TESTS_UNIT_API_PEER_H
#define TESTS_UNIT_API_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/lib/wait.h"
#include "tests/unit/api/fixture.h"

#define PEER_WAIT_MS 10000

struct peer {
	int fd;
	struct buf got; /* what has come and no peer_answer has taken */
};

struct peer_answer {
	int status; /* 0 = the connection has ended instead */
	char head[8192];
	struct buf body;
};

static inline struct peer *peer_open(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct peer *p = calloc(1, sizeof(*p));

	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(p->fd >= 0);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return p;
}

static inline void peer_close(struct peer *p)
{
	close(p->fd);
	buf_finish(&p->got);
	free(p);
}

/* Sends all; an end of the connection meanwhile is not a failure. */
static inline void peer_send_bytes(struct peer *p, const char *bytes, size_t n)
{
	while (n) {
		ssize_t sent = send(p->fd, bytes, n, MSG_NOSIGNAL);

		if (sent < 0)
			return;
		bytes += sent;
		n -= (size_t)sent;
	}
}

/* The server's side has read all that was sent: its queue of the kernel is empty, says proc(5)'s net/tcp. */
static inline bool peer_is_read(const struct peer *p)
{
	struct sockaddr_in own = { 0 }, other = { 0 };
	unsigned local, local_port, remote_port, sent, queued = 1;
	char line[512];
	FILE *tcp = fopen("/proc/net/tcp", "re");

	assert_non_null(tcp);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&own, &(socklen_t){ sizeof(own) }), 0);
	assert_int_equal(getpeername(p->fd, (struct sockaddr *)&other, &(socklen_t){ sizeof(other) }), 0);
	while (fgets(line, sizeof(line), tcp))
		if (sscanf(line, " %*u: %x:%x %*x:%x %*x %x:%x", &local, &local_port, &remote_port, &sent, &queued) == 5 &&
		    local_port == ntohs(other.sin_port) && remote_port == ntohs(own.sin_port))
			break;
		else
			queued = 1;
	fclose(tcp);
	return queued == 0;
}

/* peer_send_bytes, and the server has read them: a clock that is advanced now does not make them late. */
static inline void peer_send_bytes_read(struct peer *p, const char *bytes, size_t n)
{
	peer_send_bytes(p, bytes, n);
	assert_true(WAIT_FOR(PEER_WAIT_MS, peer_is_read(p)));
}

static inline void peer_send(struct peer *p, const char *text)
{
	peer_send_bytes(p, text, strlen(text));
}

/* Reads a little more; false at the end of the connection. */
static inline bool peer_read(struct peer *p)
{
	struct pollfd ready = { .fd = p->fd, .events = POLLIN };
	char bytes[65536];
	ssize_t n;

	if (poll(&ready, 1, PEER_WAIT_MS) != 1)
		fail_msg("nothing has come; so far: %s", p->got.data ? p->got.data : "nothing");
	n = recv(p->fd, bytes, sizeof(bytes), 0);
	if (n <= 0)
		return false;
	buf_add(&p->got, bytes, (size_t)n);
	return true;
}

/* Nothing more comes and the connection ends, within the deadline. */
static inline bool peer_is_ended(struct peer *p)
{
	while (peer_read(p))
		;
	return p->got.len == 0;
}

/* The value of a header field, in static memory; "" when it is absent. */
static inline const char *peer_header(const struct peer_answer *a, const char *name)
{
	static _Thread_local char value[1000];
	char wanted[100];
	const char *at;

	snprintf(wanted, sizeof(wanted), "\r\n%s: ", name);
	at = strcasestr(a->head, wanted);
	value[0] = '\0';
	if (at)
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + strlen(wanted), "\r"), at + strlen(wanted));
	return value;
}

static inline void peer_take(struct peer *p, size_t n)
{
	memmove(p->got.data, p->got.data + n, p->got.len - n + 1);
	p->got.len -= n;
}

/* The next answer; body_follows: unlike one to HEAD. Free a->body with buf_finish. */
static inline void peer_answer_to(struct peer *p, struct peer_answer *a, bool body_follows)
{
	size_t head, length;
	char *end;

	memset(a, 0, sizeof(*a));
	while (!p->got.len || !(end = strstr(p->got.data, "\r\n\r\n")))
		if (!peer_read(p)) {
			assert_int_equal(p->got.len, 0);
			return;
		}
	head = (size_t)(end - p->got.data) + 4;
	assert_true(head < sizeof(a->head));
	memcpy(a->head, p->got.data, head);
	a->status = atoi(a->head + 9);
	length = body_follows && a->status != 304 && a->status >= 200 ? (size_t)atoi(peer_header(a, "Content-Length")) : 0;
	while (p->got.len < head + length)
		assert_true(peer_read(p));
	if (length)
		buf_add(&a->body, p->got.data + head, length);
	peer_take(p, head + length);
}

/* Sends a request and returns the status of the answer, which is dropped. */
static inline int peer_ask(struct peer *p, const char *request)
{
	struct peer_answer a;

	peer_send(p, request);
	peer_answer_to(p, &a, strncmp(request, "HEAD", 4) != 0);
	buf_finish(&a.body);
	return a.status;
}

/* The same on a connection of its own. */
static inline int peer_ask_once(int port, const char *request)
{
	struct peer *p = peer_open(port);
	int status = peer_ask(p, request);

	peer_close(p);
	return status;
}

#endif
