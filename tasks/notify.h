/*
 * Mails to those who run the site about its own state: those of the monitoring tasks and of the watch over Redis (tasks.md 3.2, M1 to M3).
 * They leave by SMTP where there is one. One that cannot be sent is a WARNING and nothing more. They may block for MAIL_SMTP_TIMEOUT_US.
 * Any thread.
 */
#ifndef TASKS_NOTIFY_H
#define TASKS_NOTIFY_H

#include "resilience/redis.h"
#include "tasks/task.h"

/* To NOTIFY_EMAIL, if it is set. The subject is ours. stop as in http_send. */
void notify_team(const struct task_services *, struct str subject, struct str text, const atomic_bool *stop);

/* M3: Redis is unreachable, since then. */
void notify_redis_down(const struct task_services *, const struct redis_probe_status *, struct instant since, const atomic_bool *stop);

/* The end of that; with admins, to all of ADMINS too (alert mails on), for they were told by an alert. */
void notify_redis_up(const struct task_services *, struct instant since, bool admins, const atomic_bool *stop);

#endif
