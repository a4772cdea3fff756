/*
 * A request and its answer: what the transport (door, http threads) hands to dispatch, and what comes back.
 *
 * The transport fills the first part, dispatch the second, the handler the answer. Everything text-like lives in the
 * request's arena and dies with the request. One thread at a time: the http thread, or the executor thread while the
 * connection is suspended. Life of a request: design.md section 4.
 */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/kinds.h"
#include "base/settings.h"
#include "cache/cache.h"
#include "cache/throttle.h"
#include "db/db.h"
#include "resilience/redis.h"

struct account;
struct live;
struct tasks_watcher;
struct measures;
struct resource;
struct route;
struct ready;
struct semantic_embedder;
struct body_value;
struct openapi;

/* What every request may use; made by app/, shared by all threads, borrowed. */
struct api_context {
	const struct settings *settings;
	struct db *db;
	struct redis *redis;
	struct cache *cache;
	struct throttle *throttle;
	struct measures *measures;                     /* domain/measures.h */
	const struct live *live;                       /* who tells sockets: domain/live.h; NULL: nobody */
	const struct semantic_embedder *embedder;      /* domain/semantic.h; NULL: searches have no vector */
	const struct tasks_watcher *tasks;             /* how background tasks are: domain/tasks_state.h; NULL: nobody knows */
	const struct site *site;                       /* what is derived from the settings at start: api/site.h */
	const struct openapi *openapi;                 /* the API's document: api/openapi.h */
	bool (*ready)(void *arg, struct buf *verbose); /* /readyz; verbose may be NULL, else gets "[+]name ok" lines */
	bool (*alive)(void *arg, struct buf *verbose); /* /livez */
	void *probe_arg;
};

/* What a serving thread owns. */
struct worker {
	const struct api_context *context;
	struct db_conn *db;        /* its own connection */
	struct cache_front *front; /* NULL on executor threads */
	bool hashes_passwords;     /* a thread of the executor for passwords */
};

struct request_headers {
#define REQUEST_HEADER(member, name) struct str member;
#include "api/headers.def"
#undef REQUEST_HEADER
};

/* A header field of the answer; both texts live at least as long as the request. */
struct reply_header {
	const char *name, *value;
};

#define REPLY_MAX_HEADERS 12

/* Content codings of an answer (RFC 9110 section 8.4). */
enum coding { CODING_IDENTITY, CODING_GZIP, CODING_BROTLI, CODINGS };

/*
 * The answer. Either ready (a cached response, borrowed from this thread's front) or body (in the arena). The common
 * headers of http.md 10 are not listed here: the transport adds them to every answer.
 */
struct reply {
	int status;          /* 0 = not answered yet */
	int error;           /* the ERR_ code that reply_error translated; 0 = none */
	struct ready *ready; /* or NULL */
	enum coding coding;  /* which form of ready */
	struct str body;     /* when neither ready nor a file; may be empty */
	bool has_file;       /* file is open, and closed with the answer */
	int file;            /* the body is a part of it: */
	uint64_t file_offset, file_bytes;
	const char *content_type; /* NULL = none */
	struct reply_header headers[REPLY_MAX_HEADERS];
	size_t n_headers;
	const char *cors_origin; /* Access-Control-Allow-Origin, or NULL */
	bool cors_methods;       /* an OPTIONS of an allowed origin: the three lists of http.md 9 as well */
	const char *allow;       /* Allow, or NULL */
	bool hsts;               /* Strict-Transport-Security */
	bool api;                /* Vary: Accept, Cookie, origin rather than Vary: origin */
	bool close;              /* Connection: close */
};

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_PATCH, METHOD_DELETE, METHOD_OPTIONS, METHOD_OTHER };

struct request {
	/* Filled by the transport */
	struct worker *worker; /* of the thread that serves now */
	struct arena arena;
	const char *id; /* 16 hex digits, for logs and 500 answers */
	enum method method;
	struct str method_text; /* as sent */
	struct str target;      /* as sent: origin-form, path and query */
	struct request_headers headers;
	struct sockaddr_storage peer;
	struct str body;     /* whole, within the limit; in the arena */
	bool body_too_large; /* it was discarded */
	bool takes_upload;   /* the body may be that of an upload: dispatch_body_limit */
	int body_error;      /* why it could not be kept, an ERR_ code: it was discarded; 0 = it was */
	int64_t started_us;  /* monotonic */

	/* Filled by dispatch */
	struct redis_budget budget;
	size_t gates_passed;             /* how far dispatch has come */
	const struct resource *resource; /* NULL: no such path */
	const struct route *route;       /* NULL until routed */
	struct str path;                 /* decoded, after the /api/api/ rule */
	struct str raw_path;             /* as sent, without the query */
	struct str query;                /* as sent, without the '?' */
	struct str params[2];            /* the {…} of the pattern, decoded */
	struct str host;                 /* Host, checked */
	bool secure;                     /* the client used https */
	bool peer_trusted;               /* the peer is in TRUSTED_PROXIES */
	struct str client;               /* for client_address: read it by that */
	const struct account *caller;    /* who asks, once the gates have found out; NULL: nobody signed in */
	const char *cache_key;           /* the answer is shared under this key (api/cached.def); NULL: it is not */
	struct body_value *parsed;       /* the body as a value, while the handler of an unsafe method runs; else NULL */
	struct str origin_prefix; /* scheme://host of this request, for absolute URLs; CACHED_ORIGIN_MARK while a shared value is made */

	uint64_t announced; /* the request's number, once it has announced a live event: api/announce.h; 0: it has not */

	struct reply reply;
	void *transport; /* private to the transport */
};

/* The pattern of the request's route for logs and metrics; "none" when it has none. */
const char *request_route_label(const struct request *);

/* In a value of level 2, this byte stands where the origin (scheme://host) goes; it cannot occur in JSON (design 9.4). */
#define CACHED_ORIGIN_MARK "\x01"

#endif
