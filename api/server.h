/*
 * The HTTP server: door, http threads, executor. app/ makes one and stops it. Threads: design.md section 3.
 */
#ifndef API_SERVER_H
#define API_SERVER_H

#include "api/request.h"

struct server;

struct upgrade;

/*
 * Takes the socket of a WebSocket request (api/upgrade.h; its head is still unread). 0: the socket is the taker's, and the
 * server counts it no longer. Else the HTTP status of the refusal: 429, 503. Door thread; must not block;
 * what the request points to lives as long as the call.
 */
typedef int (*server_upgrade_fn)(void *arg, const struct upgrade *);

/*
 * Listens (HOST, PORT, or the socket passed by systemd: LISTEN_FDS) and prepares the threads; serves nothing yet.
 * ERR_CONFIG for an address that is not ours, ERR_IO for a port in use, text in *err.
 */
int server_create(const struct api_context *, struct server **ret_server, struct error *err);

/* Who takes WebSocket requests; nobody: they get 503. Before server_start. */
void server_on_upgrade(struct server *, server_upgrade_fn, void *arg);

/* Starts the threads. ERR_IO, ERR_NOMEM; server_destroy is still to be called. */
int server_start(struct server *, struct error *err);

/* The port it listens on. */
int server_port(const struct server *);

/* Stops accepting at once; answers still running get until deadline_us (monotonic), then connections are cut. Returns how many were cut. */
int server_stop(struct server *, int64_t deadline_us);

/* Open connections of clients. Any thread. */
int server_connections(const struct server *);

/* After server_stop; NULL is fine. */
void server_destroy(struct server *);

#endif
