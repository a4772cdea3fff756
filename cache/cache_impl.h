/*
 * The parts of a cache, for the files of this folder.
 */
#ifndef CACHE_CACHE_IMPL_H
#define CACHE_CACHE_IMPL_H

#include <pthread.h>

#include "base/metrics.h"
#include "cache/cache.h"
#include "cache/claim_impl.h"
#include "cache/flight_impl.h"
#include "cache/local_impl.h"

enum cache_backend { BACKEND_MEMORY, BACKEND_REDIS, BACKENDS };

struct outage;
struct tracking;

struct cache {
	size_t max_bytes; /* of level 1 */
	struct local *local;
	struct flights *flights;
	struct claims *claims;
	/* Level 2 */
	struct redis *redis;         /* borrowed */
	bool shared;                 /* its cache usage is configured; without it the rest of this group is not used */
	struct outage *outage;       /* what Redis has missed */
	struct tracking *tracking;   /* what other processes change; carries our own changes */
	pthread_mutex_t repair_lock; /* one at a time tells Redis what it has missed */
	_Atomic int64_t last_stamp;  /* of level2_stamp */
	/* Metrics */
	struct metric *hits[BACKENDS], *misses[BACKENDS];
	struct metric *too_large;       /* values not stored */
	struct metric *bytes, *entries; /* of level 1 */
};

/* Whether a key can be stored: 1 to 200 bytes, and not one of our own ("gen:…", level2_impl.h). */
bool cache_key_valid(struct str key);

/* When a value that may live ttl_us from now leaves level 1: sooner while other processes' changes are not heard. */
int64_t cache_local_expiry_us(const struct cache *, int64_t ttl_us);

/* A value above CACHE_MAX_VALUE_BYTES was not stored: counts it and has it logged. */
void cache_report_too_large(struct cache *, struct str key, size_t n_bytes);

#endif
