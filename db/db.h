/*
 * The database: one interface over SQLite and PostgreSQL. It knows no nouns: SQL lives in domain/, rows are described by
 * column tables over the caller's structs, and one statement text serves both engines ($1, RETURNING, ON CONFLICT).
 *
 * A struct db is shared by all threads. A struct db_conn belongs to one thread: each serving thread has its own.
 * Reads run on the caller's connection, in place, within the statement limit. Writes go through db_write, the only way
 * to change anything. While the database is away every call answers ERR_UNAVAILABLE at once, without a system call;
 * the monitor's db_probe alone reconnects. Source: design.md 3, 5.3, 9.8; spec database.md.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/kinds.h"

struct db;
struct db_conn;

enum db_engine { DB_SQLITE, DB_POSTGRESQL };

struct db_config {
	const char *url;            /* sqlite:///relative, sqlite:////absolute, postgres://…; checked by db_open */
	int64_t statement_limit_us; /* of one statement; 2 s */
	int64_t connect_limit_us;   /* PostgreSQL; 10 s at start, the prober uses 1 s */
	bool create;                /* SQLite: make the file when it is missing */
};

/*
 * Opens: the first connection is made here, so that what is wrong is known at start. ERR_CONFIG (URL), ERR_UNAVAILABLE,
 * ERR_CORRUPT (not a database), ERR_IO; text in *err without the password. A file that cannot be written is opened read-only.
 */
int db_open(const struct db_config *, struct db **ret_db, struct error *err);

/* Frees; all connections must be gone. NULL is fine. */
void db_close(struct db *);

enum db_engine db_engine(const struct db *);
bool db_read_only(const struct db *);

/* For logs: the URL without user and password. */
const char *db_shown_url(const struct db *);

/* A connection for the calling thread. On PostgreSQL it may start broken and be mended by the prober. ERR_NOMEM, or as db_open. */
int db_connect(struct db *, struct db_conn **ret_conn, struct error *err);
void db_disconnect(struct db_conn *);
struct db *db_of(struct db_conn *);

/* Whether statements are tried now. */
bool db_available(const struct db *);

/*
 * fn(arg, available) is called at each change, on the thread that found it: one that serves (away; so it must be quick: log,
 * wake the monitor) or the prober's (back). Before other threads use the database.
 */
void db_watch(struct db *, void (*fn)(void *arg, bool available), void *arg);

/*
 * Looks after the connection(s): detects an outage, reconnects broken connections. For a monitor of its own, every 500 ms;
 * blocks up to 1 s. One thread at a time.
 */
void db_probe(void *db);

/* Statement: one object per use, static; its address is its identity in the connections' caches of prepared statements. */
struct db_column {
	const char *expression; /* SQL of the select list */
	enum kind kind;
	size_t offset; /* of the member in the row struct */
};

struct db_row {
	const struct db_column *columns;
	size_t n;
	size_t size; /* of the row struct */
};

/* A column table: static const struct db_column cols[] = { DB_COLUMN(struct project, titre, TEXT, "p.titre"), … }; */
#define DB_COLUMN(S, member, KIND, expression_text)                        \
	{                                                                  \
		expression_text, KIND_##KIND, KIND_OFFSET(S, member, KIND) \
	}
#define DB_ROW(S, table)                            \
	{                                           \
		table, N_ELEMENTS(table), sizeof(S) \
	}

struct db_statement {
	const char *sql;          /* $cols stands for the expressions of row, comma-separated; used by both engines … */
	const struct db_row *row; /* NULL: returns no rows */
	const char *sqlite;       /* … unless the engine has a text of its own */
	const char *postgresql;
	/*
	 * PostgreSQL keeps the plan of a prepared statement until it next looks at the table's statistics, a minute later perhaps. One
	 * that was made while the table was empty reads all of it; for a table that fills in a moment it is made at each run.
	 */
	bool replan;
};

/*
 * Arguments of $1, $2 …, at most 64; more than the text uses is fine. "No value" of the kind is null. What one text for both
 * engines has to mind: booleans are TRUE and FALSE; an INT is 64 bits (write CAST($1 AS integer) where a function wants less);
 * a TEXT takes the type of its context, uuid, date and jsonb too; LIKE ignores the case of ASCII on SQLite only; arithmetic on
 * decimals is binary on SQLite (round to 2 places in SQL, or compute in C). A NUL in a text is ERR_INVALID.
 */
