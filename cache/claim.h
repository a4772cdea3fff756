/*
 * Claims: for a while a key belongs to one holder, over all processes, so that of those who would do the same thing one does it.
 * In Redis under egoejo:t1: (resilience.md 2.5), set if absent in one step; while Redis is away in the memory of the process, and what
 * was claimed here a moment before its outage is known there too. Any thread; waits for Redis no longer than one command.
 */
#ifndef CACHE_CLAIM_H
#define CACHE_CLAIM_H

#include "cache/cache.h"

#define CLAIMS_MAX 256 /* in memory; then the one that ends first makes room */

/*
 * True: it is the holder's for ttl_s seconds, or was already (whoever takes up again what his forerunner had begun may go on). False:
 * it is somebody else's. Key and holder are any bytes; in Redis a key of more than 200 bytes is known by its digest.
 */
bool cache_claim(struct cache *, struct str key, struct str holder, int64_t ttl_s);

/* Gives it back before its time, if it is the holder's. */
void cache_claim_release(struct cache *, struct str key, struct str holder);

#endif
