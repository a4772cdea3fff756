/*
 * Design: a value that was computed from rows read before a change must not be stored after it, whoever made the change.
 *
 * A deletion (after the commit of the change) writes, in this order on one connection, a new generation and then unlinks
 * the value. A load reads value and generation together; without a value it takes that generation, reads its rows, and
 * stores by one script, atomic in Redis, that compares the generation first.
 *
 *   load stored before the deletion's SET    the UNLINK that follows removes it
 *   … between SET and UNLINK, or after       the generation differs: refused
 *   deletion committed before the load began the rows it read were the new ones, whatever it found
 *
 * A generation that is missing would make "still what it was" true by chance: read as missing, written by a deletion, and
 * gone again (expired, FLUSHALL, Redis restarted empty) by the time of the store. So missing never matches: the load
 * that finds none writes one (SET NX: the first of several wins, all use his) before it reads its rows, and the script
 * refuses when the key is not there. It expires after an hour, far beyond any load; a load older than half of that does
 * not store. Two deletions within one microsecond cannot share a generation: a process never gives the same time
 * twice, and for two processes the load would have to fall between two writes of the same microsecond.
 * A Redis that comes back with an older state (a snapshot) brings back older generations and values alike; it has
 * another run id, and then everything of ours is deleted (repair.c).
 *
 * In memory the token does the same within a process: taken before all of this, given to local_store. What another
 * process deletes arrives as an invalidation of the generation's name (the value may not have been there, and then
 * its UNLINK announces nothing) and changes the token (tracking.c). NOLOOP spares us our own writes, so after our own
 * change the key is deleted in level 1 a second time when Redis has answered: somebody may have read the old
 * value from Redis meanwhile. Exception, seen on 7.0: what a script writes is announced to its sender too. So level 1
 * loses what a load has just stored, once, and the next reader takes it from Redis again.
 *
 * PTTL is asked before the value: when the value changes in between, level 1 gets too short a life rather than too long.
 */
#include "cache/level2_impl.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "cache/outage_impl.h"
#include "cache/tracking_impl.h"

#define NO_EXPIRY (-1) /* PTTL's answer for a key that somebody stored without one */

static const char store_script[] = "if redis.call('GET',KEYS[2])~=ARGV[1] then return 0 end "
                                   "redis.call('SET',KEYS[1],ARGV[3],'PX',ARGV[2]) return 1";

#define WORD(literal) ((struct str)STR(literal))

void level2_name(struct level2_names *n, struct str key)
{
	n->value.len = (size_t)snprintf(n->text, sizeof(n->text), LEVEL2_PREFIX "%.*s", STR_ARG(key));
	n->value.s = n->text;
	n->generation.len =
	        (size_t)snprintf(n->generation_text, sizeof(n->generation_text), LEVEL2_PREFIX LEVEL2_GENERATION "%.*s", STR_ARG(key));
	n->generation.s = n->generation_text;
}

struct str level2_stamp(struct cache *c, char ret_text[LEVEL2_GENERATION_SIZE])
{
	int64_t last = atomic_load(&c->last_stamp), now;

	do
		now = clock_now().us > last ? clock_now().us : last + 1;
	while (!atomic_compare_exchange_weak(&c->last_stamp, &last, now));
	return (struct str){ ret_text, (size_t)snprintf(ret_text, LEVEL2_GENERATION_SIZE, "%" PRId64, now) };
}

void level2_report(struct cache *c, const char *op, struct str key)
{
	redis_report_fallback(c->redis, REDIS_CACHE, LOG_WARNING, "cache.fallback", op, "key", key);
}

static void copy_generation(char ret_generation[LEVEL2_GENERATION_SIZE], const struct redis_reply *reply)
{
	struct str text = redis_reply_text(reply);

	*ret_generation = '\0';
	if (redis_reply_type(reply) == REDIS_REPLY_IS_TEXT && text.len < LEVEL2_GENERATION_SIZE) {
		memcpy(ret_generation, text.s, text.len);
		ret_generation[text.len] = '\0';
	}
}

/* The time to live that level 1 may give, from PTTL's answer. */
static int64_t lifetime_us(const struct redis_reply *pttl)
{
	int64_t ms = redis_reply_int(pttl);

	if (redis_reply_type(pttl) == REDIS_REPLY_IS_INT && ms == NO_EXPIRY)
		return CACHE_DEFAULT_TTL_S * US_PER_S;
	return ms > 0 ? ms * US_PER_MS : 0;
}

static int read_value(struct cache *c, struct redis_budget *budget, struct str key, struct level2_found *ret_found,
                      int64_t *ret_lifetime_us)
{
	struct level2_names n;
	struct redis_reply *replies[2] = { NULL };
	const struct redis_reply *value;
	int r;

	level2_name(&n, key);
	const struct redis_command commands[] = { REDIS_COMMAND(WORD("PTTL"), n.value),
		                                  REDIS_COMMAND(WORD("MGET"), n.value, n.generation) };

	r = redis_call(c->redis, REDIS_CACHE, budget, "get", commands, 2, replies);
	if (r < 0)
		return r;
	if (redis_reply_size(replies[1]) == 2) {
		value = redis_reply_at(replies[1], 0);
		if (redis_reply_type(value) == REDIS_REPLY_IS_TEXT)
			ret_found->value = blob_create(redis_reply_text(value).s, redis_reply_text(value).len);
		copy_generation(ret_found->generation, redis_reply_at(replies[1], 1));
		*ret_lifetime_us = lifetime_us(replies[0]);
	} else {
		r = ERR_UNAVAILABLE; /* refused to answer: the reason is known to the core */
	}
	redis_replies_free(replies, 2);
	return r;
}

