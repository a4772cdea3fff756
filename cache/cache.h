/*
 * The cache: process memory (level 1) over Redis DB 1 (level 2). Contract: spec resilience.md 1.3 and 2.5, content.md 10,
 * design.md 4, 5.5, 9.4 and 9.5.
 *
 * Level 2 holds bytes under egoejo:c1:<key>. Level 1 holds the same bytes, or objects made from them (a ready HTTP
 * response per origin), bounded in bytes and entries, least recently used out first, each until its time to live ends.
 * Redis client tracking empties level 1 of what another process changes; while that is not to be had, level 1 entries
 * live at most 5 s (only when Redis is configured: a process alone needs no coherence).
 * Nothing here ever fails outward or waits longer than the budget. Any thread unless said otherwise.
 *
 * A key is 1 to 200 bytes and does not begin with "gen:" (the generations of level 2 are there). Another one cannot be
 * stored: it is never found, setting and deleting it give false, fetching it loads each time.
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "resilience/redis.h"

struct cache;

struct cache_config {
	size_t max_bytes;    /* of level 1 */
	size_t max_entries;  /* of level 1 */
	struct redis *redis; /* borrowed; its cache usage may be not configured */
};

/* A cache; with Redis it makes its tracking subscription. NULL without memory. Before redis_start. */
struct cache *cache_create(const struct cache_config *);

/* Starts the tracking (two threads) when Redis is configured; after redis_start. ERR_INTERNAL without threads. */
int cache_start(struct cache *, struct error *err);

/* Frees; after its fronts, before redis_destroy. NULL is fine. */
void cache_destroy(struct cache *);

/* ---- the mission's functions: values are bytes ---- */

#define CACHE_DEFAULT_TTL_S   300
#define CACHE_MAX_VALUE_BYTES (1024 * 1024)

/* The value (one reference, the caller's), or NULL when there is none. Waits no longer than the budget (NULL: one command timeout). */
struct blob *safe_cache_get(struct cache *, struct redis_budget *, const char *key);

/*
 * Stores for ttl_s seconds (< 0: the default 300; 0 is a deletion, like Django's timeout ≤ 0). False when Redis is down
 * (the value is in memory), or when the value is too large or there is no memory (then the key is deleted).
 */
bool safe_cache_set(struct cache *, struct redis_budget *, const char *key, const void *bytes, size_t n, int64_t ttl_s);

/*
 * Deletes everywhere (a missing key is a success), and makes loads of the key that run now discard their result. After
 * the commit of the change that makes the value stale. False when Redis is down: deleted in memory, remembered for Redis.
 */
bool safe_cache_delete(struct cache *, struct redis_budget *, const char *key);

/* ---- ready objects: what the serving path uses ---- */

/* Something made from a value and kept in level 1; the first member of the maker's own struct. Immutable once stored. */
struct cache_object {
	atomic_uint refs;                       /* starts at 1 */
	size_t bytes;                           /* what it weighs */
	void (*destroy)(struct cache_object *); /* at the last reference */
};
struct cache_object *cache_object_ref(struct cache_object *);
void cache_object_unref(struct cache_object *);

/* How to get the object of a key and variant. */
struct cache_load {
	const char *key;    /* "projets_list" */
	struct str variant; /* whose object: the origin; at most 16 per key, the oldest use leaves. make may say that it is everyone's */
	int64_t ttl_s;      /* 1.. */
	/* Produces the value from the source; 0 and *ret_value (one reference), or an error that cache_fetch returns. */
	int (*load)(void *arg, struct blob **ret_value);
	/* Makes the object of a value for this variant; sets *ret_shared when it serves every variant. NULL without memory. */
	struct cache_object *(*make)(void *arg, struct blob *value, bool *ret_shared);
	void *arg;
};

/*
 * A serving thread's own front: finds an object again without a lock, a reference count or an allocation, as long as
 * nothing has been deleted or emptied since. One thread.
 */
struct cache_front;
struct cache_front *cache_front_create(struct cache *);
void cache_front_destroy(struct cache_front *);

/*
 * The object if this thread has used it before and nothing has changed since; NULL otherwise. Borrowed: valid until
 * the next call on this front. Count nothing but one hit.
 */
struct cache_object *cache_front_find(struct cache_front *, const char *key, struct str variant);

/*
 * The object of a key: level 1, else one thread per key asks level 2 and then the source while others wait for it at
 * most 200 ms (and then do it themselves). Remembers it in the front. Borrowed as in cache_front_find. Errors are
 * load's; nothing is stored when the key was deleted meanwhile, the object is returned all the same.
 */
int cache_fetch(struct cache_front *, struct redis_budget *, const struct cache_load *, struct cache_object **ret_object);

/* ---- lists: many keys that one change makes stale ---- */

/*
 * The generation of a list: a number that stands in the keys of all that is made of the list, so that one change lets go of
 * them all at once. It is the time of the last cache_bump in microseconds, or of its first use since then; no two are the
 * same, so what an earlier generation has left behind is never found again. Level 2 has it under egoejo:c1:gen:<list>; while
 * Redis is away each process has one of its own, for 5 s. The list's name is a key as above under which nothing else is kept.
 * Waits no longer than the budget. The front's thread.
 */
int64_t cache_generation(struct cache_front *, struct redis_budget *, const char *list);

/* After the commit of a change of the list: a new generation, in every process. False when Redis is down: it will be told. */
bool cache_bump(struct cache *, struct redis_budget *, const char *list);

/* ---- for /metrics, tests ---- */

struct cache_stats {
	size_t entries, bytes;
	bool tracking; /* other processes' changes are heard now */
};
void cache_stats(struct cache *, struct cache_stats *ret_stats);

#endif
