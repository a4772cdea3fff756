/*
 * Inside db/: what the front (db.c) and the two drivers (sqlite*.c, postgresql*.c) know of each other.
 *
 * The front does what is the same for both: the gate while the database is away, the cache of prepared statements, the
 * building of rows, the rules of a write closure, the counting of failures. A driver prepares, runs and converts. A driver's
 * own struct begins with struct db or struct db_conn.
 *
 * A call of the front on a connection goes: enter (gate) → prepared statement (cache) → start → step … with column →
 * finish. A failed statement poisons the write closure it is in, on both engines, as PostgreSQL does by itself.
 */
#ifndef DB_DRIVER_IMPL_H
#define DB_DRIVER_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/metrics.h"
#include "db/db.h"

#define DB_AFTER_COMMIT_MAX 16

/* What a script (schema work) may take, and waiting for the lock of a migration. */
#define DB_SCRIPT_LIMIT_US INT64_C(60000000)

struct db_driver {
	enum db_engine engine;

	/* Allocates the driver's struct db (zeroed); NULL without memory. */
	struct db *(*create)(void);
	/* First connection; url, limits and lock are set. The front calls destroy when it fails. */
	int (*open)(struct db *, struct error *);
	/* Frees all that open made and the struct itself; half-built is fine. */
	void (*destroy)(struct db *);

	/* *ret_conn has db set; the front registers it. */
	int (*connect)(struct db *, struct db_conn **ret_conn, struct error *);
	/* Frees the connection; its prepared statements are already finalized. */
	void (*disconnect)(struct db_conn *);
	/* Before a call outside of a transaction: takes over what the prober made. No system call in the usual case. */
	int (*ready)(struct db_conn *);

	/* text is the statement's for this engine, with $cols expanded. */
	int (*prepare)(struct db_conn *, const struct db_statement *, const char *text, const struct db_param *, size_t n,
	               void **ret_prepared);
	/* Also frees; must work on a broken connection. */
	void (*finalize)(struct db_conn *, void *prepared);

	int (*start)(struct db_conn *, void *prepared, const struct db_param *, size_t n);
	/* 1: a row is there; 0: the end; negative: failed. */
	int (*step)(struct db_conn *, void *prepared);
	/* Converts column i of the present row into *member (of the C type of kind); texts go to the arena. */
	int (*column)(struct db_conn *, void *prepared, int i, enum kind, struct arena *, void *member);
	/* Ends what start began, also after a failure; the number of changed rows. */
	int64_t (*finish)(struct db_conn *, void *prepared);

	int (*script)(struct db_conn *, const char *sql);
	/*
	 * db_write: runs the closure with conn_run_closure on a connection in a transaction; leaves the closure's orders in
	 * after. What fails outside of the closure (begin, commit) goes through conn_count_failure.
	 */
	int (*write)(struct db_conn *, db_write_fn fn, void *arg);
	void (*probe)(struct db *);
};

extern const struct db_driver sqlite_driver;
extern const struct db_driver postgresql_driver;

struct db {
	const struct db_driver *driver;
	struct db_config config; /* url is a copy of ours */
	char *url, *shown_url;   /* owned */
	atomic_bool available;
	atomic_bool read_only;
	pthread_mutex_t lock; /* of connections */
	struct db_conn *connections;
	void (*watch)(void *arg, bool available);
	void *watch_arg;
	void (*_Atomic put)(void *arg); /* outbox_watch */
	void *put_arg;
	struct metric *up, *commits, *writes;
	struct metric *errors[16]; /* by -code */
};

struct prepared_entry {
	const void *key; /* NULL = free */
	void *prepared;  /* the driver's */
	size_t n_params; /* that the text asks for; further arguments are not passed on */
};

/* Open addressing, at most half full, no removal of single entries. */
struct prepared_table {
	struct prepared_entry *entries;
	size_t n, size; /* size is a power of two, or 0 */
};

struct after_commit {
	void (*fn)(void *arg);
	void *arg;
};

struct db_conn {
	struct db *db;
	struct db_conn *next; /* in db->connections */
	struct prepared_table prepared;
	struct buf rows;     /* scratch of the front: the rows of the present select */
	int64_t deadline_us; /* of the present statement, monotonic */
	bool in_closure;     /* db_execute is allowed */
	int failed;          /* the error that poisoned the closure, or 0 */
	bool told;           /* error is of the present call */
	bool in_doubt;       /* the last db_write was told to commit, and nothing came back; drivers set it */
	char error[240];
	struct after_commit after[DB_AFTER_COMMIT_MAX];
	size_t n_after;
};

/* Sets the text of db_error and returns code. */
int conn_fail(struct db_conn *, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Counts a failure, with error_name as its text when no other was set during this call; returns code. */
int conn_count_failure(struct db_conn *, int code);

/* Sets the deadline of the statement that begins now. */
void conn_arm_deadline(struct db_conn *, int64_t limit_us);

/*
 * Runs a closure on a connection that is inside its transaction (or savepoint): returns fn's result, or the error of a
 * statement that failed in it, whatever fn made of it.
 */
int conn_run_closure(struct db_conn *, db_write_fn fn, void *arg);

/* Forgets (finalizes) all prepared statements: the session that knew them is gone, or the connection closes. */
void conn_forget_prepared(struct db_conn *);

/*
 * The prepared form of the statement whose identity is key, made at its first use on this connection; the entry is valid
 * until the next call. ERR_INTERNAL when it asks for more than n parameters.
 */
int conn_prepare(struct db_conn *, const void *key, const struct db_statement *, const struct db_param *, size_t n,
                 const struct prepared_entry **ret_entry);

/* Counts a committed transaction of so many writes. Any thread. */
void db_count_commit(struct db *, size_t n_writes);

/* Moves the availability and its gauge; calls the watcher on a change. Any thread. */
void db_set_available(struct db *, bool available);

#endif
