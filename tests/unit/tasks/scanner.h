/* A clamd for unit tests: one thread that takes calls one after the other, and says what it is told to say. */
#ifndef TESTS_UNIT_TASKS_SCANNER_H
#define TESTS_UNIT_TASKS_SCANNER_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/test.h"

struct scanner {
	pthread_t thread;
	int listener;
	int port;
	/* what it says to the next call */
	const char *_Atomic answer; /* with a NUL of its own after it unless cut; NULL: it hangs until the caller has gone */
	_Atomic size_t answer_bytes;
	_Atomic size_t stop_after; /* bytes of the file: then it answers and ends the call; 0: at its end */
	/* what it has seen, of the last call */
	_Atomic size_t bytes, pieces, largest;
	_Atomic unsigned sum;
	_Atomic bool began_well, ended_well;
};

static inline bool scanner_read(int fd, void *bytes, size_t n)
{
	char *p = bytes;
	ssize_t got;

	for (; n; p += got, n -= (size_t)got) {
		got = recv(fd, p, n, 0);
		if (got <= 0)
			return false;
	}
	return true;
}

static inline void scanner_take_file(struct scanner *s, int fd)
{
	static unsigned char piece[1 << 20];
	uint32_t length;

	s->began_well = scanner_read(fd, piece, 10) && memcmp(piece, "zINSTREAM", 10) == 0;
	while (s->began_well && scanner_read(fd, &length, 4)) {
		length = ntohl(length);
		s->ended_well = length == 0;
		if (!length || length > sizeof(piece) || !scanner_read(fd, piece, length))
			return;
		s->pieces++;
		s->bytes += length;
		s->largest = length > s->largest ? length : s->largest;
		for (uint32_t i = 0; i < length; i++)
			s->sum += piece[i];
		if (s->stop_after && s->bytes >= s->stop_after)
			return;
	}
}

static inline void *scanner_run(void *arg)
{
	struct scanner *s = arg;
	int fd;

	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		char byte;

		s->bytes = s->pieces = s->largest = 0;
		s->sum = 0;
		s->began_well = s->ended_well = false;
		scanner_take_file(s, fd);
		if (s->answer)
			send(fd, s->answer, s->answer_bytes, MSG_NOSIGNAL);
		else
			while (recv(fd, &byte, 1, 0) > 0)
				;
		close(fd);
	}
	return NULL;
}

static inline void scanner_says(struct scanner *s, const char *answer)
{
	s->answer = answer;
	s->answer_bytes = answer ? strlen(answer) + 1 : 0;
	s->stop_after = 0;
}

static inline void scanner_listen(struct scanner *s, int listener)
{
	s->listener = listener;
	assert_int_equal(listen(s->listener, 5), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, scanner_run, s), 0);
}

static inline void scanner_start(struct scanner *s)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(s, 0, sizeof(*s));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	s->port = ntohs(address.sin_port);
	scanner_says(s, "stream: OK");
	scanner_listen(s, fd);
}

static inline void scanner_start_at(struct scanner *s, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(s, 0, sizeof(*s));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	scanner_says(s, "stream: OK");
	scanner_listen(s, fd);
}

static inline void scanner_stop(struct scanner *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
}

/* A port on which nobody listens, and nobody will as long as the descriptor is open. */
static inline int scanner_no_port(int *ret_fd)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*ret_fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}

#endif
