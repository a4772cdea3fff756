/*
 * Design: shards, each a mutex, a chained hash table, a list in order of use and counters. An item is a key with its
 * value and objects, and leaves as a whole, so a deletion is one unlink whatever the number of variants.
 *
 * Tokens are not kept per key (a key that is not stored has one too, and they may be without number) but per stripe of
 * the hash: 64 counters a shard. Two keys of one stripe share it, which can only refuse a store that was fine. Emptying
 * raises one more counter, and a token is the sum of both: each only grows, so equal sums mean that neither moved.
 *
 * What is removed goes to a list of the dead and is freed after the lock is released: destroying an object is the
 * maker's code. The epoch moves inside the lock, after the removal: who reads the new epoch and then looks here cannot
 * find what was removed.
 */
#include "cache/local_impl.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "cache/hash_impl.h"
#include "cache/item_impl.h"

#define MAX_SHARDS        8
#define MIN_SHARD_ENTRIES 512
#define MIN_SHARD_BYTES   (4 * CACHE_MAX_VALUE_BYTES) /* a shard must hold the largest value and its objects */
#define STRIPES           64
#define FIRST_BUCKETS     64

TAILQ_HEAD(item_list, item);

struct shard {
	_Alignas(64) pthread_mutex_t lock;
	struct item **buckets; /* n_buckets, a power of two */
	size_t n_buckets, n_items, bytes;
	struct item_list by_use;   /* most recently used first */
	uint64_t changes[STRIPES]; /* deletions of keys of the stripe */
	uint64_t emptied;          /* deletions of everything */
};

struct local {
	_Alignas(64) _Atomic uint64_t epoch; /* read on every hit by every thread: alone on its line */
	_Alignas(64) struct hash_seed seed;
	size_t n_shards, max_bytes, max_entries; /* limits of one shard */
	struct shard shards[MAX_SHARDS];
};

/* ---- making and freeing ---- */

static bool shard_init(struct shard *s)
{
	pthread_mutex_init(&s->lock, NULL);
	TAILQ_INIT(&s->by_use);
	s->n_buckets = FIRST_BUCKETS;
	s->buckets = mem_array(FIRST_BUCKETS, sizeof(struct item *));
	return s->buckets;
}

struct local *local_create(size_t max_bytes, size_t max_entries)
{
	struct local *l = NULL;
	bool made = true;

	if (fault_due(FAULT_ALLOC) || posix_memalign((void **)&l, 64, sizeof(*l)))
		return NULL;
	memset(l, 0, sizeof(*l));
	hash_seed_init(&l->seed);
	l->n_shards = MAX_SHARDS;
	while (l->n_shards > 1 && (max_entries / l->n_shards < MIN_SHARD_ENTRIES || max_bytes / l->n_shards < MIN_SHARD_BYTES))
		l->n_shards /= 2;
	l->max_bytes = max_bytes / l->n_shards;
	l->max_entries = max_entries / l->n_shards;
	for (size_t i = 0; i < l->n_shards; i++)
		made = shard_init(&l->shards[i]) && made;
	if (!made) {
		local_destroy(l);
		return NULL;
	}
	return l;
}

static void bury(struct item_list *dead)
{
	struct item *item;

	while ((item = TAILQ_FIRST(dead))) {
		TAILQ_REMOVE(dead, item, used);
		item_destroy(item);
	}
}

void local_destroy(struct local *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_shards; i++) {
		bury(&l->shards[i].by_use);
		free(l->shards[i].buckets);
		pthread_mutex_destroy(&l->shards[i].lock);
	}
	free(l);
}

/* ---- inside a shard, its lock held ---- */

static struct shard *shard_of(struct local *l, uint64_t hash)
{
	return &l->shards[hash >> 32 & (l->n_shards - 1)];
}

static uint64_t *stripe_of(struct shard *s, uint64_t hash)
{
	return &s->changes[hash >> 40 & (STRIPES - 1)];
}

static uint64_t token_of(struct shard *s, uint64_t hash)
{
	return *stripe_of(s, hash) + s->emptied;
}

