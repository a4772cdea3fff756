/*
 * One key of level 1: its value and the objects made from it. No lock of its own: the shard's protects it.
 */
#ifndef CACHE_ITEM_IMPL_H
#define CACHE_ITEM_IMPL_H

#include <sys/queue.h>

#include "cache/local_impl.h"

/* An object under the name that it was asked by. */
struct variant {
	struct variant *next; /* used less recently */
	struct cache_object *object;
	size_t name_len;
	char name[];
};

struct item {
	TAILQ_ENTRY(item) used; /* in the shard's list by use, or among the dead */
	struct item *next;      /* in the bucket */
	uint64_t hash;
	int64_t expires_us;
	struct blob *value;
	struct variant *shared;   /* serves every variant that has none of its own */
	struct variant *variants; /* most recently used first */
	size_t bytes;             /* all of it */
	size_t key_len;
	char key[];
};

/* An item without objects, holding a reference to the value; NULL without memory. */
struct item *item_create(uint64_t hash, struct str key, struct blob *value, int64_t expires_us);
void item_destroy(struct item *); /* NULL is fine */

static inline struct str item_key(const struct item *item)
{
	return (struct str){ item->key, item->key_len };
}

/* The object that serves a variant (borrowed), or NULL; it becomes the most recently used. */
struct cache_object *item_find_object(struct item *, struct str name);

/*
 * Adds a variant (taken), in place of one of its name, dropping the least recently used ones beyond LOCAL_MAX_VARIANTS
 * and beyond max_bytes for the item. What leaves, or the new one itself when it does not fit (then false), is chained
 * to *dead for the caller to free after the lock.
 */
bool item_add_variant(struct item *, struct variant *, bool shared, size_t max_bytes, struct variant **dead);

/* A variant holding a reference to the object; NULL without memory. */
struct variant *variant_create(struct str name, struct cache_object *);

/* Frees a chain of variants; NULL is fine. */
void variants_destroy(struct variant *);

#endif
