/*
 * libmicrohttpd 0.9.75 forgives in the frame of a body what must not be forgiven (a bare LF behind a chunk's size), and
 * offers no way to see it: its handler gets the content only, and its sockets have no hook. But it reads with recv(2),
 * and ELF gives a symbol of the program precedence over the C library's. So this is recv for the whole process: the same
 * system call, and a look at what came for the threads that asked for it. Should another build of the library not read
 * through here, no request is let through (stream_verdict), so it cannot go unnoticed.
 */
#undef _FORTIFY_SOURCE /* its inline recv would be in the way of this one */
#include "api/recv.h"

#include <sys/socket.h>

static _Thread_local void (*watcher)(void *arg, int fd, const char *bytes, size_t n);
static _Thread_local void *watcher_arg;

void recv_watch(void (*fn)(void *arg, int fd, const char *bytes, size_t n), void *arg)
{
	watcher = fn;
	watcher_arg = arg;
}

ssize_t recv(int fd, void *bytes, size_t n, int flags)
{
	ssize_t got = recvfrom(fd, bytes, n, flags, NULL, NULL);

	if (got > 0 && watcher)
		watcher(watcher_arg, fd, bytes, (size_t)got);
	return got;
}
