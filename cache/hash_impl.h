/*
 * A keyed hash (SipHash-1-3) for the tables of cache/: keys may come to depend on what clients send, and with a secret
 * seed nobody outside can make them collide. Any thread.
 */
#ifndef CACHE_HASH_IMPL_H
#define CACHE_HASH_IMPL_H

#include <stdint.h>

#include "base/str.h"

struct hash_seed {
	uint64_t k0, k1;
};

/* A seed of random bits. */
void hash_seed_init(struct hash_seed *);

/* The hash of the bytes; an absent text hashes as an empty one. */
uint64_t hash_bytes(const struct hash_seed *, struct str);

/* The hash of two texts in this order; ("a", "bc") differs from ("ab", "c"). */
uint64_t hash_pair(const struct hash_seed *, struct str, struct str);

#endif
