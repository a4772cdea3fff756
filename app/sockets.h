/*
 * Between the API and the hub, which do not know each other: sockets go to the hub, events too. Source: design.md 2 ("what must go
 * up goes by callback"), realtime.md 7.
 */
#ifndef APP_SOCKETS_H
#define APP_SOCKETS_H

#include "api/server.h"
#include "domain/live.h"
#include "api/openapi.h"
#include "realtime/hub.h"

/* Makes a hub for these and starts it. Errors as hub_create and hub_start; *ret_hub is to be destroyed all the same. */
int sockets_start(const struct settings *, struct db *, struct redis *, struct hub **ret_hub, struct error *err);

/* A server_upgrade_fn; hub: the hub. */
int sockets_take(void *hub, const struct upgrade *);

/* The listener that tells the hub; it may be used as long as the hub is there. */
struct live sockets_listener(struct hub *);

/* Adds the document of the WebSockets to those that are served. ERR_NOMEM. */
int sockets_describe(const struct settings *, struct openapi *, struct error *err);

#endif
