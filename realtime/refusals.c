/*
 * Verdict closes of one client on one path, counted over a minute: who was refused too often gets 429 until he has let a
 * minute pass (realtime.md 7, Handshake 4). Asked by the door's thread and told by the hub's: a lock, held for a few words.
 *
 * A table of fixed size: a new client takes the place of the one that was seen longest ago in his bucket.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

#define BUCKETS   1024
#define WAYS      4
#define WINDOW_US (60 * US_PER_S)

struct refusal {
	uint64_t key; /* 0: empty */
	int n;
	int64_t first_us, seen_us;
};

struct refusals {
	pthread_mutex_t lock;
	int limit;
	struct refusal entries[BUCKETS][WAYS];
};

static uint64_t add_hash(uint64_t hash, struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.s[i]) * UINT64_C(1099511628211);
	return (hash ^ 0xff) * UINT64_C(1099511628211);
}

static uint64_t key_of(struct str client, struct str path)
{
	uint64_t key = add_hash(add_hash(UINT64_C(14695981039346656037), client), path);

	return key ? key : 1;
}

/* The entry of a key, or the one that it may take, emptied. */
static struct refusal *entry_of(struct refusals *r, uint64_t key)
{
	struct refusal *ways = r->entries[key >> 32 & (BUCKETS - 1)], *oldest = ways;

	for (int i = 0; i < WAYS; i++) {
		if (ways[i].key == key)
			return &ways[i];
		if (ways[i].seen_us < oldest->seen_us)
			oldest = &ways[i];
	}
	*oldest = (struct refusal){ .key = key };
	return oldest;
}

struct refusals *refusals_create(int limit)
{
	struct refusals *r = mem_alloc(sizeof(*r));

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	r->limit = limit;
	return r;
}

bool refusals_exhausted(struct refusals *r, struct str client, struct str path, int64_t now_us)
{
	bool exhausted = false;
	struct refusal *e;

	pthread_mutex_lock(&r->lock);
	e = entry_of(r, key_of(client, path));
	if (e->n >= r->limit && now_us - e->seen_us < WINDOW_US)
		exhausted = true;
	else if (now_us - e->first_us >= WINDOW_US)
		e->n = 0;
	e->seen_us = now_us;
	pthread_mutex_unlock(&r->lock);
	return exhausted;
}

void refusals_note(struct refusals *r, struct str client, struct str path, int64_t now_us)
{
	struct refusal *e;

	pthread_mutex_lock(&r->lock);
	e = entry_of(r, key_of(client, path));
	if (e->n == 0)
		e->first_us = now_us;
	e->n++;
	e->seen_us = now_us;
	pthread_mutex_unlock(&r->lock);
}

void refusals_destroy(struct refusals *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}
