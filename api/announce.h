/*
 * Telling sockets what a request has changed: domain/live.h.
 */
#ifndef API_ANNOUNCE_H
#define API_ANNOUNCE_H

#include "api/request.h"
#include "domain/live.h"

/*
 * Announces the event, with the request's caller and the request itself filled in. To be called after the commit and before the
 * answer. Nothing happens where nobody listens.
 */
void request_announce(struct request *, struct live_event);

/* For the transport: the request has ended, its answer written or not. */
void request_answered(struct request *);

#endif
