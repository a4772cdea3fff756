/*
 * What works behind the requests: the relay with its local workers, the watch over Redis, and beat. The wiring that `serve`, `worker`
 * and `beat` share. Main thread, but for background_alive.
 */
#ifndef APP_BACKGROUND_H
#define APP_BACKGROUND_H

#include "domain/tasks_state.h"
#include "tasks/task.h"

struct background;

/* Makes and starts it, the caller's also when half-made; services is copied, what it points to must live on. Errors as relay_start. */
int background_start(const struct task_services *, struct background **ret_background, struct error *err);

/* Whether BEAT wants the schedule in the process that serves: on, or auto without Redis. */
bool background_beats_here(const struct task_services *);

/* Starts beat too. Errors as beat_start. */
int background_start_beat(struct background *, struct error *err);

/* Starts the pulse of the tasks (tasks/pulse.h), for processes that tell of it. Errors as pulse_create. */
int background_start_pulse(struct background *, struct error *err);

/* What the pulse found last; after background_start_pulse. background is a struct background. Any thread. */
void background_tasks_state(void *background, struct tasks_state *ret_state);

/* Looks after the database (db_probe) and the log on a thread of its own, for processes that have no other that does. ERR_INTERNAL. */
int background_watch_database(struct background *, struct error *err);

/* As relay_drain; beat enqueues nothing any more. */
void background_drain(struct background *, int64_t deadline_us);

/* As relay_finish: logs how many jobs were cut. */
void background_finish(struct background *);

/* As relay_destroy: false when jobs run that cannot be ended; then nothing that they use may be freed. NULL is fine. */
bool background_destroy(struct background *);

/* Whether its threads turn; a line for each goes to verbose, which may be NULL. Any thread. */
bool background_alive(const struct background *, struct buf *verbose);

/* One line of a probe with ?verbose; verbose may be NULL. Returns good. */
bool probe_add_check(struct buf *verbose, const char *name, bool good);

#endif
