/*
 * Design: shards by hash, each with its lock, a table of chains and a list by last use. A log is a ring of times that grows
 * with what its rate lets happen, up to N. The hash is keyed, because addresses and names are the clients' to choose.
 *
 * Forgetting: a log that says nothing any more (its period is over) is dropped when a new one comes to the shard; at the
 * shard's share of bytes or identities the ones not used for longest go, whatever they say.
 *
 * Logs with untold times stand in their shard's list of news, so that who tells Redis finds them without looking at the
 * others. Whatever may change a ring's number of untold times is followed by `file_news`.
 */
#include "cache/sliding_impl.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "cache/hash_impl.h"
#include "cache/ring_impl.h"

#define SHARDS             16
#define DEFAULT_BYTES      ((size_t)32 << 20)
#define DEFAULT_IDENTITIES 100000
#define BUCKETS            2048 /* of a shard; chains of a few at the default limit */
#define DROPPED_AT_ONCE    2    /* finished logs that make way for a new one: more than come, so that they never gather */

struct log {
	TAILQ_ENTRY(log) by_use; /* used last, last */
	TAILQ_ENTRY(log) news;   /* while has_news */
	struct log *next;        /* in the bucket */
	enum throttle_scope scope;
	bool has_news;
	int64_t blocked_until_us; /* 0: not */
	struct ring ring;
	size_t len;
	char ident[];
};

TAILQ_HEAD(log_list, log);

struct shard {
	pthread_mutex_t lock;
	struct log_list by_use, news;
	size_t n, bytes;
	struct log *buckets[BUCKETS];
} __attribute__((aligned(64))); /* two locks on one cache line would slow each other */

struct sliding {
	struct hash_seed seed;
	struct setting_rate rates[THROTTLE_SCOPES];
	size_t max_bytes, max_identities; /* of a shard */
	size_t next_shard;                /* where sliding_collect goes on */
	struct shard *shards;
};

struct sliding *sliding_create(const struct throttle_config *config)
{
	struct sliding *s = mem_alloc(sizeof(*s));

	if (!s)
		return NULL;
	memcpy(s->rates, config->rates, sizeof(s->rates));
	s->max_bytes = (config->max_bytes ? config->max_bytes : DEFAULT_BYTES) / SHARDS;
	s->max_identities = ((config->max_identities ? config->max_identities : DEFAULT_IDENTITIES) + SHARDS - 1) / SHARDS;
	hash_seed_init(&s->seed);
	s->shards = aligned_alloc(_Alignof(struct shard), SHARDS * sizeof(*s->shards));
	if (!s->shards) {
		free(s);
		return NULL;
	}
	memset(s->shards, 0, SHARDS * sizeof(*s->shards));
	for (int i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&s->shards[i].lock, NULL);
		TAILQ_INIT(&s->shards[i].by_use);
		TAILQ_INIT(&s->shards[i].news);
	}
	return s;
}

/* ---- a log; its shard's lock held ---- */

static size_t weight(const struct log *log)
{
	return sizeof(*log) + log->len + log->ring.capacity * sizeof(*log->ring.entries);
}

static void file_news(struct shard *shard, struct log *log)
{
	if (log->has_news == (log->ring.n_untold > 0))
		return;
	log->has_news = !log->has_news;
	if (log->has_news)
		TAILQ_INSERT_TAIL(&shard->news, log, news);
	else
		TAILQ_REMOVE(&shard->news, log, news);
}

/* Drops what is older than the period. */
static void expire(struct shard *shard, struct log *log, const struct setting_rate *rate, int64_t now_us)
{
	ring_expire(&log->ring, now_us - rate->period_us);
	file_news(shard, log);
}

/* How long until a call may be accepted; 0: now. */
static int64_t log_wait(const struct log *log, const struct setting_rate *rate, int64_t now_us)
{
	int64_t wait = log->blocked_until_us - now_us, oldest;

	if ((int64_t)log->ring.n >= rate->calls) {
		oldest = log->ring.n ? ring_time(&log->ring, 0) + rate->period_us - now_us : rate->period_us;
		wait = oldest > wait ? oldest : wait;
	}
	return wait > 0 ? wait : 0;
}

/* ---- a shard; its lock held ---- */

static struct str ident_of(const struct throttle_claim *claim)
{
	struct str ident = claim->ident;

	if (ident.len > THROTTLE_MAX_IDENT)
		ident.len = THROTTLE_MAX_IDENT;
	return ident;
}

static struct log **find(struct shard *shard, uint64_t hash, const struct throttle_claim *claim)
{
	struct log **at = &shard->buckets[hash / SHARDS % BUCKETS];
	struct str ident = ident_of(claim);

