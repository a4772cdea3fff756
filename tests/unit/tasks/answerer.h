/* An HTTP server for tests of callers: it takes connections one after the other, and answers with the bytes it was given. */
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
	const char *const *answers; /* one for each request, then NULL: the last again and again. None at all: it says nothing */
	struct str answer;          /* the next one */
	struct buf request;         /* the last one, head and body; read it after answerer_stop */
	struct buf all;             /* all of them */
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
	buf_add_str(&a->all, buf_view(&a->request));
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
		if (a->answers && a->answers[1])
			a->answer = str_of(*++a->answers);
	}
	if (silent >= 0)
		close(silent);
	return NULL;
}

/* answers may be NULL: then it is answer each time, or nothing at all. */
static inline void answerer_start_with(struct answerer *a, const char *answer, const char *const *answers)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	*a = (struct answerer){ .answer = str_of(answer), .answers = answers, .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	assert_int_equal(bind(a->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(a->listener, 16), 0);
	assert_int_equal(getsockname(a->listener, (struct sockaddr *)&address, &size), 0);
	a->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&a->thread, NULL, answerer_run, a), 0);
}

static inline void answerer_start(struct answerer *a, const char *answer)
{
	answerer_start_with(a, answer, NULL);
}

/* The answers end with NULL and live until answerer_stop. */
static inline void answerer_start_script(struct answerer *a, const char *const *answers)
{
	answerer_start_with(a, answers[0], answers);
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
	buf_finish(&a->all);
}

#endif
