/*
 * execute_task_sync: the mission's function (resilience.md 1.3). For callers that need a task's result, the command line and tests;
 * what a request asks for is a row of the outbox instead.
 */
#ifndef TASKS_SYNC_H
#define TASKS_SYNC_H

#include "tasks/task.h"

struct task_answer {
	char id[TASK_ID_SIZE];     /* the handle */
	bool queued;               /* the broker has it; nothing below is set */
	enum task_outcome outcome; /* TASK_RETRY: the in-process scheduler has it (a row of the outbox) */
	struct buf result;         /* JSON, after TASK_SUCCEEDED; freed by task_answer_finish */
	struct task_error error;   /* otherwise: the caller's to see */
};

/*
 * Enqueues the task while the broker is up. When it is down, or does not take it, the task is run by the caller, now; a WARNING says so.
 * args: a JSON array, kwargs: a JSON object; absent: empty ones. 0, whatever the task itself says; ERR_INVALID: no such arguments;
 * ERR_NOMEM, ERR_IO; when a retry cannot be scheduled, the error of db_write. db: of the calling thread, not inside of db_write.
 */
int execute_task_sync(const struct task_services *, struct db_conn *db, const struct task_policy *, struct str args, struct str kwargs,
                      struct task_answer *ret_answer);

void task_answer_finish(struct task_answer *);

#endif
