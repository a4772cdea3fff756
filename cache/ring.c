#include "cache/ring_impl.h"

#include <stdlib.h>

#include "base/mem.h"

#define FIRST_CAPACITY 4

void ring_finish(struct ring *r)
{
	free(r->entries);
	*r = (struct ring){ 0 };
}

static int64_t *entry_at(const struct ring *r, size_t i)
{
	return &r->entries[(r->first + i) & (r->capacity - 1)];
}

bool ring_is_untold(const struct ring *r, size_t i)
{
	return *entry_at(r, i) & 1;
}

void ring_set_untold(struct ring *r, size_t i, bool untold)
{
	if (ring_is_untold(r, i) == untold)
		return;
	*entry_at(r, i) ^= 1;
	r->n_untold += untold ? 1 : (size_t)-1;
}

size_t ring_find(const struct ring *r, int64_t time_us)
{
	for (size_t i = r->n; i-- > 0 && ring_time(r, i) >= time_us;)
		if (ring_time(r, i) == time_us)
			return i;
	return r->n;
}

void ring_expire(struct ring *r, int64_t until_us)
{
	while (r->n && ring_time(r, 0) <= until_us) {
		ring_set_untold(r, 0, false);
		r->first = (r->first + 1) & (r->capacity - 1);
		r->n--;
	}
}

/* Room for one more; false without memory. */
static bool grow(struct ring *r)
{
	size_t capacity = r->capacity ? 2 * r->capacity : FIRST_CAPACITY;
	int64_t *entries;

	if (r->n < r->capacity)
		return true;
	entries = mem_array(capacity, sizeof(*entries));
	if (!entries)
		return false;
	for (size_t i = 0; i < r->n; i++)
		entries[i] = *entry_at(r, i);
	free(r->entries);
	r->entries = entries;
	r->capacity = capacity;
	r->first = 0;
	return true;
}

int64_t ring_push(struct ring *r, int64_t now_us, bool untold)
{
	if (!grow(r))
		return 0;
	if (r->n && ring_time(r, r->n - 1) >= now_us)
		now_us = ring_time(r, r->n - 1) + 1;
	*entry_at(r, r->n++) = 2 * now_us;
	ring_set_untold(r, r->n - 1, untold);
	return now_us;
}

void ring_remove(struct ring *r, size_t i)
{
	ring_set_untold(r, i, false);
	for (; i + 1 < r->n; i++)
		*entry_at(r, i) = *entry_at(r, i + 1);
	r->n--;
}
