/*
 * Beat: one thread that enqueues what the schedule says (tasks/schedule.def), each due time once, however many processes have a beat.
 * A due time that was missed by less than a day is made up for once; older ones are passed over with a WARNING. A clock that goes back
 * fires nothing again. Source: tasks.md 2; design.md 9.14. Main thread, but for the pulse.
 */
#ifndef TASKS_BEAT_H
#define TASKS_BEAT_H

#include "tasks/cron.h"
#include "tasks/task.h"

struct beat;

struct beat_entry {
	const char *name, *task, *cron, *args;
};

/* The schedule of the program. */
const struct beat_entry *beat_schedule(size_t *ret_n);

/* entries: NULL: the program's own; they are borrowed. ERR_NOMEM; ERR_INVALID: an expression that is none, or no such task. */
int beat_create(struct db *, const struct beat_entry *entries, size_t n, struct beat **ret_beat, struct error *err);

/* Makes the thread and its connection. ERR_INTERNAL, or as db_connect. */
int beat_start(struct beat *, struct error *err);

/* Looks at the clock now rather than at the next due time. Any thread. */
void beat_wake(struct beat *);

/* Ends the thread: nothing is enqueued any more. NULL is fine. */
void beat_stop(struct beat *);

/* beat_stop, and frees. NULL is fine. */
void beat_destroy(struct beat *);

/* Age of the last turn, for /livez; none after beat_stop. Any thread. */
int64_t beat_pulse_age_us(const struct beat *);

/* ---- the rule ---- */

enum beat_step {
	BEAT_BEGIN, /* never seen before: nothing was missed; remember due */
	BEAT_WAIT,  /* until due */
	BEAT_FIRE,  /* due, now */
	BEAT_SKIP,  /* due was too long ago */
	BEAT_RESET, /* it was fired in a future that cannot be: begin anew at due */
};

/* What to do for an entry that was last due at last (NULL_TIME: never). *ret_due NULL_TIME: it is never due. */
enum beat_step beat_decide(const struct cron *, struct instant last, struct instant now, struct instant *ret_due);

#endif
