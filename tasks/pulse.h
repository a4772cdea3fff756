/*
 * The pulse of the tasks, for /health and /metrics: at short intervals it asks the workers whether they are there (a ping, as Celery's
 * own tools do), looks at what beat has noted, and at the last compost. A thread of its own, so that no request waits. While Redis is
 * away or the database does not answer, what cannot be known is not known.
 */
#ifndef TASKS_PULSE_H
#define TASKS_PULSE_H

#include "domain/tasks_state.h"
#include "tasks/task.h"

struct pulse;

/* services are borrowed. ERR_NOMEM, or as db_connect. */
int pulse_create(const struct task_services *, struct pulse **ret_pulse, struct error *err);

/* Looks every 5 s. ERR_INTERNAL. */
int pulse_start(struct pulse *, struct error *err);

/* One look: what its thread does; by hand in tests, instead of pulse_start. */
void pulse_look(struct pulse *);

/* What the last look found. Any thread. */
void pulse_state(struct pulse *, struct tasks_state *ret_state);

/* Ends the thread after the look that it is at, frees. NULL is fine. */
void pulse_destroy(struct pulse *);

/* Age of the last look, for /livez. Any thread. */
int64_t pulse_age_us(const struct pulse *);

#endif
