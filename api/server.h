/*
 * The HTTP server: door, http threads, executor. app/ makes one and stops it. Threads: design.md section 3.
 */
#ifndef API_SERVER_H
#define API_SERVER_H

#include "api/request.h"

struct server;

/*
 * Listens (HOST, PORT, or the socket passed by systemd: LISTEN_FDS) and prepares the threads; serves nothing yet.
 * ERR_CONFIG for an address that cannot be listened on (in use, not ours), text in *err.
 */
int server_create(const struct api_context *, struct server **ret_server, struct error *err);

/* Starts the threads. */
int server_start(struct server *, struct error *err);

/* The port it listens on. */
int server_port(const struct server *);

/* Stops accepting at once; answers still running get until deadline_us (monotonic), then connections are cut. Returns how many were cut. */
int server_stop(struct server *, int64_t deadline_us);

/* After server_stop; NULL is fine. */
void server_destroy(struct server *);

#endif