static struct item **find_item(struct shard *s, uint64_t hash, struct str key)
{
	struct item **at = &s->buckets[hash & (s->n_buckets - 1)];

	while (*at && !((*at)->hash == hash && str_equal(item_key(*at), key)))
		at = &(*at)->next;
	return at;
}

static void remove_item(struct shard *s, struct item **at, struct item_list *dead)
{
	struct item *item = *at;

	if (!item)
		return;
	*at = item->next;
	TAILQ_REMOVE(&s->by_use, item, used);
	TAILQ_INSERT_TAIL(dead, item, used);
	s->n_items--;
	s->bytes -= item->bytes;
}

static void touch(struct shard *s, struct item *item)
{
	TAILQ_REMOVE(&s->by_use, item, used);
	TAILQ_INSERT_HEAD(&s->by_use, item, used);
}

/* Doubles the buckets when the chains grow; without memory they simply stay longer. */
static void grow(struct shard *s)
{
	size_t n = s->n_buckets * 2;
	struct item **buckets;
	struct item *item;

	if (s->n_items <= s->n_buckets || !(buckets = mem_array(n, sizeof(struct item *))))
		return;
	TAILQ_FOREACH(item, &s->by_use, used)
	{
		struct item **at = &buckets[item->hash & (n - 1)];

		item->next = *at;
		*at = item;
	}
	free(s->buckets);
	s->buckets = buckets;
	s->n_buckets = n;
}

static void add_item(struct shard *s, struct item *item)
{
	struct item **at = &s->buckets[item->hash & (s->n_buckets - 1)];

	item->next = *at;
	*at = item;
	TAILQ_INSERT_HEAD(&s->by_use, item, used);
	s->n_items++;
	s->bytes += item->bytes;
	grow(s);
}

/* The least recently used leave until the limits hold; never the one in use now, which alone is within them. */
static void evict(struct local *l, struct shard *s, struct item_list *dead)
{
	while (s->n_items > l->max_entries || s->bytes > l->max_bytes) {
		struct item *last = TAILQ_LAST(&s->by_use, item_list);

		remove_item(s, find_item(s, last->hash, item_key(last)), dead);
	}
}

/* ---- the interface ---- */

void local_find(struct local *l, struct str key, struct str variant, struct local_found *ret_found)
{
	uint64_t hash = hash_bytes(&l->seed, key);
	struct shard *s = shard_of(l, hash);
	struct item_list dead = TAILQ_HEAD_INITIALIZER(dead);
	struct item **at;

	*ret_found = (struct local_found){ 0 };
	pthread_mutex_lock(&s->lock);
	ret_found->token = token_of(s, hash);
	at = find_item(s, hash, key);
	if (*at && (*at)->expires_us <= clock_monotonic_us()) {
		remove_item(s, at, &dead);
	} else if (*at) {
		touch(s, *at);
		ret_found->value = blob_ref((*at)->value);
		ret_found->object = cache_object_ref(item_find_object(*at, variant));
		ret_found->expires_us = (*at)->expires_us;
	}
	pthread_mutex_unlock(&s->lock);
	bury(&dead);
}

void local_found_finish(struct local_found *found)
{
	blob_unref(found->value);
	cache_object_unref(found->object);
	found->value = NULL;
	found->object = NULL;
}

/* An item that fits the limits; NULL when it does not, or without memory. */
static struct item *make_item(struct local *l, uint64_t hash, struct str key, struct blob *value, int64_t expires_us)
{
	if (sizeof(struct item) + key.len + sizeof(*value) + value->len > l->max_bytes || l->max_entries == 0)
		return NULL;
	return item_create(hash, key, value, expires_us);
}

bool local_store(struct local *l, struct str key, uint64_t token, struct blob *value, int64_t expires_us)
{
	uint64_t hash = hash_bytes(&l->seed, key);
	struct shard *s = shard_of(l, hash);
	struct item_list dead = TAILQ_HEAD_INITIALIZER(dead);
	struct item *item = make_item(l, hash, key, value, expires_us);
	bool current;

	if (!item)
		return false;
	pthread_mutex_lock(&s->lock);
	current = token_of(s, hash) == token;
	if (current) {
		remove_item(s, find_item(s, hash, key), &dead);
		add_item(s, item);
		evict(l, s, &dead);
	}
	pthread_mutex_unlock(&s->lock);
	if (!current)
		item_destroy(item);
	bury(&dead);
	return current;
}

