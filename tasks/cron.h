/*
 * Cron expressions: "minute hour day-of-month month day-of-week", in UTC, to the minute, as Celery's crontab understands them: all five
 * must fit (not either of the two days, as in Vixie's cron). A field is a list of `*`, numbers and ranges, each with a `/step`; a
 * range may go over the end (22-3). Days of the week are 0 (Sunday) to 6, or sun to sat; months 1 to 12, or jan to dec. Pure; any thread.
 */
#ifndef TASKS_CRON_H
#define TASKS_CRON_H

#include "base/error.h"
#include "base/kinds.h"

struct cron {
	uint64_t minutes; /* a bit for each that fits; so the others */
	uint32_t hours, days, months, weekdays;
};

/* ERR_INVALID, with the field in *err. */
int cron_parse(struct str, struct cron *ret_cron, struct error *err);

/* The first time that fits after an instant, and the last one not after it. NULL_TIME: none within eight years (30 February). */
struct instant cron_next(const struct cron *, struct instant after);
struct instant cron_last(const struct cron *, struct instant until);

#endif
