/*
 * Inside of a guarded connection, shared by redis_conn.c (the exchanges), redis_failure.c (what went wrong),
 * redis_wire.c (socket and waiting) and redis_tls.c. Whatever fails is noted in the connection by conn_fail and makes it
 * useless for good.
 */
#ifndef RESILIENCE_REDIS_CONN_IMPL_H
#define RESILIENCE_REDIS_CONN_IMPL_H

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/buf.h"
#include "resilience/redis_conn.h"
#include "resilience/reply_reader_impl.h"

struct ssl_st;

struct redis_conn {
	int fd;             /* -1 before connect */
	struct ssl_st *ssl; /* NULL without TLS */
	short waits_for;    /* POLLIN or POLLOUT: what the last wire_read or wire_write that would block lacked */
	struct reply_reader reader;
	struct buf out;  /* formatted commands */
	char shown[160]; /* of the URL, for error texts; may be cut */
	bool broken;
	bool by_reply;              /* what failed was an error reply: the server answers */
	enum redis_failure failure; /* the first */
	struct error error;         /* its text */
	/* For the pool: */
	uint64_t generation;  /* of the breaker under which it may be used */
	int64_t last_used_us; /* monotonic */
};

#define REDIS_ADDRESSES_MAX 8

struct redis_address {
	atomic_int refs;
	int n;
	struct {
		struct sockaddr_storage addr;
		socklen_t len;
	} at[REDIS_ADDRESSES_MAX];
};

/* One reference more; NULL is fine. redis_address_destroy gives one back. Any thread. */
struct redis_address *redis_address_ref(struct redis_address *);

/* Notes the first failure and breaks the connection; returns code. */
int redis_conn_fail(struct redis_conn *, int code, enum redis_failure, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* redis_conn_fail from an errno value; what says which step it was. */
int redis_conn_fail_errno(struct redis_conn *, const char *what, int error_number);

/* What kind of outage an error reply means; REDIS_FAILURE_NONE for replies that are answers. */
enum redis_failure redis_outage_of(const struct redis_reply *);

/* Whether the first word of an error reply is this one. */
bool redis_error_is(const struct redis_reply *, const char *word);

/* Whether the last exchange left nothing behind: no failure, no reply that was not asked for. No system call. */
bool redis_conn_settled(const struct redis_conn *);

/* Whether an idle connection is still open and silent: what has been closed by the server, or talks unasked, is not to be used. */
bool redis_conn_idle_ok(struct redis_conn *);

/* As redis_conn_receive without waiting: 1 and a reply, 0 when none is whole yet, or negative. */
int redis_conn_try(struct redis_conn *, struct redis_reply **ret_reply);

/* ---- redis_wire.c: returns are 0 or negative with redis_conn_fail done, unless said otherwise ---- */

/* A connected socket with our options, tried on each address in turn. */
int wire_connect(struct redis_conn *, const struct redis_address *, int64_t deadline_us);

/* Until the socket is ready for events; false when the deadline passed. */
bool wire_wait(const struct redis_conn *, short events, int64_t deadline_us);

/* Bytes read; 0 when it would block (waits_for says on what). */
ssize_t wire_read(struct redis_conn *, char *bytes, size_t n);

/* Bytes written; 0 when it would block. */
ssize_t wire_write(struct redis_conn *, const char *bytes, size_t n);

/* All of it by the deadline. */
int wire_write_all(struct redis_conn *, const char *bytes, size_t n, int64_t deadline_us);

/* ---- redis_tls.c ---- */

/* TLS over the connected socket; the peer must prove the name of the URL with a certificate of the system's authorities. */
int tls_start(struct redis_conn *, const struct redis_url *, int64_t deadline_us);

/* As wire_read and wire_write. */
ssize_t tls_read(struct redis_conn *, char *bytes, size_t n);
ssize_t tls_write(struct redis_conn *, const char *bytes, size_t n);

/* Whether nothing but TLS' own records waits to be read and the peer has not closed. */
bool tls_idle_ok(struct redis_conn *);

/* Frees; harmless without TLS. */
void tls_finish(struct redis_conn *);

#endif
