/*
 * What has been done: the ids of tasks whose effects are committed, with what they answered (tasks.md 1.2; database.md,
 * egoejo_task_done). Written in the transaction of the effects, so that a second delivery finds it.
 */
#ifndef DB_TASK_DONE_H
#define DB_TASK_DONE_H

#include "db/db.h"

struct task_done {
	struct str id;     /* the message's; what is no UUID is kept by its digest */
	struct str name;   /* of the task */
	struct str period; /* absent: none. With one, a task is done once for name and period too */
};

/* What it answered, as JSON in the arena; ERR_NOT_FOUND: it has not been done. Errors as db_select. */
int task_done_find(struct db_conn *, struct arena *, const struct task_done *, struct str *ret_result);

/* Notes it, inside a db_write closure. Errors as db_execute. */
int task_done_put(struct db_conn *, const struct task_done *, struct str result);

/* Deletes up to limit rows without period that are older than the time, in a transaction of its own; how many, or an error. */
int task_done_purge(struct db_conn *, struct instant before, int64_t limit);

#endif
