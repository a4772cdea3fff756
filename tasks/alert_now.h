/*
 * A critical alert sent at once, by its channels, each for itself: for when the database cannot take the task that otherwise sends it
 * (jobs_alert.c), which would also try again and keep its row. Blocks for as long as mail server and webhook let it. Any thread.
 * Source: tasks.md 4; resilience.md 2.7.
 */
#ifndef TASKS_ALERT_NOW_H
#define TASKS_ALERT_NOW_H

#include "domain/alert.h"
#include "tasks/task.h"

/* What fails is a WARNING, and that no channel took it an ERROR. stop as in http_send. */
void alert_send_now(const struct task_services *, const struct alert *, const atomic_bool *stop);

#endif
