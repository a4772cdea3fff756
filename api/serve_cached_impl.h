/*
 * Answering a cached route (api/cached.def): from this thread's cache front, without a lock, an allocation or a trip to
 * Redis; on a miss the route's own handler makes the value, with CACHED_ORIGIN_MARK where the caller's origin goes.
 */
#ifndef API_SERVE_CACHED_IMPL_H
#define API_SERVE_CACHED_IMPL_H

#include "api/request.h"
#include "api/route.h"

/* Sets the reply of a GET that its route's policy shares under req->cache_key, on a worker that has a front. */
void serve_cached(struct request *, const struct cached_policy *);

#endif
