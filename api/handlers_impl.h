/*
 * The handlers that api/routes.def names, declared from the table itself, and the predicates of api/cached.def.
 * A handler: parse, one domain call, reply; it holds no SQL, no check of who calls, no cache call.
 */
#ifndef API_HANDLERS_IMPL_H
#define API_HANDLERS_IMPL_H

#include "api/request.h"

#define RESOURCE(pattern, traits)
#define ROUTE(method, pattern, handler, access, place, cached, query, in, out) void handler(struct request *req);
#include "api/routes.def"
#undef ROUTE
#undef RESOURCE

/* The list that everybody shares: published, unpaged, unfiltered. */
bool contents_list_is_shared(const struct request *req);

#endif
