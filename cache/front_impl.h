/*
 * What cache_fetch needs of a front beyond cache.h.
 */
#ifndef CACHE_FRONT_IMPL_H
#define CACHE_FRONT_IMPL_H

#include "cache/cache.h"

/* Its cache. */
struct cache *front_cache(const struct cache_front *);

/* Lets go of what was borrowed, and of everything when the epoch has changed. Before the store is looked at. */
void front_catch_up(struct cache_front *);

/*
 * Takes a reference to an object that is to be lent until the next call. With expires_us > 0 cache_front_find may find
 * it until then; 0: only this once. Returns the object.
 */
struct cache_object *front_lend(struct cache_front *, struct str key, struct str variant, struct cache_object *, int64_t expires_us);

#endif
