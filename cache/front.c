/*
 * Design: a small table of four-way sets that only its own thread touches. All of it is dropped when the cache's epoch
 * is no longer the one under which it was filled: one relaxed comparison answers for every entry, and what was deleted
 * is freed soon. The epoch is read before the store is looked at (front_catch_up), so an object found in the store just
 * before a deletion is filed under the old epoch and never found again.
 *
 * A front keeps its objects alive although level 1 may have dropped them for room, so it has limits of its own: 256
 * objects, a sixteenth of level 1's bytes.
 */
#include "cache/front_impl.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/cache_impl.h"
#include "cache/hash_impl.h"

#define WAYS  4
#define SETS  64
#define SHARE 16 /* of level 1's bytes */

struct slot {
	uint64_t hash;
	int64_t expires_us;
	uint64_t used;               /* front.uses at the last use */
	struct cache_object *object; /* a reference; NULL: free */
	char *name;                  /* key and variant, one after the other */
	size_t key_len, variant_len;
};

struct cache_front {
	struct cache *cache;
	uint64_t epoch; /* under which the slots were filled */
	uint64_t uses;
	size_t bytes, max_bytes;
	struct cache_object *loose; /* lent, and in no slot */
	struct hash_seed seed;
	struct slot slots[SETS * WAYS];
};

struct cache_front *cache_front_create(struct cache *c)
{
	struct cache_front *f = mem_alloc(sizeof(*f));

	if (!f)
		return NULL;
	f->cache = c;
	f->epoch = local_epoch(c->local);
	f->max_bytes = c->max_bytes / SHARE;
	hash_seed_init(&f->seed);
	return f;
}

struct cache *front_cache(const struct cache_front *f)
{
	return f->cache;
}

static void clear_slot(struct cache_front *f, struct slot *slot)
{
	if (!slot->object)
		return;
	f->bytes -= slot->object->bytes;
	cache_object_unref(slot->object);
	free(slot->name);
	*slot = (struct slot){ 0 };
}

static void clear(struct cache_front *f)
{
	for (size_t i = 0; i < N_ELEMENTS(f->slots); i++)
		clear_slot(f, &f->slots[i]);
}

void cache_front_destroy(struct cache_front *f)
{
	if (!f)
		return;
	clear(f);
	cache_object_unref(f->loose);
	free(f);
}

void front_catch_up(struct cache_front *f)
{
	uint64_t epoch = local_epoch(f->cache->local);

	if (f->loose)
		cache_object_unref(TAKE(f->loose));
	if (epoch == f->epoch)
		return;
	clear(f);
	f->epoch = epoch;
}

static bool holds(const struct slot *slot, uint64_t hash, struct str key, struct str variant)
{
	return slot->object && slot->hash == hash && slot->key_len == key.len && slot->variant_len == variant.len &&
	       memcmp(slot->name, key.s, key.len) == 0 && (variant.len == 0 || memcmp(slot->name + key.len, variant.s, variant.len) == 0);
}

/* The slot of a name, else the one to use for it: a free one, or the least recently used of its set. */
static struct slot *find_slot(struct cache_front *f, uint64_t hash, struct str key, struct str variant)
{
	struct slot *set = &f->slots[hash % SETS * WAYS], *worst = set;

	for (int i = 0; i < WAYS; i++) {
		if (holds(&set[i], hash, key, variant))
			return &set[i];
		if (set[i].used < worst->used)
			worst = &set[i];
	}
	return worst;
}

struct cache_object *cache_front_find(struct cache_front *f, const char *key_text, struct str variant)
{
	struct str key = str_of(key_text);
	uint64_t hash = hash_pair(&f->seed, key, variant);
	struct slot *slot;

	front_catch_up(f);
	slot = find_slot(f, hash, key, variant);
	if (!holds(slot, hash, key, variant))
		return NULL;
	if (slot->expires_us <= clock_monotonic_us()) {
		clear_slot(f, slot);
		return NULL;
	}
	slot->used = ++f->uses;
	metric_add(f->cache->hits[BACKEND_MEMORY], 1);
	return slot->object;
}

static char *join(struct str a, struct str b)
{
	char *name = mem_alloc(a.len + b.len);

	if (!name)
		return NULL;
	memcpy(name, a.s, a.len);
	if (b.len)
		memcpy(name + a.len, b.s, b.len);
	return name;
}

struct cache_object *front_lend(struct cache_front *f, struct str key, struct str variant, struct cache_object *object, int64_t expires_us)
{
	uint64_t hash = hash_pair(&f->seed, key, variant);
	char *name = expires_us > 0 && object->bytes <= f->max_bytes ? join(key, variant) : NULL;
	struct slot *slot;

	cache_object_ref(object);
	if (!name) {
		f->loose = object;
		return object;
	}
	if (f->bytes + object->bytes > f->max_bytes)
		clear(f);
	slot = find_slot(f, hash, key, variant);
	clear_slot(f, slot);
	*slot = (struct slot){ hash, expires_us, ++f->uses, object, name, key.len, variant.len };
	f->bytes += object->bytes;
	return object;
}
