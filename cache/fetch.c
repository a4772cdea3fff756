/*
 * Design: a fetch takes the key's token, then goes down until somebody has the value: level 1, another thread's flight,
 * level 2, the source; and up again, storing on the way whatever may be stored. Every store is given the token that
 * was taken first, so nothing that began before a deletion outlives it (local_impl.h).
 *
 * The leader of a flight makes the object too before he lands, so that those who waited for the same variant find it.
 */
#include "base/clock.h"
#include "cache/cache_impl.h"
#include "cache/front_impl.h"
#include "cache/level2_impl.h"

#define FLIGHT_WAIT_US (200 * US_PER_MS)

struct fetch {
	struct cache *cache;
	struct redis_budget *budget;
	const struct cache_load *load;
	struct str key;
	struct local_found got; /* the token of the beginning; value and object as far as they are there */
	bool kept;              /* the object is in level 1 until got.expires_us */
};

/* Takes from level 1 what it has now: of our token, or newer. */
static bool look(struct fetch *f)
{
	struct local_found found;

	local_find(f->cache->local, f->key, f->load->variant, &found);
	if (!found.value) {
		local_found_finish(&found);
		return false;
	}
	local_found_finish(&f->got);
	f->got = found;
	f->kept = found.object;
	return true;
}

/* Keeps the value in level 1 for ttl_us from now. A key that cannot be stored is loaded each time. */
static void keep_value(struct fetch *f, int64_t ttl_us)
{
	int64_t expires_us = cache_local_expiry_us(f->cache, ttl_us);

	if (cache_key_valid(f->key) && local_store(f->cache->local, f->key, f->got.token, f->got.value, expires_us))
		f->got.expires_us = expires_us;
}

/*
 * The value from the source, stored where it may be. generation: of level 2, "" when it is not to be stored there. What
 * level 2 refuses because the key has changed is not kept in memory either, though our token may not know it yet.
 */
static int load_source(struct fetch *f, const char *generation)
{
	const struct cache_load *load = f->load;
	int64_t began_us = clock_monotonic_us();
	bool fresh = true;
	int r = load->load(load->arg, &f->got.value);

	if (r < 0)
		return r;
	if (f->got.value->len > CACHE_MAX_VALUE_BYTES) {
		cache_report_too_large(f->cache, f->key, f->got.value->len);
		return 0;
	}
	if (*generation && clock_monotonic_us() - began_us < LEVEL2_LOAD_LIMIT_US)
		fresh = level2_store(f->cache, f->budget, f->key, generation, f->got.value, load->ttl_s);
	if (fresh)
		keep_value(f, load->ttl_s * US_PER_S);
	return 0;
}

/* The value from level 2, else from the source. */
static int load_value(struct fetch *f)
{
	struct level2_found found = { 0 };

	if (f->cache->shared && cache_key_valid(f->key))
		level2_find(f->cache, f->budget, f->key, f->got.token, true, &found);
	if (!found.value)
		return load_source(f, found.generation);
	f->got.value = found.value;
	f->got.expires_us = found.expires_us;
	return 0;
}

static int make_object(struct fetch *f)
{
	bool shared = false;

	f->got.object = f->load->make(f->load->arg, f->got.value, &shared);
	if (!f->got.object)
		return ERR_NOMEM;
	f->kept = f->got.expires_us > 0 && local_attach(f->cache->local, f->key, f->load->variant, shared, f->got.value, f->got.object);
	return 0;
}

static int lead(struct fetch *f)
{
	int r;

	/* Between our look and our flight another one may have landed. */
	if (look(f) && f->got.object)
		return 0;
	r = f->got.value ? 0 : load_value(f);
	return r < 0 ? r : make_object(f);
}

/* Gets the value together with the others who need it now; afterwards the object may still be missing. */
static int fly(struct fetch *f)
{
	struct flights *flights = f->cache->flights;
	struct flight *flight;
	bool leader = false;
	int r = 0;

	flight = flight_join(flights, f->key, f->got.token, &leader);
	if (!flight)
		return load_value(f);
	if (leader) {
		r = lead(f);
		flight_land(flights, flight, f->got.value ? 0 : r, f->got.value); /* without the object, they make their own */
	} else if (!flight_wait(flights, flight, FLIGHT_WAIT_US, &r, &f->got.value)) {
		r = load_value(f);
	} else if (r == 0) {
		look(f);
	}
	flight_leave(flights, flight);
	return r;
}

static int find_object(struct fetch *f)
{
	int r = 0;

	local_find(f->cache->local, f->key, f->load->variant, &f->got);
	f->kept = f->got.object;
	metric_add(f->got.value ? f->cache->hits[BACKEND_MEMORY] : f->cache->misses[BACKEND_MEMORY], 1);
	if (!f->got.value)
		r = fly(f);
	if (r == 0 && !f->got.object)
		r = make_object(f);
	return r;
}

int cache_fetch(struct cache_front *front, struct redis_budget *budget, const struct cache_load *load, struct cache_object **ret_object)
{
	struct fetch f = { .cache = front_cache(front), .budget = budget, .load = load, .key = str_of(load->key) };
	int r;

	front_catch_up(front);
	r = find_object(&f);
	if (r == 0)
		*ret_object = front_lend(front, f.key, load->variant, f.got.object, f.kept ? f.got.expires_us : 0);
	local_found_finish(&f.got);
	return r;
}
