/*
 * A ready response: body, ETag and compressed forms of a cached answer, kept in level 1 of the cache (design 4, 9.4).
 *
 * Immutable, but for the compressed forms: each is made once, at the first request that asks for it. Any thread.
 */
#ifndef API_READY_H
#define API_READY_H

#include "api/request.h"
#include "base/blob.h"

struct ready {
	struct cache_object object; /* first member */
	struct blob *body;
	char etag[48]; /* W/"…", NUL-terminated */
	/* Private state of ready.c */
	_Atomic(struct blob *) coded[CODINGS];
};

/* Makes one of a body (a reference is taken); NULL without memory. */
struct ready *ready_create(struct blob *body);

/* The body in that coding, borrowed from the object; the identity when it cannot be compressed or grows (see *coding after). */
struct str ready_body(struct ready *, enum coding *coding);

/* Whether If-None-Match names this response (weak comparison, RFC 9110 section 13.1.2). */
bool ready_matches(const struct ready *, struct str if_none_match);

#endif
