/* The functions that tasks.def names; each is in the jobs_*.c of its family. */
#ifndef TASKS_JOBS_IMPL_H
#define TASKS_JOBS_IMPL_H

#include "domain/stale.h"
#include "tasks/task.h"

#define TASK(name, function, takes, queue, tried_again, limits, durable) enum task_outcome function(struct task_run *);
#include "tasks/tasks.def"
#undef TASK

/* After a commit, also after one that had been made before: who made it may have ended before he said so (domain/stale.h). */
void task_stale(struct task_run *, enum change, int64_t id);

#endif
