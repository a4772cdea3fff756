/*
 * egoejo healthcheck: one GET /readyz to the server of the same settings, for container images without curl. A client of
 * its own, because nothing else of the program speaks HTTP outwards yet and 30 lines do: connect, send, read a status line.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/command.h"
#include "base/clock.h"

#define DEADLINE_US (3 * US_PER_S)

static const char request[] = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nUser-Agent: egoejo-healthcheck\r\nConnection: close\r\n\r\n";

static bool wait_for(int fd, short events, int64_t deadline_us)
{
	struct pollfd watched = { .fd = fd, .events = events };
	int64_t left_us = deadline_us - clock_monotonic_us();

	return left_us > 0 && poll(&watched, 1, (int)(left_us / US_PER_MS) + 1) > 0;
}

/* A wildcard is no address to call: the server that listens on all listens on this one. */
static const char *host_to_ask(const char *host)
{
	bool wildcard = !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 || strcmp(host, "[::]") == 0;

	return wildcard ? "127.0.0.1" : host;
}

static int connect_to(const char *host, int64_t port, int64_t deadline_us)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV }, *found = NULL;
	int fd = -1, failure = 0;
	socklen_t len = sizeof(failure);
	char service[8];

	snprintf(service, sizeof(service), "%d", (int)port);
	if (getaddrinfo(host, service, &hints, &found) != 0)
		return -1;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) < 0 && errno != EINPROGRESS)
		failure = errno;
	freeaddrinfo(found);
	if (fd >= 0 && !failure && wait_for(fd, POLLOUT, deadline_us) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0 &&
	    !failure)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The status of the answer; 0 when none came in time. */
static int ask(int fd, int64_t deadline_us)
{
	char answer[64] = "";
	size_t got = 0;
	int status = 0;

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1)
		return 0;
	while (got < sizeof("HTTP/1.1 200") - 1 && wait_for(fd, POLLIN, deadline_us)) {
		ssize_t n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	return sscanf(answer, "HTTP/1.%*1[01] %3d", &status) == 1 ? status : 0;
}

static int check_health(const struct settings *settings)
{
	int64_t deadline_us = clock_monotonic_us() + DEADLINE_US;
	const char *host = host_to_ask(settings->host);
	CLEANUP(cleanup_close) int fd = connect_to(host, settings->port, deadline_us);
	int status;

	if (fd < 0) {
		fprintf(stderr, "egoejo: nothing answers on %s port %d\n", host, (int)settings->port);
		return EXIT_FAILURE;
	}
	status = ask(fd, deadline_us);
	if (status == 200)
		return EXIT_SUCCESS;
	if (status)
		fprintf(stderr, "egoejo: not ready: status %d\n", status);
	else
		fprintf(stderr, "egoejo: no answer within 3 seconds\n");
	return EXIT_FAILURE;
}

int command_healthcheck(const struct arguments *arguments)
{
	struct settings *settings = NULL;
	struct error err = { 0 };
	int status;

	if (command_load_settings(&settings, &err) < 0)
		return command_fail(&err);
	status = check_health(settings);
	settings_destroy(settings);
	return status;
}