	while (*at && ((*at)->scope != claim->scope || (*at)->len != ident.len || memcmp((*at)->ident, ident.s, ident.len) != 0))
		at = &(*at)->next;
	return at;
}

static uint64_t hash_of(const struct sliding *s, const struct throttle_claim *claim)
{
	struct hash_seed seed = s->seed;

	seed.k0 ^= (uint64_t)claim->scope;
	return hash_bytes(&seed, ident_of(claim));
}

static void forget(struct sliding *s, struct shard *shard, struct log *log)
{
	const struct throttle_claim claim = { log->scope, { log->ident, log->len } };
	struct log **at = find(shard, hash_of(s, &claim), &claim);

	*at = log->next;
	if (log->has_news)
		TAILQ_REMOVE(&shard->news, log, news);
	TAILQ_REMOVE(&shard->by_use, log, by_use);
	shard->n--;
	shard->bytes -= weight(log);
	ring_finish(&log->ring);
	free(log);
}

/* Whether a log says nothing any more. */
static bool is_finished(struct sliding *s, struct shard *shard, struct log *log, int64_t now_us)
{
	expire(shard, log, &s->rates[log->scope], now_us);
	return log->ring.n == 0 && log->blocked_until_us <= now_us;
}

static void make_room(struct sliding *s, struct shard *shard, const struct log *kept, int64_t now_us)
{
	struct log *oldest;

	for (int i = 0; i < DROPPED_AT_ONCE; i++) {
		oldest = TAILQ_FIRST(&shard->by_use);
		if (!oldest || oldest == kept || !is_finished(s, shard, oldest, now_us))
			break;
		forget(s, shard, oldest);
	}
	while ((oldest = TAILQ_FIRST(&shard->by_use)) && oldest != kept && (shard->n > s->max_identities || shard->bytes > s->max_bytes))
		forget(s, shard, oldest);
}

static struct log *add(struct shard *shard, uint64_t hash, const struct throttle_claim *claim)
{
	struct str ident = ident_of(claim);
	struct log *log = mem_alloc(sizeof(*log) + ident.len);
	struct log **bucket = &shard->buckets[hash / SHARDS % BUCKETS];

	if (!log)
		return NULL;
	log->scope = claim->scope;
	log->len = ident.len;
	if (ident.len)
		memcpy(log->ident, ident.s, ident.len);
	log->next = *bucket;
	*bucket = log;
	TAILQ_INSERT_TAIL(&shard->by_use, log, by_use);
	shard->n++;
	shard->bytes += weight(log);
	return log;
}

/* The log, made if need be and used now; NULL without memory. */
static struct log *use(struct sliding *s, struct shard *shard, uint64_t hash, const struct throttle_claim *claim, int64_t now_us)
{
	struct log *log = *find(shard, hash, claim);

	if (log) {
		TAILQ_REMOVE(&shard->by_use, log, by_use);
		TAILQ_INSERT_TAIL(&shard->by_use, log, by_use);
		expire(shard, log, &s->rates[claim->scope], now_us);
		return log;
	}
	log = add(shard, hash, claim);
	if (log)
		make_room(s, shard, log, now_us);
	return log;
}

/* Writes an accepted call down; its time, 0 without memory. */
static int64_t note(struct sliding *s, struct shard *shard, struct log *log, int64_t now_us, bool untold)
{
	size_t before = weight(log);
	int64_t time_us = ring_push(&log->ring, now_us, untold);

	file_news(shard, log);
	shard->bytes += weight(log) - before;
	if (shard->bytes > s->max_bytes)
		make_room(s, shard, log, now_us);
	return time_us;
}

/* ---- the functions of the header ---- */

void sliding_destroy(struct sliding *s)
{
	if (!s)
		return;
	for (int i = 0; i < SHARDS; i++) {
		struct shard *shard = &s->shards[i];

		while (!TAILQ_EMPTY(&shard->by_use))
			forget(s, shard, TAILQ_FIRST(&shard->by_use));
		pthread_mutex_destroy(&shard->lock);
	}
	free(s->shards);
	free(s);
}

static struct shard *lock_shard(struct sliding *s, uint64_t hash)
{
	struct shard *shard = &s->shards[hash % SHARDS];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

/* The shard, locked, and the log of a claim if there is one. */
static struct shard *lock_log(struct sliding *s, const struct throttle_claim *claim, struct log **ret_log)
{
	uint64_t hash = hash_of(s, claim);
	struct shard *shard = lock_shard(s, hash);

