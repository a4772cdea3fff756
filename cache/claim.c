/*
 * The memory is asked first and told always: so two threads of a process are judged there, whatever Redis does meanwhile, and what was
 * claimed before an outage is still claimed in it. Redis then judges between processes. The memory knows keys and holders by their
 * digests, so that it has a fixed size.
 */
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cache/cache_impl.h"
#include "cache/claim_impl.h"

#define KEY_PREFIX "egoejo:t1:"
#define KEY_BYTES  200

static const char release_script[] = "if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end return 0";

/* ---- in memory ---- */

struct digest {
	unsigned char bytes[SHA256_DIGEST_LENGTH];
};

struct entry {
	struct digest key, holder;
	int64_t until_us; /* monotonic; 0: free */
};

struct claims {
	pthread_mutex_t lock;
	struct entry entries[CLAIMS_MAX];
};

struct claims *claims_create(void)
{
	struct claims *claims = mem_alloc(sizeof(*claims));

	if (claims)
		pthread_mutex_init(&claims->lock, NULL);
	return claims;
}

void claims_destroy(struct claims *claims)
{
	if (!claims)
		return;
	pthread_mutex_destroy(&claims->lock);
	free(claims);
}

static struct digest digest_of(struct str text)
{
	struct digest d;

	SHA256((const unsigned char *)(text.s ? text.s : ""), text.len, d.bytes);
	return d;
}

static bool is_same(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* The entry of the key; without one NULL, and *ret_room is the one that ends first, a free one if there is any. */
static struct entry *find(struct claims *claims, const struct digest *key, struct entry **ret_room)
{
	*ret_room = claims->entries;
	for (size_t i = 0; i < CLAIMS_MAX; i++) {
		struct entry *e = &claims->entries[i];

		if (e->until_us && is_same(&e->key, key))
			return e;
		if (e->until_us < (*ret_room)->until_us)
			*ret_room = e;
	}
	return NULL;
}

bool claims_take(struct claims *claims, struct str key_text, struct str holder_text, int64_t now_us, int64_t until_us)
{
	struct entry fresh = { digest_of(key_text), digest_of(holder_text), until_us };
	struct entry *room, *e;
	bool taken;

	pthread_mutex_lock(&claims->lock);
	e = find(claims, &fresh.key, &room);
	taken = !e || e->until_us <= now_us || is_same(&e->holder, &fresh.holder);
	if (taken)
		*(e ? e : room) = fresh;
	pthread_mutex_unlock(&claims->lock);
	return taken;
}

void claims_release(struct claims *claims, struct str key_text, struct str holder_text)
{
	struct digest key = digest_of(key_text), holder = digest_of(holder_text);
	struct entry *room, *e;

	pthread_mutex_lock(&claims->lock);
	e = find(claims, &key, &room);
	if (e && is_same(&e->holder, &holder))
		*e = (struct entry){ .until_us = 0 };
	pthread_mutex_unlock(&claims->lock);
}

/* ---- in Redis ---- */

struct name {
	char text[sizeof(KEY_PREFIX) + KEY_BYTES];
	struct str s;
};

static void name_of(struct str key, struct name *n)
{
	struct digest d;
	size_t len = sizeof(KEY_PREFIX) - 1;

	memcpy(n->text, KEY_PREFIX, len);
	if (key.len <= KEY_BYTES) {
		memcpy(n->text + len, key.s, key.len);
		n->s = (struct str){ n->text, len + key.len };
		return;
	}
	d = digest_of(key);
	for (size_t i = 0; i < sizeof(d.bytes); i++)
		snprintf(n->text + len + 2 * i, 3, "%02x", d.bytes[i]);
	n->s = str_of(n->text);
}

static int read_answer(struct redis_reply *const *replies, struct str holder)
{
	if (redis_reply_type(replies[0]) == REDIS_REPLY_IS_ERROR)
		return ERR_UNAVAILABLE;
	return redis_reply_type(replies[0]) == REDIS_REPLY_IS_STATUS || str_equal(redis_reply_text(replies[1]), holder);
}

/* 1: the holder has it; 0: another one; negative: Redis does not say. */
static int take_in_redis(struct cache *c, struct str key, struct str holder, int64_t ttl_s)
{
	struct redis_reply *replies[2] = { NULL };
	struct name name;
	char ttl[24];
	int r;

	name_of(key, &name);
	snprintf(ttl, sizeof(ttl), "%" PRId64, ttl_s);
	const struct redis_command commands[] = {
		REDIS_COMMAND(STR("SET"), name.s, holder, STR("NX"), STR("EX"), str_of(ttl)),
		REDIS_COMMAND(STR("GET"), name.s),
	};

	r = redis_call(c->redis, REDIS_CACHE, NULL, "claim", commands, N_ELEMENTS(commands), replies);
	if (r == 0)
		r = read_answer(replies, holder);
	redis_replies_free(replies, N_ELEMENTS(commands));
	return r;
}

bool cache_claim(struct cache *c, struct str key, struct str holder, int64_t ttl_s)
{
	int64_t now_us = clock_monotonic_us();
	int r = 1;

	if (!claims_take(c->claims, key, holder, now_us, now_us + ttl_s * US_PER_S))
		return false;
	if (c->shared)
		r = take_in_redis(c, key, holder, ttl_s);
	if (r < 0)
		redis_report_fallback(c->redis, REDIS_CACHE, LOG_WARNING, "cache.fallback", "claim", "key", key);
	if (r == 0)
		claims_release(c->claims, key, holder);
	return r != 0;
}

void cache_claim_release(struct cache *c, struct str key, struct str holder)
{
	struct redis_reply *reply = NULL;
	struct name name;

	claims_release(c->claims, key, holder);
	if (!c->shared)
		return;
	name_of(key, &name);
	const struct redis_command command = REDIS_COMMAND(STR("EVAL"), str_of(release_script), STR("1"), name.s, holder);

	if (redis_call(c->redis, REDIS_CACHE, NULL, "claim", &command, 1, &reply) < 0)
		redis_report_fallback(c->redis, REDIS_CACHE, LOG_WARNING, "cache.fallback", "claim", "key", key);
	redis_replies_free(&reply, 1);
}