struct db_param {
	enum kind kind;
	bool b;
	int64_t i; /* INT, DECIMAL (cents), TIME (us) */
	double f;
	struct str s; /* TEXT, JSON */
};
#define DB_BOOL(v)    ((struct db_param){ .kind = KIND_BOOL, .b = (v) })
#define DB_INT(v)     ((struct db_param){ .kind = KIND_INT, .i = (v) })
#define DB_FLOAT(v)   ((struct db_param){ .kind = KIND_FLOAT, .f = (v) })
#define DB_DECIMAL(v) ((struct db_param){ .kind = KIND_DECIMAL, .i = (v).cents })
#define DB_TIME(v)    ((struct db_param){ .kind = KIND_TIME, .i = (v).us })
#define DB_TEXT(v)    ((struct db_param){ .kind = KIND_TEXT, .s = (v) })
#define DB_JSON(v)    ((struct db_param){ .kind = KIND_JSON, .s = (v).text })
/* DB_PARAMS(DB_INT(id), DB_TEXT(status)) or DB_NO_PARAMS */
#define DB_PARAMS(...) \
	(const struct db_param[]){ __VA_ARGS__ }, (sizeof((const struct db_param[]){ __VA_ARGS__ }) / sizeof(struct db_param))
#define DB_NO_PARAMS NULL, 0

struct db_rows {
	void *items; /* array of the row struct, in the arena */
	size_t n;
};

/*
 * All rows, texts and array in the arena. Errors: ERR_UNAVAILABLE (away: retry later), ERR_TIMEOUT (statement limit),
 * ERR_LIMIT (arena), ERR_NOMEM, ERR_CORRUPT, ERR_INTERNAL (the statement itself; see db_error).
 */
int db_select(struct db_conn *, const struct db_statement *, const struct db_param *, size_t n, struct arena *, struct db_rows *ret_rows);

/* The first row into *ret_row (texts in the arena); ERR_NOT_FOUND when there is none. */
int db_select_one(struct db_conn *, const struct db_statement *, const struct db_param *, size_t n, struct arena *, void *ret_row);

/* One number: the first and only column of the first row; ERR_NOT_FOUND without a row. sql is static, as its address is its identity. */
int db_select_int(struct db_conn *, const char *sql, const struct db_param *, size_t n, int64_t *ret_value);

/* Whether the database answers: the smallest of reads. Errors as db_select. */
int db_ping(struct db_conn *);

/* Changes rows; only inside a db_write closure. ret_changed may be NULL. ERR_CONFLICT on a broken constraint, ERR_READ_ONLY, ERR_FULL. */
int db_execute(struct db_conn *, const struct db_statement *, const struct db_param *, size_t n, int64_t *ret_changed);

/* Runs several statements separated by semicolons, without parameters: schema work, inside db_write. */
int db_script(struct db_conn *, const char *sql);

/*
 * Runs fn in a transaction and returns its result: 0 or more has been committed durably (synchronous=FULL, group commit), a
 * negative value has been rolled back. The closure gets a connection to use, and must not touch Redis, the network, or sleep;
 * on SQLite it runs on the writer thread, so it must not use thread-local state. It may reason as if it were alone
 * (PostgreSQL: serializable), and may therefore run again: it sets what it leaves in arg anew each time.
 *
 * A statement that fails in it dooms it, on both engines: the later ones fail alike, and db_write returns that error whatever fn
 * does. To tolerate a conflict use ON CONFLICT. ERR_UNAVAILABLE (away, lost on the way: whether the commit happened is then
 * unknown; or disturbed by others too often), ERR_TIMEOUT (the write lock is held by another program), ERR_READ_ONLY, ERR_FULL,
 * ERR_LIMIT (queue full), ERR_CONFLICT (a deferred foreign key) besides fn's own. Not inside of db_write.
 */
typedef int (*db_write_fn)(struct db_conn *, void *arg);
int db_write(struct db_conn *, db_write_fn fn, void *arg);

/* Whether the connection's last db_write failed without anybody knowing if it was committed: what its rows need must stay then. */
bool db_write_in_doubt(const struct db_conn *);

/* The text of the last failure on this connection; "" when none. Never holds parameters. */
const char *db_error(const struct db_conn *);

/*
 * Orders after commit, inside a closure: fn(arg) runs on the thread that called db_write, after its commit, not after a
 * rollback. ERR_LIMIT beyond 16, ERR_INTERNAL outside of a closure.
 */
int db_after_commit(struct db_conn *, void (*fn)(void *arg), void *arg);

#endif
