/*
 * The watch over Redis of one process (resilience.md 2.7): on its own clock, against its own breakers, through no broker. At each full
 * interval (an hour) it logs how Redis is (check_redis_health). Of an outage that lasts it has people told: by mail, and by a critical
 * alert for each usage; again at each interval, and by a mail of its end. Whatever the number of processes, they are told once:
 * each telling is claimed in egoejo_alert, or, while the database is away too, in this process' memory.
 *
 * The claim and the alert's row in the outbox are one transaction; who has local workers sends it. Without the database the alert is
 * sent from here. It blocks while it sends: the thread is its own.
 */
#ifndef TASKS_REDIS_WATCH_H
#define TASKS_REDIS_WATCH_H

#include "domain/alert.h"
#include "tasks/task.h"

struct redis_watch;

struct redis_watch_config {
	const struct task_services *services; /* borrowed; redis started, or NULL: then nothing is ever found */
	int64_t alert_after_us; /* REDIS_ALERT_AFTER_S: shorter outages are the log's alone, unless an interval ends in them */
	int64_t every_us;       /* REDIS_CHECK_S */
	/* Sends an alert at once, for when the database cannot take it; NULL: it is only logged. */
	void (*send_alert)(const struct task_services *, const struct alert *, const atomic_bool *stop);
};

/* ERR_NOMEM, or as db_connect. */
int redis_watch_create(const struct redis_watch_config *, struct redis_watch **ret_watch, struct error *err);

/* Looks each second, on a thread of its own. ERR_INTERNAL. */
int redis_watch_start(struct redis_watch *, struct error *err);

/* One look: what its thread does; by hand in tests, instead of redis_watch_start. */
void redis_watch_look(struct redis_watch *);

/* What is being sent is given up: before redis_watch_destroy, when there is no time. Any thread; NULL is fine. */
void redis_watch_hurry(struct redis_watch *);

/* Ends the thread after the look that it is at, frees. NULL is fine. */
void redis_watch_destroy(struct redis_watch *);

/* Age of the last look, for /livez. Any thread. */
int64_t redis_watch_pulse_age_us(const struct redis_watch *);

#endif