	*ret_log = *find(shard, hash, claim);
	return shard;
}

int64_t sliding_take(struct sliding *s, const struct throttle_claim *claim, int64_t now_us, bool untold, int64_t *ret_time_us)
{
	uint64_t hash = hash_of(s, claim);
	struct shard *shard = lock_shard(s, hash);
	struct log *log = use(s, shard, hash, claim, now_us);
	int64_t wait = log ? log_wait(log, &s->rates[claim->scope], now_us) : 0;

	*ret_time_us = log && !wait ? note(s, shard, log, now_us, untold) : 0;
	pthread_mutex_unlock(&shard->lock);
	return wait;
}

int64_t sliding_wait(struct sliding *s, const struct throttle_claim *claim, int64_t now_us)
{
	const struct setting_rate *rate = &s->rates[claim->scope];
	struct log *log;
	struct shard *shard = lock_log(s, claim, &log);
	int64_t wait = rate->calls ? 0 : rate->period_us;

	if (log) {
		expire(shard, log, rate, now_us);
		wait = log_wait(log, rate, now_us);
	}
	pthread_mutex_unlock(&shard->lock);
	return wait;
}

void sliding_undo(struct sliding *s, const struct throttle_claim *claim, int64_t time_us)
{
	struct log *log;
	struct shard *shard = lock_log(s, claim, &log);
	size_t i = log ? ring_find(&log->ring, time_us) : 0;

	if (log && i < log->ring.n) {
		ring_remove(&log->ring, i);
		file_news(shard, log);
	}
	pthread_mutex_unlock(&shard->lock);
}

void sliding_set_untold(struct sliding *s, const struct throttle_claim *claim, int64_t time_us)
{
	struct log *log;
	struct shard *shard = lock_log(s, claim, &log);
	size_t i = log ? ring_find(&log->ring, time_us) : 0;

	if (log && i < log->ring.n) {
		ring_set_untold(&log->ring, i, true);
		file_news(shard, log);
	}
	pthread_mutex_unlock(&shard->lock);
}

void sliding_block(struct sliding *s, const struct throttle_claim *claim, int64_t until_us)
{
	struct log *log;
	struct shard *shard = lock_log(s, claim, &log);

	if (log)
		log->blocked_until_us = until_us;
	pthread_mutex_unlock(&shard->lock);
}

/* ---- news ---- */

static void copy_news(const struct log *log, struct sliding_news *news)
{
	memcpy(news->ident_text, log->ident, log->len);
	news->claim = (struct throttle_claim){ log->scope, { news->ident_text, log->len } };
	news->n = 0;
	for (size_t i = 0; i < log->ring.n && news->n < SLIDING_NEWS_TIMES; i++)
		if (ring_is_untold(&log->ring, i))
			news->times[news->n++] = ring_time(&log->ring, i);
}

/* Goes on with the shard after the last one of the time before, so that a busy shard does not silence the others. */
size_t sliding_collect(struct sliding *s, int64_t now_us, struct sliding_news *ret_news, size_t n)
{
	size_t found = 0;

	for (int i = 0; i < SHARDS && found < n; i++) {
		struct shard *shard = &s->shards[s->next_shard++ % SHARDS];
		struct log *log, *next;

		pthread_mutex_lock(&shard->lock);
		for (log = TAILQ_FIRST(&shard->news); log && found < n; log = next) {
			next = TAILQ_NEXT(log, news);
			expire(shard, log, &s->rates[log->scope], now_us);
			if (log->has_news)
				copy_news(log, &ret_news[found++]);
		}
		pthread_mutex_unlock(&shard->lock);
	}
	return found;
}

void sliding_set_told(struct sliding *s, const struct sliding_news *news)
{
	struct log *log;
	struct shard *shard = lock_log(s, &news->claim, &log);
	size_t k = 0;

	for (size_t i = 0; log && i < log->ring.n && k < news->n; i++) {
		while (k < news->n && news->times[k] < ring_time(&log->ring, i))
			k++;
		if (k < news->n && news->times[k] == ring_time(&log->ring, i))
			ring_set_untold(&log->ring, i, false);
	}
	if (log)
		file_news(shard, log);
	pthread_mutex_unlock(&shard->lock);
}

void sliding_measure(struct sliding *s, struct throttle_stats *ret_stats)
{
	*ret_stats = (struct throttle_stats){ 0 };
	for (int i = 0; i < SHARDS; i++) {
		struct shard *shard = &s->shards[i];
		const struct log *log;

		pthread_mutex_lock(&shard->lock);
		ret_stats->identities += shard->n;
		ret_stats->bytes += shard->bytes;
		TAILQ_FOREACH(log, &shard->news, news)
		ret_stats->untold += log->ring.n_untold;
		pthread_mutex_unlock(&shard->lock);
	}
}
