/*
 * The transport's shared insides: one record per open socket, the http threads, the server that holds them. Included by
 * the transport's files only (server, door, http, guard, respond, deadlines, connection).
 *
 * A socket's record is the entry of its descriptor in server->connections. It has one owner at a time, who alone reads
 * its fields and the socket: the door until it hands the socket to an http thread, then that thread until libmicrohttpd
 * says that it is about to close. The phase word alone is shared: the sweep of the door's thread reads it, and takes a
 * connection that is late away from its owner by one compare-and-swap (connection.h).
 */
#ifndef API_TRANSPORT_IMPL_H
#define API_TRANSPORT_IMPL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "api/addresses.h"
#include "api/connection.h"
#include "api/executor.h"
#include "api/head.h"
#include "api/intake.h"
#include "api/request.h"
#include "api/server.h"
#include "base/clock.h"
#include "base/metrics.h"

#define FREE_EXCHANGES 64  /* kept per http thread: each holds a first arena block */
#define MEMO_ENTRIES   64  /* prepared answers per http thread */
#define SERIES_ENTRIES 512 /* kept metric series per http thread; a power of two */

#define SILENT_LIMIT_US    (5 * US_PER_S)  /* from accept to the first byte */
#define HEAD_LIMIT_US      (10 * US_PER_S) /* from the first byte to the whole head */
#define LINGER_LIMIT_US    (2 * US_PER_S)  /* how long a refused client may take to read why */
#define BODY_GRACE_US      (5 * US_PER_S)  /* before the minimum rate counts */
#define MINIMUM_RATE_BYTES 1024            /* per second, of a body in and of an answer out */
#define UPLOAD_RATE_BYTES  (32 * 1024)     /* of an upload: a second more for each of these, beyond the request's own time */

/* Where a request stands between the calls of libmicrohttpd's handler. */
enum stage {
	STAGE_HEAD,     /* the head is being read */
	STAGE_BODY,     /* it was accepted; the body is being read */
	STAGE_EXECUTOR, /* suspended; an executor thread has it */
	STAGE_RESUMED,  /* the executor has set the reply */
	STAGE_QUEUED,   /* the answer has been handed to libmicrohttpd */
};

/* A request with what the transport needs to serve it. Reused between the requests of a thread. */
struct exchange {
	struct request request;
	struct exchange *next_free;
	struct http_thread *thread;
	struct connection *connection;
	struct MHD_Connection *mhd;
	enum stage stage;
	uint64_t number;       /* of the request on its connection, from 1 */
	struct str raw_target; /* before an absolute-form was split */
	struct head_framing framing;
	int64_t body_limit; /* bytes */
	struct intake body; /* what has come of it */
	int64_t discarded;  /* bytes beyond the limit, or that could not be kept */
	int64_t head_us;    /* monotonic: when the head was whole */
	int64_t queued_us;  /* monotonic: when the answer was queued */
	size_t answer_bytes;
	char id[17];
};

/* A prepared answer for a ready object; see respond.c. */
struct memo {
	struct ready *ready; /* the response holds a reference; NULL = empty entry */
	enum coding coding;
	int status;
	bool cors_methods, hsts, api;
	char cors_origin[128], allow[72], content_type[40]; /* "" = none */
	struct MHD_Response *response;
	size_t bytes;
	int64_t used_us; /* monotonic */
};

/* The series of one route, method and status class. */
struct route_series {
	const char *route; /* NULL = empty entry; labels are static, so the pointer is the key */
	enum method method;
	int class;
	struct metric *requests, *seconds;
};

struct http_thread {
	struct server *server;
	struct MHD_Daemon *daemon;
	struct worker worker;
	atomic_int connections; /* handed to it and not closed yet */
	struct exchange *free;  /* this thread only, as everything below */
	size_t n_free;
	uint64_t id_seed, id_count;
	struct memo memos[MEMO_ENTRIES];
	struct route_series series[SERIES_ENTRIES];
};

/* An executor with its workers: passwords have one of their own, so that a wave of logins holds up no write. */
struct lane {
	struct worker *workers;
	size_t n_workers;
	struct executor *executor;
};
enum { LANE_SLOW, LANE_PASSWORD, LANES };

struct door;

