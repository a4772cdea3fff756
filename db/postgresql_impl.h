/*
 * Inside db/: the PostgreSQL driver's sessions and slots.
 *
 * A session is a PGconn that is set up. A slot (struct pg_conn) is a thread's place for one: the owning thread alone uses
 * its session; the prober makes new sessions and leaves them in the slot, where the owner finds them at its next use.
 */
#ifndef DB_POSTGRESQL_IMPL_H
#define DB_POSTGRESQL_IMPL_H

#include <libpq-fe.h>

#include "db/driver_impl.h"

/* Of one look at the server by db_probe, reconnections included. */
#define PG_PROBE_LIMIT_US INT64_C(1000000)

struct pg_db {
	struct db base;
	PGconn *prober;            /* the probing thread's; NULL when it has none */
	char postmaster_start[64]; /* as the server wrote it: another value is another life of the server */
};

struct pg_conn {
	struct db_conn base;
	/* The owner's alone. */
	PGconn *link;     /* NULL once broken */
	unsigned n_named; /* prepared statements of this session */
	bool in_transaction;
	bool must_repeat; /* the transaction met a serialisation failure */
	bool ran_script;  /* the transaction did schema work: its commit may take longer */
	bool stale;       /* the server no longer accepts a prepared statement: all are to be forgotten */
	PGresult *result; /* of the statement between start and finish */
	int row;
	struct buf text; /* scratch of parameters */
	/* Shared with the prober. */
	atomic_bool broken;    /* set by the owner, cleared by who mends */
	atomic_bool has_fresh; /* fresh is not NULL; a look without the lock */
	PGconn *fresh;         /* under the db's lock */
	int backend;           /* pid of the newest session's backend; under the db's lock */
};

static inline struct pg_conn *pg_of(struct db_conn *conn)
{
	return (struct pg_conn *)conn;
}

static inline int64_t pg_statement_limit_us(const struct pg_conn *c)
{
	return c->base.db->config.statement_limit_us;
}

/* A session within the deadline: connected and set up. ERR_UNAVAILABLE with text in *err, ERR_NOMEM. */
int pg_session_open(struct db *, int64_t deadline_us, PGconn **ret_link, int *ret_backend, struct error *err);

/*
 * Sends and waits until the last result, within the deadline; *ret_result is the last one, or the first that failed; the
 * caller clears it. send_succeeded: what the PQsend… function said. ERR_TIMEOUT (no answer: the session is useless), or
 * ERR_UNAVAILABLE (it is lost).
 */
int pg_await(PGconn *, int send_succeeded, int64_t deadline_us, PGresult **ret_result);

/* The session is lost: closes it and marks slot and database as away. */
void pg_break(struct pg_conn *);

/* 0, or what a failed result (NULL: no result at all) means; with the text of db_error. */
int pg_check(struct pg_conn *, const PGresult *);

/* A command without parameters on the slot's session, within limit_us; ret_result may be NULL, else the caller clears it. */
int pg_command(struct pg_conn *, const char *sql, int64_t limit_us, PGresult **ret_result);

/* Driver: db_write. */
int pg_write(struct db_conn *, db_write_fn fn, void *arg);

/* Driver: an empty struct pg_db. */
struct db *pg_db_create(void);
/* Driver: checks the URL, makes the prober's session. */
int pg_db_open(struct db *, struct error *);
/* Driver: ends the prober's session, frees. */
void pg_db_destroy(struct db *);
/* Driver: a slot; without a session when none can be had now. */
int pg_db_connect(struct db *, struct db_conn **ret_conn, struct error *);
/* Driver: ends the slot's sessions, frees it. */
void pg_db_disconnect(struct db_conn *);
/* Driver: takes over the prober's fresh session; ERR_UNAVAILABLE without any. */
int pg_db_ready(struct db_conn *);
/* Driver: looks at the server, mends slots, moves availability. */
void pg_db_probe(struct db *);

#endif
