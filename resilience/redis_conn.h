/*
 * A guarded connection to Redis: a socket of ours, non-blocking, with one deadline for each whole exchange; hiredis only
 * formats commands and parses replies (design 9.7). After any failure the connection is closed and must be destroyed.
 * One thread at a time. Callers outside resilience/ meet it only in hooks.
 */
#ifndef RESILIENCE_REDIS_CONN_H
#define RESILIENCE_REDIS_CONN_H

#include "resilience/redis.h"

/* What went wrong, as the metrics name it. */
enum redis_failure {
	REDIS_FAILURE_NONE,
	REDIS_REFUSED,
	REDIS_TIMEOUT,
	REDIS_RESET,
	REDIS_AUTH,
	REDIS_LOADING,
	REDIS_READONLY,
	REDIS_OOM,
	REDIS_OTHER,
	REDIS_FAILURES
};

/* "refused", "timeout", …; "none". Static. */
const char *redis_failure_name(enum redis_failure);

struct redis_address; /* a resolved name, made by the prober */

/* Resolves the host of the URL (blocks: the prober only); NULL with the reason in *err. A UNIX socket resolves to itself. */
struct redis_address *redis_address_resolve(const struct redis_url *, struct error *err);

/* Gives one reference back; NULL is fine. Any thread. */
void redis_address_destroy(struct redis_address *);

/*
 * Connects, does TLS, AUTH and SELECT by deadline_us (monotonic). ERR_UNAVAILABLE or ERR_TIMEOUT (or ERR_NOMEM), text in
 * *err, kind in *ret_failure.
 */
int redis_conn_open(const struct redis_url *, const struct redis_address *, int64_t deadline_us, struct redis_conn **ret_conn,
                    enum redis_failure *ret_failure, struct error *err);

/* Closes and frees; NULL is fine. */
void redis_conn_destroy(struct redis_conn *);

/*
 * n commands in one write, n replies, all by deadline_us. Errors as redis_conn_open; an outage-kind error reply is a
 * failure too; ERR_CORRUPT for what is not RESP2, ERR_LIMIT for a reply beyond our bounds. ret_replies is then all NULL.
 */
int redis_conn_call(struct redis_conn *, const struct redis_command *commands, size_t n, int64_t deadline_us,
                    struct redis_reply **ret_replies, enum redis_failure *ret_failure, struct error *err);

/* Sends without waiting for the replies (subscriptions). */
int redis_conn_send(struct redis_conn *, const struct redis_command *commands, size_t n, int64_t deadline_us, struct error *err);

/* The next reply or pushed message by deadline_us; ERR_TIMEOUT leaves the connection usable when no byte of a reply has come yet. */
int redis_conn_receive(struct redis_conn *, int64_t deadline_us, struct redis_reply **ret_reply, enum redis_failure *ret_failure,
                       struct error *err);

/* The socket, for poll. */
int redis_conn_fd(const struct redis_conn *);

#endif
