/*
 * A client who is closed while he sends: closing now would answer his bytes with a reset, which can destroy the close frame
 * before he has read it. So a duplicate of the socket stays for a moment, read and thrown away, until he has closed as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

#define LINGERERS_MAX 256

struct lingerer {
	struct lingerer *next;
	int fd;
	int64_t until_us;
};

void linger_begin(struct hub *hub, int fd)
{
	struct lingerer *l = hub->n_lingerers < LINGERERS_MAX ? mem_alloc(sizeof(*l)) : NULL;

	if (!l)
		return;
	l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (l->fd < 0) {
		free(l);
		return;
	}
	l->until_us = clock_monotonic_us() + LINGER_CLOSE_US;
	l->next = hub->lingerers;
	hub->lingerers = l;
	hub->n_lingerers++;
}

/* Whether he has closed, or sends so much that he is not worth it. */
static bool is_done(int fd)
{
	char waste[16 * 1024];
	ssize_t n = 0;

	for (int i = 0; i < 16; i++) {
		n = recv(fd, waste, sizeof(waste), MSG_DONTWAIT);
		if (n <= 0)
			break;
	}
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

void lingerers_tick(struct hub *hub, int64_t now_us)
{
	struct lingerer **at = &hub->lingerers;

	while (*at) {
		struct lingerer *l = *at;

		if (now_us < l->until_us && !is_done(l->fd)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		close(l->fd);
		free(l);
		hub->n_lingerers--;
	}
}
