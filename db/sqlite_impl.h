/*
 * Inside db/: the SQLite driver's connections, its way of opening a file, and its writer.
 */
#ifndef DB_SQLITE_IMPL_H
#define DB_SQLITE_IMPL_H

#include <sqlite3.h>

#include "db/driver_impl.h"

struct writer;

/* How the file is opened; what can only be read has three ways, tried in this order. */
enum file_access {
	FILE_WRITE,     /* WAL, one writer, any number of readers */
	FILE_READ,      /* locks and shared memory work, or the file has a rollback journal */
	FILE_IMMUTABLE, /* WAL mode, but there is no WAL: all is in the file. Reopened when the file changes */
	FILE_PRIVATE,   /* a WAL was left behind and no shared memory can be made: index it in our own memory */
};

struct sqlite_db {
	struct db base;
	char *path;             /* owned */
	atomic_int access;      /* enum file_access */
	atomic_uint generation; /* of the opened file: connections of an older one reopen */
	int64_t stamp;          /* of file and WAL, to see a change under FILE_IMMUTABLE; probing thread only */
	struct writer *writer;  /* NULL when read-only */
	struct db_conn *prober; /* the connection of db_probe */
};

struct sqlite_conn {
	struct db_conn base;
	sqlite3 *handle;
	unsigned generation;
};

static inline struct sqlite_db *sqlite_db_of(const struct db_conn *conn)
{
	return (struct sqlite_db *)conn->db;
}

static inline sqlite3 *sqlite_handle(const struct db_conn *conn)
{
	return ((const struct sqlite_conn *)conn)->handle;
}

/* Translates the last failure of the handle into a code and the connection's error text. */
int sqlite_fail(struct db_conn *, int rc);

/* Runs one fixed statement (PRAGMA, BEGIN …) that returns no rows of interest, within the connection's deadline. */
int sqlite_run(struct db_conn *, const char *sql);

/* A connection that is not registered with the front: the writer's, the prober's. */
int sqlite_connect(struct sqlite_db *, bool for_writing, struct db_conn **ret_conn, struct error *err);
/* Frees it, its prepared statements included. NULL is fine. */
void sqlite_disconnect(struct db_conn *);

/* Driver: an empty struct sqlite_db. */
struct db *sqlite_db_create(void);
/* Driver: finds out how the file can be opened, starts the writer. */
int sqlite_db_open(struct db *, struct error *);
/* Driver: stops the writer, closes, frees. */
void sqlite_db_destroy(struct db *);
/* Driver: a connection for reading. */
int sqlite_db_connect(struct db *, struct db_conn **ret_conn, struct error *);
/* Driver: closes and frees a connection. */
void sqlite_db_disconnect(struct db_conn *);
/* Driver: opens the connection anew when the prober found that an immutable file did change. */
int sqlite_db_ready(struct db_conn *);
/* Driver: whether the file can be read; moves availability. */
void sqlite_db_probe(struct db *);

/* Takes the connection, also on failure, and starts the thread. ERR_NOMEM, ERR_INTERNAL. */
int writer_create(struct db_conn *taken, struct writer **ret_writer);
/* Runs what is queued, stops, frees. NULL is fine. */
void writer_destroy(struct writer *);
/* How many closures wait for the next group. Any thread. */
size_t writer_waiting(struct writer *);
/* db_write. Any thread; waits until the group is committed. */
int writer_write(struct writer *, struct db_conn *caller, db_write_fn fn, void *arg);

#endif
