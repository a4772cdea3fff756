/*
 * Dispatch: the order of treatment of a request (http.md section 1), as a list of gates, then the route's handler.
 */
#ifndef API_DISPATCH_H
#define API_DISPATCH_H

#include "api/request.h"

enum dispatch_result {
	DISPATCH_ANSWERED, /* req->reply.status is set */
	DISPATCH_SLOW,     /* suspend the connection and call dispatch_slow on an executor thread */
	DISPATCH_PASSWORD, /* the same, on a thread of the executor for passwords */
};

/*
 * The whole request is there (body read or discarded), on an http thread: runs the gates, and the handler when it is in
 * place. Never fails: every outcome is an answer.
 */
enum dispatch_result dispatch(struct request *);

/* The rest of a request that dispatch did not answer, on an executor thread, with that thread's worker in req->worker. Sets the reply. */
void dispatch_slow(struct request *);

/* The executor's queue is full: 503 with Retry-After. */
void dispatch_busy(struct request *);

/* A request that the guard refuses before routing: status 400, 408, 413, 414, 431 or 426, JSON {"detail"}; the connection closes. */
void dispatch_refused(struct request *, int status, const char *detail);

/*
 * The body limit of this request, known from its head before the body is read; bytes. Says in req->takes_upload whether it
 * may be a long one, with files: on routes with the trait UPLOADS, multipart, from a caller with credentials that may be
 * good. Those are MAX_UPLOAD_BYTES and 1 MiB.
 */
int64_t dispatch_body_limit(struct request *);

/* Notes who asks and how (client's scheme, host, origin, budget of Redis): no answer yet. */
void dispatch_read_context(struct request *);

/* Fills req->origin_prefix, the scheme and host of absolute URLs; false without memory. */
bool dispatch_set_origin_prefix(struct request *);

/* Splits the target, applies the /api/api/ rule, decodes the path: req->path, raw_path, query. False when it cannot be decoded. */
bool dispatch_read_target(struct request *);

#endif
