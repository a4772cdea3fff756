/*
 * Design: the generation of a list is that of a key, the list's name, as level 2 has for every key (level2.c): a bump is the
 * deletion of the key. So what tracking, outage and repair do for keys holds for lists too: another process's bump arrives as
 * the invalidation of the name, one that Redis missed is told to it later and until then nothing of Redis is believed.
 *
 * Level 1 keeps a copy as the value of the key, under the token that was taken before Redis was asked; the front finds it
 * again as an object, so that a page served from memory costs no lock for it.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/cache_impl.h"
#include "cache/front_impl.h"
#include "cache/level2_impl.h"

#define COPY_LIFETIME_US (3600 * US_PER_S)
#define NO_VARIANT       ((struct str){ NULL, 0 })

struct generation {
	struct cache_object object;
	int64_t number;
};

static void destroy(struct cache_object *o)
{
	free(o);
}

/* Lets the front find the number again until then; without memory it asks level 1 the next time. */
static void remember(struct cache_front *front, struct str list, int64_t number, int64_t expires_us)
{
	struct generation *g = mem_alloc(sizeof(*g));

	if (!g)
		return;
	atomic_init(&g->object.refs, 1);
	g->object.bytes = sizeof(*g);
	g->object.destroy = destroy;
	g->number = number;
	front_lend(front, list, NO_VARIANT, &g->object, expires_us);
	cache_object_unref(&g->object);
}

/* From Redis, or one of our own; kept in level 1 if the list has not changed meanwhile (else *ret_expires_us is 0). */
static struct str learn(struct cache *c, struct redis_budget *budget, struct str list, uint64_t token, char space[LEVEL2_GENERATION_SIZE],
                        int64_t *ret_expires_us)
{
	CLEANUP(blob_unrefp) struct blob *copy = NULL;
	struct str text;
	int64_t expires_us;

	if (c->shared && level2_generation(c, budget, list, space) == 0)
		text = str_of(space);
	else
		text = level2_stamp(c, space);
	copy = blob_create(text.s, text.len);
	expires_us = cache_local_expiry_us(c, COPY_LIFETIME_US);
	*ret_expires_us = copy && local_store(c->local, list, token, copy, expires_us) ? expires_us : 0;
	return text;
}

static int64_t find(struct cache_front *front, struct redis_budget *budget, struct str list)
{
	struct cache *c = front_cache(front);
	char space[LEVEL2_GENERATION_SIZE];
	struct local_found found;
	struct str text;
	int64_t number = 0;

	local_find(c->local, list, NO_VARIANT, &found);
	if (found.value)
		text = blob_view(found.value);
	else
		text = learn(c, budget, list, found.token, space, &found.expires_us);
	if (!str_to_uint(text, &number)) /* what somebody else has put there is no number: one of our own, for this once */
		number = 0, found.expires_us = 0;
	if (!number)
		str_to_uint(level2_stamp(c, space), &number);
	if (found.expires_us > 0)
		remember(front, list, number, found.expires_us);
	local_found_finish(&found);
	return number;
}

int64_t cache_generation(struct cache_front *front, struct redis_budget *budget, const char *list)
{
	struct cache_object *known = cache_front_find(front, list, NO_VARIANT);

	return known ? ((struct generation *)known)->number : find(front, budget, str_of(list));
}

bool cache_bump(struct cache *c, struct redis_budget *budget, const char *list)
{
	return safe_cache_delete(c, budget, list);
}
