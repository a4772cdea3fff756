/*
 * A monitor: one thread that looks at things at regular times, so that no request ever has to.
 *
 * A watch is a function and an interval; it may block (that is what this thread is for) but delays the other watches of
 * the same monitor meanwhile. Watches are added before monitor_start. A monitor has a pulse that /livez can read.
 */
#ifndef RESILIENCE_MONITOR_H
#define RESILIENCE_MONITOR_H

#include <stdint.h>

#include "base/error.h"

struct monitor;

/* An idle monitor; name is the thread's (at most 15 characters). NULL without memory. */
struct monitor *monitor_create(const char *name);

/* Calls fn(arg) every interval_us, first at once. At most 16 watches; ERR_LIMIT, or ERR_INVALID after monitor_start. */
int monitor_watch(struct monitor *, int64_t interval_us, void (*fn)(void *arg), void *arg);

/* Starts the thread; ERR_INTERNAL when there is none to be had. */
int monitor_start(struct monitor *);

/* Runs all watches now rather than at their time (any thread; returns at once). */
void monitor_wake(struct monitor *);

/* Inside a watch only: runs this watch again at at_us (monotonic) if that is before its regular time. */
void monitor_again_at(struct monitor *, int64_t at_us);

/* Microseconds since the loop last turned; for /livez. */
int64_t monitor_pulse_age_us(const struct monitor *);

/* Stops after the watch that runs, joins, frees. NULL is fine. */
void monitor_destroy(struct monitor *);

#endif
