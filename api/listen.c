#include "api/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define BACKLOG          4096
#define DEFER_SECONDS    1 /* the kernel keeps a connection that says nothing from us for about as long */
#define SYSTEMD_FIRST_FD 3

static int port_of(int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return -1;
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return address.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&address)->sin_port) : -1;
}

/* What both kinds of socket get. A head larger than the receive buffer could never be peeked whole. */
static void tune(int fd, const struct settings *s)
{
	int buffer = (int)s->max_header_bytes * 4, defer = DEFER_SECONDS;

	if (s->max_header_bytes > 32768)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer, sizeof(defer));
}

static bool is_listening(int fd)
{
	int listening = 0, type = 0;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return false;
	return listening && type == SOCK_STREAM && port_of(fd) >= 0;
}

/* The number of sockets that systemd passes to this very process; 0 mostly. The variables are not for our children. */
static int passed_sockets(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int64_t value, n = 0;

	if (pid && fds && str_to_uint(str_of(pid), &value) && value == getpid() && !str_to_uint(str_of(fds), &n))
		n = -1;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return (int)n;
}

static int take_passed(const struct settings *s, struct error *err)
{
	int fd = SYSTEMD_FIRST_FD;

	if (!is_listening(fd))
		return error_set(err, ERR_CONFIG, "LISTEN_FDS: descriptor %d is not a listening TCP socket", fd);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	tune(fd, s);
	return fd;
}

static int listen_on(const struct addrinfo *a, const struct settings *s)
{
	int fd CLEANUP(cleanup_close) = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int yes = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	tune(fd, s);
	if (bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -1;
	yes = fd;
	fd = -1;
	return yes;
}

static int open_own(const struct settings *s, struct error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	char port[8];
	int fd, r;

	snprintf(port, sizeof(port), "%d", (int)s->port);
	r = getaddrinfo(s->host, port, &hints, &found);
	if (r != 0)
		return error_set(err, ERR_CONFIG, "HOST: \"%s\" is no address to listen on: %s", s->host, gai_strerror(r));
	fd = listen_on(found, s);
	r = errno;
	freeaddrinfo(found);
	if (fd < 0) /* a port in use may be free in a moment: starting again makes sense then, and only then */
		return error_set(err, r == EADDRINUSE ? ERR_IO : ERR_CONFIG, "cannot listen on HOST=%s PORT=%s: %s%s", s->host, port,
		                 strerror(r), r == EADDRINUSE ? " (another program uses it; choose another PORT)" : "");
	return fd;
}

int listen_open(const struct settings *s, int *ret_port, struct error *err)
{
	int n = passed_sockets();
	int fd;

	if (n != 0 && n != 1)
		return error_set(err, ERR_CONFIG, "LISTEN_FDS: exactly one socket is expected");
	fd = n ? take_passed(s, err) : open_own(s, err);
	if (fd >= 0)
		*ret_port = port_of(fd);
	return fd;
}
