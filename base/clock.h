/*
 * Time: one clock for the whole program, which tests can move, and the text forms of an instant.
 *
 * Wall-clock time is struct instant (microseconds UTC); durations and deadlines are int64 microseconds of the
 * monotonic clock, named _us. Any thread.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/kinds.h"

#define US_PER_MS INT64_C(1000)
#define US_PER_S  INT64_C(1000000)

/* Room for any text of clock_format_*, with its NUL. */
#define CLOCK_ISO_SIZE 40

/* Now, wall clock. */
struct instant clock_now(void);

/* Now, monotonic clock, microseconds since an arbitrary point. */
int64_t clock_monotonic_us(void);

/*
 * The instant of CLOCK_MONOTONIC after so many microseconds (negative: now), for pthread_cond_timedwait: real time, which
 * clock_advance_for_tests does not move, because conditions wait on nothing else.
 */
struct timespec clock_wait_until(int64_t wait_us);

/* Moves both clocks by delta_us from now on; tests only. What other threads wait for just then, a statement say, is too late at once. */
void clock_advance_for_tests(int64_t delta_us);

/* Moves the wall clock alone, as an administrator or NTP does; tests only. */
void clock_step_for_tests(int64_t delta_us);

/* "2026-01-05T09:00:00+00:00", with ".ffffff" when not zero; returns the length. Years 0 to 9999. */
size_t clock_format_iso(struct instant, char ret_text[CLOCK_ISO_SIZE]);

/* "2026-01-05T09:00:00.123Z", for logs; returns the length. */
size_t clock_format_log(struct instant, char ret_text[CLOCK_ISO_SIZE]);

/* "2026-01-05 09:00:00[.ffffff]" as Django stores it on SQLite; returns the length. */
size_t clock_format_sql(struct instant, char ret_text[CLOCK_ISO_SIZE]);

/*
 * Reads "YYYY-MM-DD[( |T)hh:mm[:ss[.f…]]][Z|±hh[:mm]]"; without an offset it is UTC. False when the text or the date
 * is impossible.
 */
bool clock_parse(struct str, struct instant *ret_instant);

#endif
