/*
 * What is told of runs, whoever runs them (local workers, worker, execute_task_sync): log lines and metrics. Any thread.
 */
#ifndef TASKS_REPORT_H
#define TASKS_REPORT_H

#include "tasks/task.h"

/*
 * One run has ended so, after duration_us: counts it, and logs task.succeeded (INFO), task.retried (WARNING), task.failed (ERROR) or,
 * of one that gave way to the end of the process and will be run again, task.handed_back (INFO), with task, id, retries, duration_ms,
 * error. where: "local", "worker", "sync".
 */
void task_report(const struct task_run *, enum task_outcome, int64_t duration_us, const char *where);

/* A run that no job took part in has failed: no such task, arguments that are no message, the hard limit, taken too often. */
void task_report_lost(struct str name, struct str id, const char *where, const char *error);

#endif
