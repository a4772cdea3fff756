#include "app/sd_notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/str.h"

/* The address of "/path" or "@abstract"; its length, 0 for anything else. */
static socklen_t notify_address(const char *name, struct sockaddr_un *ret_address)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(ret_address->sun_path))
		return 0;
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->sun_family = AF_UNIX;
	memcpy(ret_address->sun_path, name, len);
	if (name[0] == '@')
		ret_address->sun_path[0] = '\0'; /* the abstract namespace: no file, length counts */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
}

void sd_notify_send(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t len = name ? notify_address(name, &address) : 0;
	CLEANUP(cleanup_close) int fd = -1;

	if (!len)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	while (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, len) < 0 && errno == EINTR)
		continue;
}

int64_t sd_notify_watchdog_us(void)
{
	int64_t interval_us, pid;

	if (!str_to_uint(str_of(getenv("WATCHDOG_USEC")), &interval_us) || interval_us < 2)
		return 0;
	if (str_to_uint(str_of(getenv("WATCHDOG_PID")), &pid) && pid != getpid())
		return 0;
	return interval_us / 2;
}
