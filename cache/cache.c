#include "cache/cache.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/cache_impl.h"

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

struct cache *cache_create(const struct cache_config *config)
{
	struct cache *c = mem_alloc(sizeof(*c));

	if (!c)
		return NULL;
	c->max_bytes = config->max_bytes;
	c->local = local_create(config->max_bytes, config->max_entries);
	c->flights = flights_create();
	if (!c->local || !c->flights) {
		cache_destroy(c);
		return NULL;
	}
	init_metrics(c);
	return c;
}

int cache_start(struct cache *c, struct error *err)
{
	return 0;
}

void cache_destroy(struct cache *c)
{
	if (!c)
		return;
	metrics_off_collect(c);
	flights_destroy(c->flights);
	local_destroy(c->local);
	free(c);
}

bool cache_key_valid(struct str key)
{
	return key.len > 0 && key.len <= 200 && !str_starts(key, "gen:");
}

int64_t cache_local_expiry_us(const struct cache *c, int64_t ttl_us)
{
	return clock_monotonic_us() + ttl_us;
}

struct blob *safe_cache_get(struct cache *c, struct redis_budget *budget, const char *key_text)
{
	struct str key = str_of(key_text);
	struct local_found found;

	if (!cache_key_valid(key))
		return NULL;
	local_find(c->local, key, (struct str){ NULL, 0 }, &found);
	cache_object_unref(found.object);
	metric_add(found.value ? c->hits[BACKEND_MEMORY] : c->misses[BACKEND_MEMORY], 1);
	return found.value;
}

bool safe_cache_set(struct cache *c, struct redis_budget *budget, const char *key_text, const void *bytes, size_t n, int64_t ttl_s)
{
	struct str key = str_of(key_text);
	struct blob *value;
	bool stored;

	if (!cache_key_valid(key))
		return false;
	if (ttl_s == 0)
		return safe_cache_delete(c, budget, key_text);
	ttl_s = ttl_s < 0 ? CACHE_DEFAULT_TTL_S : ttl_s > MAX_TTL_S ? MAX_TTL_S : ttl_s;
	if (n > CACHE_MAX_VALUE_BYTES)
		metric_add(c->too_large, 1);
	value = n > CACHE_MAX_VALUE_BYTES ? NULL : blob_create(bytes, n);
	if (!value) {
		/* What is not stored must not leave its predecessor behind. */
		safe_cache_delete(c, budget, key_text);
		return false;
	}
	stored = local_replace(c->local, key, NULL, value, cache_local_expiry_us(c, ttl_s * US_PER_S));
	blob_unref(value);
	return stored;
}

bool safe_cache_delete(struct cache *c, struct redis_budget *budget, const char *key_text)
{
	struct str key = str_of(key_text);

	if (!cache_key_valid(key))
		return false;
	local_delete(c->local, key);
	return true;
}

void cache_stats(struct cache *c, struct cache_stats *ret_stats)
{
	local_measure(c->local, &ret_stats->entries, &ret_stats->bytes);
	ret_stats->tracking = false;
}