/* Writes a generation if there is none, and reads whose it is. */
static int make_generation(struct cache *c, struct redis_budget *budget, struct str key, char ret_generation[LEVEL2_GENERATION_SIZE])
{
	struct level2_names n;
	struct redis_reply *replies[2] = { NULL };
	char stamp[LEVEL2_GENERATION_SIZE];
	struct str now = level2_stamp(c, stamp);
	int r;

	level2_name(&n, key);
	const struct redis_command commands[] = {
		REDIS_COMMAND(WORD("SET"), n.generation, now, WORD("NX"), WORD("EX"), WORD(LEVEL2_GENERATION_TTL_S)),
		REDIS_COMMAND(WORD("GET"), n.generation),
	};

	r = tracking_call(c->tracking, budget, "generation", commands, 2, replies);
	if (r == 0)
		copy_generation(ret_generation, replies[1]);
	redis_replies_free(replies, 2);
	return r;
}

int level2_generation(struct cache *c, struct redis_budget *budget, struct str key, char ret_generation[LEVEL2_GENERATION_SIZE])
{
	struct level2_names n;
	struct redis_reply *reply = NULL;
	int r;

	*ret_generation = '\0';
	if (outage_holds(c->outage, key))
		return ERR_UNAVAILABLE; /* what Redis has is older than our last change */
	level2_name(&n, key);
	r = redis_call(c->redis, REDIS_CACHE, budget, "get", &REDIS_COMMAND(WORD("GET"), n.generation), 1, &reply);
	if (r == 0)
		copy_generation(ret_generation, reply);
	redis_replies_free(&reply, 1);
	if (r == 0 && !*ret_generation)
		r = make_generation(c, budget, key, ret_generation);
	if (r == 0 && !*ret_generation)
		r = ERR_UNAVAILABLE;
	if (r < 0)
		level2_report(c, "get", key);
	return r;
}

void level2_find(struct cache *c, struct redis_budget *budget, struct str key, uint64_t token, bool to_load, struct level2_found *ret_found)
{
	int64_t lifetime = 0, expires_us;

	*ret_found = (struct level2_found){ 0 };
	if (outage_holds(c->outage, key))
		return; /* what Redis has is not to be believed yet */
	if (read_value(c, budget, key, ret_found, &lifetime) < 0) {
		level2_report(c, "get", key);
		return;
	}
	metric_add(ret_found->value ? c->hits[BACKEND_REDIS] : c->misses[BACKEND_REDIS], 1);
	if (to_load && !ret_found->value && !*ret_found->generation && make_generation(c, budget, key, ret_found->generation) < 0)
		level2_report(c, "get", key);
	if (!ret_found->value || lifetime <= 0)
		return;
	expires_us = cache_local_expiry_us(c, lifetime);
	if (local_store(c->local, key, token, ret_found->value, expires_us))
		ret_found->expires_us = expires_us;
}

bool level2_store(struct cache *c, struct redis_budget *budget, struct str key, const char *generation, struct blob *value, int64_t ttl_s)
{
	struct level2_names n;
	struct redis_reply *reply = NULL;
	char ttl_ms[24];
	struct str ttl = { ttl_ms, (size_t)snprintf(ttl_ms, sizeof(ttl_ms), "%" PRId64, ttl_s * 1000) };
	bool refused = false;
	int r;

	level2_name(&n, key);
	const struct redis_command command = REDIS_COMMAND(WORD("EVAL"), str_of(store_script), WORD("2"), n.value, n.generation,
	                                                   str_of(generation), ttl, blob_view(value));

	r = tracking_call(c->tracking, budget, "set", &command, 1, &reply);
	if (r == 0 && redis_reply_type(reply) == REDIS_REPLY_IS_INT)
		refused = redis_reply_int(reply) == 0;
	else
		level2_report(c, "set", key);
	redis_replies_free(&reply, 1);
	return !refused;
}

/* A new generation and then the change itself, over the link, so that we are not told of our own change. */
static int change(struct cache *c, struct redis_budget *budget, const char *op, const struct level2_names *n,
                  const struct redis_command *second)
{
	struct redis_reply *replies[2] = { NULL };
	char stamp[LEVEL2_GENERATION_SIZE];
	const struct redis_command commands[] = {
		REDIS_COMMAND(WORD("SET"), n->generation, level2_stamp(c, stamp), WORD("EX"), WORD(LEVEL2_GENERATION_TTL_S)),
		*second,
	};
	int r = tracking_call(c->tracking, budget, op, commands, 2, replies);

	for (int i = 0; i < 2 && r == 0; i++)
		if (redis_reply_type(replies[i]) == REDIS_REPLY_IS_ERROR)
			r = ERR_UNAVAILABLE;
	redis_replies_free(replies, 2);
	return r;
}

int level2_set(struct cache *c, struct redis_budget *budget, struct str key, struct str value, int64_t ttl_s)
{
	struct level2_names n;
	char ttl_ms[24];
	struct str ttl = { ttl_ms, (size_t)snprintf(ttl_ms, sizeof(ttl_ms), "%" PRId64, ttl_s * 1000) };

	level2_name(&n, key);
	return change(c, budget, "set", &n, &REDIS_COMMAND(WORD("SET"), n.value, value, WORD("PX"), ttl));
}

int level2_delete(struct cache *c, struct redis_budget *budget, struct str key)
{
	struct level2_names n;

	level2_name(&n, key);
	return change(c, budget, "delete", &n, &REDIS_COMMAND(WORD("UNLINK"), n.value));
}
