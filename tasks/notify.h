/*
 * Mails to those who run the site about its own state: those of the monitoring tasks and of the watch over Redis (tasks.md 3.2, M1 to M3).
 * They leave by SMTP where there is one. One that cannot be sent is a WARNING and nothing more. They may block for MAIL_SMTP_TIMEOUT_US.
 * Any thread.
 */
#ifndef TASKS_NOTIFY_H
#define TASKS_NOTIFY_H

#include "resilience/redis.h"
#include "tasks/task.h"

/* The one mail of a task, to NOTIFY_EMAIL if it is set: once for the message, as far as that can be had (tasks/once.h). */
void notify_team_once(struct task_run *, struct str subject, struct str text);

/* M3: Redis is unreachable, since then. */
void notify_redis_down(const struct task_services *, const struct redis_probe_status *, struct instant since, const atomic_bool *stop);

/* The end of that; with admins, to all of ADMINS too (alert mails on), for they were told by an alert. */
void notify_redis_up(const struct task_services *, struct instant since, bool admins, const atomic_bool *stop);

#endif
