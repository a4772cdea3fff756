/*
 * Level 2: values in Redis DB 1, shared by all processes. Names: egoejo:c1:<key> holds the bytes, egoejo:c1:gen:<key>
 * the key's generation, the time of its last change in microseconds as text. Any thread; nothing waits longer than the
 * budget, and every failure is reported as a fallback.
 */
#ifndef CACHE_LEVEL2_IMPL_H
#define CACHE_LEVEL2_IMPL_H

#include "cache/cache_impl.h"

#define LEVEL2_PREFIX          "egoejo:c1:"
#define LEVEL2_GENERATION      "gen:" /* after the prefix; no key of a caller begins so */
#define LEVEL2_MAX_KEY         200
#define LEVEL2_GENERATION_SIZE 24

/*
 * A generation outlives any load that has read it, so that a load never finds it gone and made anew by chance. A load
 * that took longer than half of this stores nothing.
 */
#define LEVEL2_GENERATION_TTL_S "3600"
#define LEVEL2_LOAD_LIMIT_US    (1800 * US_PER_S)

/* The names of a key, with views of them. */
struct level2_names {
	struct str value, generation;
	char text[sizeof(LEVEL2_PREFIX LEVEL2_GENERATION) + LEVEL2_MAX_KEY];
	char generation_text[sizeof(LEVEL2_PREFIX LEVEL2_GENERATION) + LEVEL2_MAX_KEY];
};
void level2_name(struct level2_names *ret_names, struct str key);

/* A time for a generation: now, but later than any before it in this process. */
struct str level2_stamp(struct cache *, char ret_text[LEVEL2_GENERATION_SIZE]);

struct level2_found {
	struct blob *value;                      /* the caller's reference; NULL: none there, or Redis is down */
	int64_t expires_us;                      /* > 0: it is in level 1 until then */
	char generation[LEVEL2_GENERATION_SIZE]; /* to store under; "": do not store (down, or in doubt) */
};

/*
 * Looks a key up and keeps what is there in level 1, if the token is still the key's. to_load: the caller will load what
 * is not there, and needs a generation to store it under; without one in Redis it is made.
 */
void level2_find(struct cache *, struct redis_budget *, struct str key, uint64_t token, bool to_load, struct level2_found *ret_found);

/*
 * Stores what was loaded since level2_find gave the generation. False only when the key has changed since: then the
 * value must not be kept anywhere. (A Redis that is down is no reason not to keep it in memory.)
 */
bool level2_store(struct cache *, struct redis_budget *, struct str key, const char *generation, struct blob *value, int64_t ttl_s);

/*
 * Reads the generation of a key, making one when there is none: of a list (generation.c). 0, or an error: none is known.
 */
int level2_generation(struct cache *, struct redis_budget *, struct str key, char ret_generation[LEVEL2_GENERATION_SIZE]);

/* Sets or deletes, with a new generation; 0 or an error. On an error it may or may not have happened. */
int level2_set(struct cache *, struct redis_budget *, struct str key, struct str value, int64_t ttl_s);
int level2_delete(struct cache *, struct redis_budget *, struct str key);

/* Counts and logs that the memory served (resilience.md 2.8). */
void level2_report(struct cache *, const char *op, struct str key);

#endif
