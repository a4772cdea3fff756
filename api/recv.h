/*
 * The one place where the bytes that libmicrohttpd reads can be seen as they came. Private to the transport.
 */
#ifndef API_RECV_H
#define API_RECV_H

#include <stddef.h>

/*
 * From now on fn(arg, fd, bytes, n) sees what recv(2) returns on the calling thread, for every descriptor.
 * NULL: nothing is seen any more.
 */
void recv_watch(void (*fn)(void *arg, int fd, const char *bytes, size_t n), void *arg);

#endif
