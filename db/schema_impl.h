/*
 * Inside db/: the list of db/schema.def as data, and the SQL made of it.
 */
#ifndef DB_SCHEMA_IMPL_H
#define DB_SCHEMA_IMPL_H

#include "base/buf.h"
#include "db/db.h"
#include "db/schema.h"

/*
 * Steps of our own tables. Step 1: all tables of OURS but those of later steps; 2: egoejo_file_scan; 3: the indexes egoejo_outbox_local,
 * _others, _sent and egoejo_task_done_finished.
 */
#define SCHEMA_VERSION 3

#define SCHEMA_MAX_OURS 32

enum schema_what { SCHEMA_TABLE, SCHEMA_COLUMN, SCHEMA_INDEX, SCHEMA_MIGRATION };
enum schema_owner { DJANGO, OURS };

/* Flags of columns and indexes. */
enum { PLAIN = 0, KEY = 1, UNIQUE = 2, NULLABLE = 4 };

/* What the application does to a referring row when the row it refers to is deleted. */
enum schema_rule { NO_REFERENCE, CASCADE, SET_NULL, PROTECT };

/* What a type brings beside its names: an identity, a check. */
enum schema_trait { TRAIT_NONE, TRAIT_IDENTITY, TRAIT_JSON, TRAIT_NOT_NEGATIVE };

struct schema_type {
	const char *sqlite;
	const char *postgresql; /* as format_type() writes it */
	enum schema_trait trait;
};

/* A line of schema.def; columns and indexes belong to the table before them. */
struct schema_item {
	enum schema_what what;
	const char *name; /* of the table, column, index; the app of a migration */
	enum schema_owner owner;
	struct schema_type type;
	unsigned flags;
	const char *refers_to; /* a table, or NULL */
	enum schema_rule rule;
	const char *columns; /* of an index; the name of a migration */
	const char *where;   /* of a partial index, or NULL */
};

extern const struct schema_item schema_items[];
extern const size_t schema_n_items;

/* Appends the statements that create the table that schema_items[i] begins, and its indexes. */
void schema_add_table(struct buf *sql, enum db_engine, size_t i);

/* The indexes of that table, those that lack. */
void schema_add_missing_indexes(struct buf *sql, size_t i);

/* The foreign keys of that table, where the engine wants them after all tables (PostgreSQL). */
void schema_add_foreign_keys(struct buf *sql, enum db_engine, size_t i);

/* The end of the table that schema_items[i] begins: the index after its last item. */
size_t schema_table_end(size_t i);

/* What a look at a database found. Initialise with the report empty; the report is the caller's to finish. */
struct schema_look {
	enum schema_state state;
	int64_t version;                 /* of our tables; 0 = none */
	size_t missing[SCHEMA_MAX_OURS]; /* tables of ours that lack: indexes of schema_items */
	size_t n_missing;
	struct buf report; /* a line for each thing that lacks or differs */
};

/* Looks, changes nothing; may be called again with the same struct. The errors of db_select. */
int schema_look(struct db_conn *, struct schema_look *ret_look);

#endif
