/*
 * The public functions of the cache, and its life. Everything goes to the memory (local.c); when the cache usage of Redis is
 * configured it goes there too (level2.c), what other processes change is heard (tracking.c), and what Redis misses while it
 * is away is remembered (outage.c) and told to it before it is believed again (repair.c).
 */
#include "cache/cache.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cache/cache_impl.h"
#include "cache/level2_impl.h"
#include "cache/outage_impl.h"
#include "cache/repair_impl.h"
#include "cache/tracking_impl.h"

#define MAX_TTL_S (INT64_C(3650) * 86400) /* ten years are for ever, and leave room for arithmetic */

static void collect(void *arg)
{
	struct cache *c = arg;
	size_t entries, bytes;

	local_measure(c->local, &entries, &bytes);
	metric_set(c->entries, (int64_t)entries);
	metric_set(c->bytes, (int64_t)bytes);
}

static void init_metrics(struct cache *c)
{
	static const char *const labels[BACKENDS] = { "backend=\"memory\"", "backend=\"redis\"" };

	for (int i = 0; i < BACKENDS; i++) {
		c->hits[i] = metric_series(METRIC_CACHE_HITS, labels[i]);
		c->misses[i] = metric_series(METRIC_CACHE_MISSES, labels[i]);
	}
	c->too_large = metric_series(METRIC_CACHE_TOO_LARGE, "");
	c->bytes = metric_series(METRIC_CACHE_BYTES, "");
	c->entries = metric_series(METRIC_CACHE_ENTRIES, "");
	metrics_on_collect(collect, c);
}

/* What only a cache with Redis has. */
static bool create_level2(struct cache *c)
{
	c->outage = outage_create();
	c->tracking = c->outage ? tracking_create(c) : NULL;
	return c->tracking && redis_on_recovery(c->redis, REDIS_CACHE, repair_on_recovery, c) == 0;
}

struct cache *cache_create(const struct cache_config *config)
{
	struct cache *c = mem_alloc(sizeof(*c));

	if (!c)
		return NULL;
	c->max_bytes = config->max_bytes;
	c->redis = config->redis;
	c->shared = c->redis && redis_configured(c->redis, REDIS_CACHE);
	pthread_mutex_init(&c->repair_lock, NULL);
	c->local = local_create(config->max_bytes, config->max_entries);
	c->flights = flights_create();
	c->claims = claims_create();
	if (!c->local || !c->flights || !c->claims || (c->shared && !create_level2(c))) {
		cache_destroy(c);
		return NULL;
	}
	init_metrics(c);
	return c;
}

int cache_start(struct cache *c, struct error *err)
{
	return c->shared ? tracking_start(c->tracking, err) : 0;
}

void cache_destroy(struct cache *c)
{
	if (!c)
		return;
	metrics_off_collect(c);
	if (c->shared)
		redis_off_hooks(c->redis, c);
	tracking_destroy(c->tracking);
	outage_destroy(c->outage);
	claims_destroy(c->claims);
	flights_destroy(c->flights);
	local_destroy(c->local);
	pthread_mutex_destroy(&c->repair_lock);
	free(c);
}

bool cache_key_valid(struct str key)
{
	return key.len > 0 && key.len <= LEVEL2_MAX_KEY && !str_starts(key, LEVEL2_GENERATION);
}

int64_t cache_local_expiry_us(const struct cache *c, int64_t ttl_us)
{
	if (c->shared && !tracking_live(c->tracking) && ttl_us > TRACKING_DEAF_LIFETIME_US)
		ttl_us = TRACKING_DEAF_LIFETIME_US;
	return clock_monotonic_us() + ttl_us;
}

struct blob *safe_cache_get(struct cache *c, struct redis_budget *budget, const char *key_text)
{
	struct str key = str_of(key_text);
	struct local_found found;
	struct level2_found deeper = { 0 };

	if (!cache_key_valid(key))
		return NULL;
	local_find(c->local, key, (struct str){ NULL, 0 }, &found);
	cache_object_unref(found.object);
	metric_add(found.value ? c->hits[BACKEND_MEMORY] : c->misses[BACKEND_MEMORY], 1);
	if (found.value || !c->shared)
		return found.value;
	level2_find(c, budget, key, found.token, false, &deeper);
	return deeper.value;
}

/* Redis did not hear of a change: it will, and until then it is not believed. */
static void missed(struct cache *c, const char *op, struct str key)
{
	outage_remember(c->outage, key);
	tracking_wake(c->tracking);
	level2_report(c, op, key);
}

/*
 * Level 1 is emptied of the key before Redis is told, so that nobody is served the old value meanwhile, and again after,
 * because somebody may have fetched it from Redis meanwhile (level2.c).
 */
void cache_report_too_large(struct cache *c, struct str key, size_t n_bytes)
{
	metric_add(c->too_large, 1);
	if (c->redis)
		redis_report_too_large(c->redis, key, n_bytes);
}

static bool set_shared(struct cache *c, struct redis_budget *budget, struct str key, struct blob *value, int64_t ttl_s)
{
	uint64_t token = local_delete(c->local, key);
	int r = level2_set(c, budget, key, blob_view(value), ttl_s);

	if (r < 0)
		missed(c, "set", key);
	/* With Redis an overlapping change makes neither value certain; without it the memory is all there is. */
	local_replace(c->local, key, r < 0 ? NULL : &token, value, cache_local_expiry_us(c, ttl_s * US_PER_S));
	return r == 0;
}

bool safe_cache_set(struct cache *c, struct redis_budget *budget, const char *key_text, const void *bytes, size_t n, int64_t ttl_s)
{
	struct str key = str_of(key_text);
	CLEANUP(blob_unrefp) struct blob *value = NULL;

	if (!cache_key_valid(key))
		return false;
	if (ttl_s == 0)
		return safe_cache_delete(c, budget, key_text);
	ttl_s = ttl_s < 0 ? CACHE_DEFAULT_TTL_S : ttl_s > MAX_TTL_S ? MAX_TTL_S : ttl_s;
	if (n > CACHE_MAX_VALUE_BYTES)
		cache_report_too_large(c, key, n);
	else
		value = blob_create(bytes, n);
	if (!value) {
		safe_cache_delete(c, budget, key_text); /* what is not stored must not leave its predecessor behind */
		return false;
	}
	if (c->shared)
		return set_shared(c, budget, key, value, ttl_s);
	return local_replace(c->local, key, NULL, value, cache_local_expiry_us(c, ttl_s * US_PER_S));
}

bool safe_cache_delete(struct cache *c, struct redis_budget *budget, const char *key_text)
{
	struct str key = str_of(key_text);
	int r = 0;

	if (!cache_key_valid(key))
		return false;
	local_delete(c->local, key);
	if (!c->shared)
		return true;
	r = level2_delete(c, budget, key);
	if (r < 0)
		missed(c, "delete", key);
	local_delete(c->local, key);
	return r == 0;
}

void cache_stats(struct cache *c, struct cache_stats *ret_stats)
{
	local_measure(c->local, &ret_stats->entries, &ret_stats->bytes);
	ret_stats->tracking = c->shared && tracking_live(c->tracking);
}
