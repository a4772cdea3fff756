/*
 * The sliding logs of a process: for each allowance the times of its last accepted calls. Memory only; throttle.c decides
 * what Redis is told. Times are monotonic microseconds, given by the caller. Any thread; a short lock of one shard per call.
 *
 * Only the newest N times of a rate of N matter, so that is all a log keeps; the times of one log all differ, so that a time
 * names a call. A time is told (Redis knows it, or decides about it now) or untold.
 */
#ifndef CACHE_SLIDING_IMPL_H
#define CACHE_SLIDING_IMPL_H

#include "cache/throttle.h"

struct sliding;

struct sliding *sliding_create(const struct throttle_config *);
void sliding_destroy(struct sliding *);

/*
 * 0: accepted and written down at *ret_time_us, untold if so asked. Otherwise the microseconds until the next call may be
 * accepted, by what is known here. Without memory for the log the call is accepted, and *ret_time_us is 0.
 */
int64_t sliding_take(struct sliding *, const struct throttle_claim *, int64_t now_us, bool untold, int64_t *ret_time_us);

/* What sliding_take would answer, without writing anything down. */
int64_t sliding_wait(struct sliding *, const struct throttle_claim *, int64_t now_us);

/* The call of that time was not accepted after all. */
void sliding_undo(struct sliding *, const struct throttle_claim *, int64_t time_us);

/* Redis was to decide about the call of that time and could not: it is to be told. */
void sliding_set_untold(struct sliding *, const struct throttle_claim *, int64_t time_us);

/* No call is accepted before until_us: Redis knows of calls that are not in this memory. */
void sliding_block(struct sliding *, const struct throttle_claim *, int64_t until_us);

#define SLIDING_NEWS_TIMES 512

/* The untold times of one log, at most SLIDING_NEWS_TIMES, oldest first. */
struct sliding_news {
	struct throttle_claim claim; /* ident points into ident_text */
	char ident_text[THROTTLE_MAX_IDENT];
	int64_t times[SLIDING_NEWS_TIMES];
	size_t n;
};

/* Copies the news of up to n logs; how many. They stay untold until sliding_set_told. */
size_t sliding_collect(struct sliding *, int64_t now_us, struct sliding_news *ret_news, size_t n);
void sliding_set_told(struct sliding *, const struct sliding_news *);

void sliding_measure(struct sliding *, struct throttle_stats *ret_stats);

#endif
