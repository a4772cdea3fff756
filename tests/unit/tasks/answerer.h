/* An HTTP server for tests of callers: it takes connections one after the other and answers all that it is asked with the same bytes. */
#ifndef TESTS_UNIT_TASKS_ANSWERER_H
#define TESTS_UNIT_TASKS_ANSWERER_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "tests/lib/test.h"

struct answerer {
	struct str answer;  /* absent: it says nothing and keeps the connection */
	struct buf request; /* the last one, head and body; read it after answerer_stop */
	atomic_int requests;
	int listener, port;
	pthread_t thread;
};

static inline bool answerer_has_all(const struct buf *request)
{
	const char *end = request->len ? strstr(request->data, "\r\n\r\n") : NULL;
	const char *length = end ? strcasestr(request->data, "content-length:") : NULL;

	return end && request->len - (size_t)(end + 4 - request->data) >= (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
}

static inline void answerer_serve(struct answerer *a, int fd)
{
	char bytes[4096];
	ssize_t n;

	buf_clear(&a->request);
	while (!answerer_has_all(&a->request) && (n = read(fd, bytes, sizeof(bytes))) > 0)
		buf_add(&a->request, bytes, (size_t)n);
	atomic_fetch_add(&a->requests, 1);
	for (size_t sent = 0; sent < a->answer.len; sent += (size_t)n)
		if ((n = send(fd, a->answer.s + sent, a->answer.len - sent, MSG_NOSIGNAL)) <= 0)
			break;
	shutdown(fd, SHUT_WR);
	while (a->answer.s && read(fd, bytes, sizeof(bytes)) > 0) /* a reset would take back what was sent */
		;
}

static inline void *answerer_run(void *arg)
{
	struct answerer *a = arg;
	int fd, silent = -1;

	while ((fd = accept(a->listener, NULL, NULL)) >= 0) {
		if (!a->answer.s) {
			atomic_fetch_add(&a->requests, 1);
			silent = fd;
			continue;
		}
		answerer_serve(a, fd);
		close(fd);
	}
	if (silent >= 0)
		close(silent);
	return NULL;
}

static inline void answerer_start(struct answerer *a, const char *answer)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	*a = (struct answerer){ .answer = str_of(answer), .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	assert_int_equal(bind(a->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(a->listener, 16), 0);
	assert_int_equal(getsockname(a->listener, (struct sockaddr *)&address, &size), 0);
	a->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&a->thread, NULL, answerer_run, a), 0);
}

/* What was asked stays in request until answerer_finish. */
static inline void answerer_stop(struct answerer *a)
{
	shutdown(a->listener, SHUT_RDWR);
	pthread_join(a->thread, NULL);
	close(a->listener);
}

static inline void answerer_finish(struct answerer *a)
{
	buf_finish(&a->request);
}

#endif
