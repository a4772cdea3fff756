/*
 * The times of a sliding log: a ring that grows, oldest first. Each time is told or untold (cache/sliding_impl.h). The
 * caller's lock.
 */
#ifndef CACHE_RING_IMPL_H
#define CACHE_RING_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	int64_t *entries; /* 2 × time + untold, oldest at first */
	size_t capacity;  /* 0 or a power of 2 */
	size_t first, n;
	size_t n_untold;
};

/* Frees; an all-zero ring is an empty one. */
void ring_finish(struct ring *);

/* The i-th time, from the oldest; i < n. */
static inline int64_t ring_time(const struct ring *r, size_t i)
{
	return r->entries[(r->first + i) & (r->capacity - 1)] >> 1;
}

/* Whether the i-th is untold, and making it so or not. */
bool ring_is_untold(const struct ring *, size_t i);
void ring_set_untold(struct ring *, size_t i, bool untold);

/* The position of a time; n when it is not there. Recent ones are found sooner. */
size_t ring_find(const struct ring *, int64_t time_us);

/* Drops all times up to until_us, that one included. */
void ring_expire(struct ring *, int64_t until_us);

/* Appends now, or one more than the newest when that is not earlier: the time that it wrote, 0 without memory. */
int64_t ring_push(struct ring *, int64_t now_us, bool untold);

void ring_remove(struct ring *, size_t i);

#endif
