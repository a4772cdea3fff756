/* The one warning that is limited per key and not per event: who stores too much should learn of each key. */
#include "base/clock.h"
#include "resilience/redis_impl.h"

#define WARN_EVERY_US (60 * US_PER_S)

static uint64_t hash_of(struct str key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a: keys are ours, not a client's */

	for (size_t i = 0; i < key.len; i++)
		h = (h ^ (unsigned char)key.s[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* Whether the key has not been warned about in the last minute; remembers it. */
static bool is_due(struct warned_keys *warned, uint64_t hash, int64_t now_us)
{
	int oldest = 0;

	for (int i = 0; i < WARNED_KEYS; i++) {
		if (warned->keys[i].hash == hash && warned->keys[i].until_us > now_us)
			return false;
		if (warned->keys[i].until_us < warned->keys[oldest].until_us)
			oldest = i;
	}
	warned->keys[oldest].hash = hash;
	warned->keys[oldest].until_us = now_us + WARN_EVERY_US;
	return true;
}

void redis_report_too_large(struct redis *redis, struct str key, size_t n_bytes)
{
	bool due;

	pthread_mutex_lock(&redis->too_large.lock);
	due = is_due(&redis->too_large, hash_of(key), clock_monotonic_us());
	pthread_mutex_unlock(&redis->too_large.lock);
	if (key.len > KEY_SHOWN_BYTES)
		key.len = KEY_SHOWN_BYTES;
	if (due)
		log_write(LOG_WARNING, "redis.cache", "cache.too_large",
		          LOG_FIELDS(LOG_STR("usage", redis_usage_name(REDIS_CACHE)), LOG_VIEW("key", key),
		                     LOG_INT("bytes", (int64_t)n_bytes)),
		          "A value of %zu bytes is too large for the cache and was not stored", n_bytes);
}
