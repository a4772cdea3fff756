/*
 * Level 1: the memory store. Under each key one value and the objects made from it, until the value's time ends, the
 * key is deleted, or the room is needed for what was used more recently.
 *
 * Tokens: a token of a key is a number that a deletion of the key changes. Who is about to fetch a value from
 * elsewhere takes the token first and gives it to local_store, which stores nothing when the token is no longer the
 * key's: what was fetched may be what the deletion was about.
 *
 * The epoch changes after each deletion of anything: while it is what it was, everything taken out of the store before
 * is still good. Any thread.
 */
#ifndef CACHE_LOCAL_IMPL_H
#define CACHE_LOCAL_IMPL_H

#include "cache/cache.h"

/* Objects kept of one key; the least recently used leaves. */
#define LOCAL_MAX_VARIANTS 16

struct local;

/* A store within these limits; NULL without memory. */
struct local *local_create(size_t max_bytes, size_t max_entries);

/* Frees; NULL is fine. */
void local_destroy(struct local *);

/* What the store knows of a key. */
struct local_found {
	struct blob *value;          /* a reference; NULL: nothing is stored */
	struct cache_object *object; /* a reference; NULL: none yet for this variant */
	int64_t expires_us;          /* of the value, monotonic */
	uint64_t token;              /* of the key, found or not */
};

/* Looks a key up, and the object that serves the variant. The caller gives the references back with local_found_finish. */
void local_find(struct local *, struct str key, struct str variant, struct local_found *ret_found);
void local_found_finish(struct local_found *);

/*
 * Stores a value (one reference is taken by the store, the caller keeps his) until expires_us, in place of what was
 * there, unless the key's token has changed. False when it is not stored: changed, too large, or no memory.
 */
bool local_store(struct local *, struct str key, uint64_t token, struct blob *value, int64_t expires_us);

/*
 * As a deletion followed by local_store of a newer value: tokens and epoch change. With a token (NULL: always) it
 * stores only if that was the key's; the old value is gone in any case. False when it is not stored.
 */
bool local_replace(struct local *, struct str key, const uint64_t *token, struct blob *value, int64_t expires_us);

/*
 * Keeps an object made from a value, for one variant or (shared) for all, while the value is still the key's.
 * False when it is not kept: the value has left, the object is too large, no memory.
 */
bool local_attach(struct local *, struct str key, struct str variant, bool shared, const struct blob *value, struct cache_object *);

/* Deletes a key; returns its new token. */
uint64_t local_delete(struct local *, struct str key);

/* Deletes everything; all tokens change. */
void local_empty(struct local *);

/* The epoch. Take it before local_find: while it stays the same, what was found is good until it expires. */
uint64_t local_epoch(const struct local *);

/* Keys and bytes held. */
void local_measure(struct local *, size_t *ret_entries, size_t *ret_bytes);

#endif