bool local_replace(struct local *l, struct str key, const uint64_t *token, struct blob *value, int64_t expires_us)
{
	uint64_t hash = hash_bytes(&l->seed, key);
	struct shard *s = shard_of(l, hash);
	struct item_list dead = TAILQ_HEAD_INITIALIZER(dead);
	struct item *item = make_item(l, hash, key, value, expires_us);
	bool stored;

	pthread_mutex_lock(&s->lock);
	stored = item && (!token || *token == token_of(s, hash));
	remove_item(s, find_item(s, hash, key), &dead);
	++*stripe_of(s, hash);
	if (stored) {
		add_item(s, item);
		evict(l, s, &dead);
	}
	atomic_fetch_add(&l->epoch, 1);
	pthread_mutex_unlock(&s->lock);
	if (!stored)
		item_destroy(item);
	bury(&dead);
	return stored;
}

bool local_attach(struct local *l, struct str key, struct str variant, bool shared, const struct blob *value, struct cache_object *object)
{
	uint64_t hash = hash_bytes(&l->seed, key);
	struct shard *s = shard_of(l, hash);
	struct item_list dead = TAILQ_HEAD_INITIALIZER(dead);
	struct variant *v = variant_create(shared ? (struct str){ NULL, 0 } : variant, object), *dead_variants = NULL;
	struct item *item;
	bool kept = false;

	if (!v)
		return false;
	pthread_mutex_lock(&s->lock);
	item = *find_item(s, hash, key);
	if (item && item->value == value) {
		s->bytes -= item->bytes;
		kept = item_add_variant(item, v, shared, l->max_bytes, &dead_variants);
		s->bytes += item->bytes;
		touch(s, item);
		evict(l, s, &dead);
	} else {
		dead_variants = v;
	}
	pthread_mutex_unlock(&s->lock);
	variants_destroy(dead_variants);
	bury(&dead);
	return kept;
}

uint64_t local_delete(struct local *l, struct str key)
{
	uint64_t hash = hash_bytes(&l->seed, key), token;
	struct shard *s = shard_of(l, hash);
	struct item_list dead = TAILQ_HEAD_INITIALIZER(dead);

	pthread_mutex_lock(&s->lock);
	remove_item(s, find_item(s, hash, key), &dead);
	++*stripe_of(s, hash);
	token = token_of(s, hash);
	atomic_fetch_add(&l->epoch, 1);
	pthread_mutex_unlock(&s->lock);
	bury(&dead);
	return token;
}

static void empty_shard(struct shard *s)
{
	struct item_list dead = TAILQ_HEAD_INITIALIZER(dead);

	pthread_mutex_lock(&s->lock);
	TAILQ_CONCAT(&dead, &s->by_use, used);
	memset(s->buckets, 0, s->n_buckets * sizeof(struct item *));
	s->n_items = 0;
	s->bytes = 0;
	s->emptied++;
	pthread_mutex_unlock(&s->lock);
	bury(&dead);
}

void local_empty(struct local *l)
{
	for (size_t i = 0; i < l->n_shards; i++)
		empty_shard(&l->shards[i]);
	atomic_fetch_add(&l->epoch, 1);
}

uint64_t local_epoch(const struct local *l)
{
	return atomic_load_explicit(&l->epoch, memory_order_acquire);
}

void local_measure(struct local *l, size_t *ret_entries, size_t *ret_bytes)
{
	*ret_entries = *ret_bytes = 0;
	for (size_t i = 0; i < l->n_shards; i++) {
		struct shard *s = &l->shards[i];

		pthread_mutex_lock(&s->lock);
		*ret_entries += s->n_items;
		*ret_bytes += s->bytes;
		pthread_mutex_unlock(&s->lock);
	}
}
