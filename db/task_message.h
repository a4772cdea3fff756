/*
 * The message of a task as it travels: Celery's protocol 2 (tasks.md 7.2), written member by member as Celery's own producer
 * writes it, so that a Python worker cannot tell the difference. This is the only writer; tasks/message.h reads. Any thread.
 */
#ifndef DB_TASK_MESSAGE_H
#define DB_TASK_MESSAGE_H

#include "base/buf.h"
#include "base/kinds.h"

#define TASK_QUEUE        "celery" /* where a message goes that names no queue */
#define TASK_PRIORITY_MAX 9

/* Zeroed means: as Celery's defaults; the times are set to NULL_TIME by TASK_MESSAGE. Texts are borrowed, UTF-8. */
struct task_message {
	struct str name;
	struct str id;               /* absent: a new one */
	struct str args, kwargs;     /* JSON array and object; absent: empty ones */
	struct str embed;            /* JSON object of callbacks, errbacks, chain and chord; absent: all null */
	struct str queue;            /* absent: TASK_QUEUE */
	int priority;                /* 0 (first) to TASK_PRIORITY_MAX */
	struct instant eta, expires; /* NULL_TIME: none */
	struct str root_id;          /* absent: the id */
	struct str parent_id, group; /* absent: null */
	int retries;                 /* how often it has been tried before */
	bool ignore_result;
	bool from_beat; /* header celery_beat_task */
};

#define TASK_MESSAGE(...) ((struct task_message){ .eta = NULL_TIME, .expires = NULL_TIME, __VA_ARGS__ })

/*
 * Appends the envelope, one JSON text. ERR_NOMEM, or ERR_IO when the kernel gives no random bytes; the buffer is then not to be
 * used. args, kwargs and embed must be valid JSON of their kind: they are not looked at.
 */
int task_message_write(struct buf *, const struct task_message *) __attribute__((warn_unused_result));

/* Python's form of arguments, for people to read: ('a', None) of a JSON array, {'k': 1} of an object; cut at 1024 bytes. */
void task_message_add_repr(struct buf *, struct str json);

#endif
