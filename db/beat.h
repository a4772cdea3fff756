/*
 * What beat remembers: the last due time of each entry of the schedule (database.md, egoejo_beat). A due time belongs to whoever moves
 * the row past it, in the transaction that enqueues its task: so any number of schedulers fire it once. Source: tasks.md 2.
 */
#ifndef DB_BEAT_H
#define DB_BEAT_H

#include "base/arena.h"
#include "db/db.h"

/* The last due time of the entry, fired or skipped. ERR_NOT_FOUND: it has never been seen. Errors as db_select. */
int beat_last_due(struct db_conn *, struct arena *, struct str name, struct instant *ret_due);

/* Notes an entry that is new, inside a closure; nothing when it is there. */
int beat_begin(struct db_conn *, struct str name, struct instant due);

/* Moves the entry on to a later due time, inside a closure: 1 when this call did, 0 when it has been there already. fired: it counts. */
int beat_move(struct db_conn *, struct str name, struct instant due, bool fired);

/* Moves an entry back that lies beyond horizon, inside a closure: 1 when this call did. */
int beat_move_back(struct db_conn *, struct str name, struct instant horizon, struct instant due);

#endif
