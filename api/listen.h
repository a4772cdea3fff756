/*
 * The one public socket: from systemd, or of our own. Private to the transport.
 */
#ifndef API_LISTEN_H
#define API_LISTEN_H

#include "base/settings.h"

/*
 * Listens on HOST and PORT, or takes the socket of LISTEN_FDS (sd_listen_fds(3)); non-blocking. Returns the descriptor.
 * ERR_CONFIG with one line in *err.
 */
int listen_open(const struct settings *, int *ret_port, struct error *err);

#endif
