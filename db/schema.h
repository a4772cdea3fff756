/*
 * The schema: all tables of spec database.md, declared once in db/schema.def, for both engines.
 *
 * Creates it on an empty database, recognises one that Django made (more tables, columns, indexes are no difference),
 * adds our own tables, refuses a foreign one and names what differs.
 */
#ifndef DB_SCHEMA_H
#define DB_SCHEMA_H

#include "base/buf.h"
#include "db/db.h"

enum schema_state {
	SCHEMA_EMPTY,   /* no table at all */
	SCHEMA_KNOWN,   /* Django's tables are all there; ours may be missing */
	SCHEMA_CURRENT, /* and ours too, at this version */
	SCHEMA_FOREIGN, /* something lacks or differs: see the report */
};

/* Looks, changes nothing. ret_differences gets one line for each difference (SCHEMA_FOREIGN), or what ours lacks. */
int schema_inspect(struct db_conn *, enum schema_state *ret_state, struct buf *ret_differences);

/*
 * Makes it current under a lock (several processes may start at once): creates everything on an empty database, adds our
 * own tables to a known one. ERR_SCHEMA with the differences when foreign; ERR_READ_ONLY (and *ret_before says how far it is from
 * current), ERR_FULL, ERR_UNAVAILABLE, ERR_TIMEOUT (another process holds the lock for a minute). *ret_before is always set.
 */
int schema_migrate(struct db_conn *, enum schema_state *ret_before, struct buf *ret_differences);

#endif