struct server {
	const struct api_context *context;
	const struct settings *settings; /* the context's */
	int listener;
	int port;
	struct connection *connections; /* by descriptor */
	int n_connections;              /* entries */
	atomic_int highest;             /* descriptor used so far, for the sweep */
	atomic_int open;                /* sockets of clients */
	struct addresses *addresses;
	struct http_thread *threads;
	size_t n_threads;
	struct lane lanes[LANES];
	struct door *door;
	server_upgrade_fn upgrade; /* NULL: WebSocket requests are refused */
	void *upgrade_arg;
	atomic_bool draining;   /* server_stop was called: each connection closes after its running answer */
	atomic_bool cutting;    /* its deadline has passed */
	atomic_int cut;         /* connections that the deadline caught with a request unanswered */
	pthread_mutex_t lock;   /* for emptied */
	pthread_cond_t emptied; /* open has become 0 while draining */
};

/* ---- server.c ---- */

/* The record of a new socket, cleared, in no phase yet; NULL when the descriptor is beyond the table. The thread that owns the socket. */
struct connection *server_claim(struct server *, int fd);

/* The socket of a record is about to be closed: takes it out of the counts and forgets it. Its owner. */
void server_release(struct server *, struct connection *);

/* ---- http.c ---- */

/* Starts the daemons. ERR_IO, ERR_NOMEM. */
int http_start(struct server *, struct error *err);

/* Stops them; no connection may be suspended any more. Harmless when they do not run. */
void http_stop(struct server *);

/* Hands a socket with a whole, accepted head to the least busy thread, whose the record and the socket are then, also on failure. Door. */
void http_hand_over(struct server *, struct connection *);

/* ---- exchange.c: callbacks of libmicrohttpd, on its thread ---- */

/* MHD_OPTION_URI_LOG_CALLBACK: a request line has come; the exchange that it returns is the context of what follows. arg: http_thread. */
void *exchange_on_target(void *arg, const char *uri, struct MHD_Connection *);

/* The access handler: MHD_NO closes the connection. */
enum MHD_Result exchange_handle(void *arg, struct MHD_Connection *, const char *url, const char *method, const char *version,
                                const char *data, size_t *n, void **context);

/* MHD_OPTION_NOTIFY_COMPLETED: the exchange goes back to its thread. arg: http_thread. */
void exchange_on_completed(void *arg, struct MHD_Connection *, void **context, enum MHD_RequestTerminationCode);

/* From now on the bytes that the calling http thread reads are judged (stream.h). */
void exchange_watch(struct http_thread *);

/* Frees the exchanges that a stopped thread keeps for use. */
void exchange_free_all(struct http_thread *);

/* ---- guard.c ---- */

/*
 * Reads the parsed head into ex->request and judges it: every request, first handler call, http thread. status 0: it is
 * fine; ex->framing and the request's first part are filled either way.
 */
struct head_verdict guard_check(struct exchange *, const char *method);

/* Keeps the field when it is one of api/headers.def. */
void guard_keep_field(struct request_headers *, struct str name, struct str value);

/* The verdict on what has come of the request so far, its body included. Http thread. */
struct head_verdict guard_verdict(const struct exchange *);

/* ---- respond.c ---- */

/* Hands the reply to libmicrohttpd. False: it would not have it (out of memory): close. Http thread. */
bool respond(struct exchange *, int64_t now_us);

/* Drops all prepared answers of a thread. */
void respond_forget(struct http_thread *);

/*
 * Sends a whole small answer, {"detail"} with all the headers of http.md 10, without waiting; counts the refusal. Any thread
 * that may use the socket.
 */
void respond_raw(int fd, int status, const char *detail);

/* ---- account.c ---- */

/* Counts and logs a finished request. Http thread. */
void account_request(struct exchange *);

/* ---- deadlines.c ---- */

/* Looks at every connection: those that are late are answered 408 or 503 and closed. Door thread, every 250 ms. */
void deadlines_sweep(struct server *, int64_t now_us);

/* ---- door.c ---- */

int door_create(struct server *, struct door **ret_door, struct error *err);
int door_start(struct door *, struct error *err);
void door_close_listener(struct door *); /* any thread: stops accepting; connections are still swept */
void door_stop(struct door *);           /* any thread: joins */
void door_destroy(struct door *);

/* Sends a whole refusal and lingers until the client has read it. The record is the caller's (door, or a duplicate). */
void door_refuse(struct server *, struct connection *, int status, const char *detail);

/* The head of a WebSocket request is whole (bytes, still unread in the socket): gives the socket away, or refuses. */
void door_hand_to_hub(struct server *, struct connection *, const char *bytes);

/* Closes a socket that the door owns and forgets it. */
void door_close(struct server *, struct connection *);

#endif
