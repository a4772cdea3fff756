/*
 * What is stored of a task (tasks.md 7.5), and how errors are written there and in events: as Python's own, so that
 * AsyncResult raises them again. Any thread.
 */
#ifndef TASKS_RESULT_H
#define TASKS_RESULT_H

#include "tasks/message.h"
#include "tasks/task.h"

enum result_state { RESULT_SUCCESS, RESULT_FAILURE, RESULT_RETRY, RESULT_REVOKED };

#define RESULT_CHILDREN_MAX 64

struct result {
	enum result_state state;
	struct str value;                         /* RESULT_SUCCESS: JSON */
	const struct task_error *error;           /* the others */
	bool with_traceback;                      /* the error arose in the task itself */
	struct str id, group, parent_id;          /* of the message; the last two may be absent */
	struct str children[RESULT_CHILDREN_MAX]; /* ids of the messages that it caused */
	size_t n_children;
	bool outside; /* written by somebody who did not run it: children is null */
};

/* The ids and the group of the message. */
struct result result_of(const struct message *, enum result_state);

/* Appends the JSON. */
void result_write(struct buf *, const struct result *);

/* Appends the error as Python shows it: ConnectionError('attempt 0'). */
void result_add_exception(struct buf *, const struct task_error *);

/* Appends what stands for the traceback. */
void result_add_traceback(struct buf *, const struct task_error *);

/* Errors that no job raises. */
struct task_error result_error(const char *module, const char *type, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
