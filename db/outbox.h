/*
 * The outbox: a background task is a row, written in the transaction of the change that asks for it. It exists exactly
 * when the change does, survives a kill, and needs no Redis. The row holds the finished Celery message (protocol 2,
 * tasks.md 7.2); who runs it, and when it goes, is the relay's matter. Source: resilience.md 2.4, tasks.md 1.1, database.md.
 */
#ifndef DB_OUTBOX_H
#define DB_OUTBOX_H

#include "db/db.h"

struct outbox_task {
	const char *name;      /* "core.tasks_embeddings.generate_embedding_task" */
	struct json_text args; /* JSON array of the positional arguments; absent: [] */
	const char *queue;     /* NULL: celery; "local": it never leaves for Redis */
	bool from_beat;
	char *ret_id;    /* NULL, or room of UUID_TEXT_SIZE: gets the id that the task was given */
	int64_t delay_s; /* not before so many seconds from now */
	int retries;     /* as whose retry it is known; 0: nobody's */
	bool durable;    /* changes the database or sends mail: kept until its result is known */
};

/*
 * Writes the row, due now or after its delay; inside a db_write closure. ERR_NOMEM, ERR_IO, ERR_INVALID (arguments above
 * 1 MiB), or as db_execute.
 */
int outbox_put(struct db_conn *, const struct outbox_task *);

/* Takes the row away, in a closure; no row is no error. As db_execute. */
int outbox_delete(struct db_conn *, int64_t id);

#endif
