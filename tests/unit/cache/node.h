/*
 * A node: what one process has (a Redis core, a cache, a front), so that a test with two of them is two processes; and
 * an outsider who talks to the server directly.
 */
#ifndef TESTS_UNIT_CACHE_NODE_H
#define TESTS_UNIT_CACHE_NODE_H

#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "base/log.h"
#include "cache/cache_impl.h"
#include "tests/lib/server.h"
#include "tests/unit/cache/fixture.h"

/* Polls until the condition holds; fails the test after 15 s of real time. */
#define EVENTUALLY(condition)                                               \
	do {                                                                \
		struct timespec until_, now_;                               \
		clock_gettime(CLOCK_MONOTONIC, &until_);                    \
		while (!(condition)) {                                      \
			clock_gettime(CLOCK_MONOTONIC, &now_);              \
			if (now_.tv_sec - until_.tv_sec > 15)               \
				fail_msg("never happened: %s", #condition); \
			poll(NULL, 0, 2);                                   \
		}                                                           \
	} while (0)

struct node {
	struct redis *redis;
	struct cache *cache;
	struct cache_front *front;
	struct source source;
};

/* Outages are what these tests are about: their log lines would only hide the results. Once, before there are threads. */
static inline void quiet_log(void)
{
	static bool done;

	if (!done)
		log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO);
	done = true;
}

static inline struct redis *core_create(int port)
{
	struct redis_config config = {
		.connect_timeout_us = 500 * US_PER_MS, .command_timeout_us = 250 * US_PER_MS, .retry_us = 100 * US_PER_MS, .pool_size = 4
	};
	char url[64], warning[200];
	struct error err;
	struct redis *redis;

	quiet_log();
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d/1", port);
	assert_int_equal(redis_config_from_urls(NULL, NULL, url, NULL, &config, warning, &err), 0);
	redis = redis_create(&config);
	assert_non_null(redis);
	return redis;
}

/* Started, but for what would hear the others. */
static inline void node_start_deaf(struct node *n, int port)
{
	struct cache_config config = { .max_bytes = 8 << 20, .max_entries = 1000 };
	struct error err;

	*n = (struct node){ .source.text = "v1" };
	n->redis = config.redis = core_create(port);
	n->cache = cache_create(&config);
	assert_non_null(n->cache);
	assert_int_equal(redis_start(n->redis, &err), 0);
	n->front = cache_front_create(n->cache);
	assert_non_null(n->front);
}

static inline void node_start(struct node *n, int port)
{
	struct error err;

	node_start_deaf(n, port);
	assert_int_equal(cache_start(n->cache, &err), 0);
}

static inline void node_stop(struct node *n)
{
	cache_front_destroy(n->front);
	cache_destroy(n->cache);
	redis_destroy(n->redis);
}

static inline bool node_tracks(struct node *n)
{
	struct cache_stats stats;

	cache_stats(n->cache, &stats);
	return stats.tracking;
}

/* All is well: Redis serves, and the others are heard. */
static inline bool node_well(struct node *n)
{
	return redis_usable(n->redis, REDIS_CACHE) && node_tracks(n);
}

/* Started, and hearing the others. */
static inline void node_start_tracking(struct node *n, int port)
{
	node_start(n, port);
	EVENTUALLY(node_well(n));
}

static inline size_t node_entries(struct node *n)
{
	struct cache_stats stats;

	cache_stats(n->cache, &stats);
	return stats.entries;
}

/* How much longer level 1 keeps a key; 0 when it does not have it. */
static inline int64_t node_lifetime_s(struct node *n, const char *key)
{
	struct local_found found;
	int64_t left_us;

	local_find(n->cache->local, str_of(key), NOBODY, &found);
	left_us = found.value ? found.expires_us - clock_monotonic_us() : 0;
	local_found_finish(&found);
	return (left_us + US_PER_S - 1) / US_PER_S;
}

static inline uint64_t node_token(struct node *n, const char *key)
{
	struct local_found found;

	local_find(n->cache->local, str_of(key), NOBODY, &found);
	local_found_finish(&found);
	return found.token;
}

static inline const char *node_fetch(struct node *n, const char *key)
{
	return fetch_text(n->front, &n->source, key, NOBODY);
}

static inline bool fetch_is(struct node *n, const char *key, const char *text)
{
	return strcmp(node_fetch(n, key), text) == 0;
}

/* ---- the outsider ---- */

static inline struct redis *outsider_start(int port)
{
	struct redis *redis = core_create(port);
	struct error err;

	assert_int_equal(redis_start(redis, &err), 0);
	EVENTUALLY(redis_usable(redis, REDIS_CACHE));
	return redis;
}

/*
 * One command of words that a space separates; its answer as text, an integer as digits, nil as "nil", a list as its
 * number of elements. Asks again while Redis is away or too slow for the deadline of one command.
 */
static inline const char *ask(struct redis *redis, const char *line)
{
	static char answer[256];
	struct str words[16], rest = str_of(line), word;
	struct redis_command command = { words, 0 };
	struct redis_reply *reply = NULL;

	while (str_split(&rest, ' ', &word))
		words[command.n++] = word;
	EVENTUALLY(redis_call(redis, REDIS_CACHE, NULL, "test", &command, 1, &reply) == 0);
	if (redis_reply_type(reply) == REDIS_REPLY_IS_NIL)
		snprintf(answer, sizeof(answer), "nil");
	else if (redis_reply_type(reply) == REDIS_REPLY_IS_INT)
		snprintf(answer, sizeof(answer), "%lld", (long long)redis_reply_int(reply));
	else if (redis_reply_type(reply) == REDIS_REPLY_IS_LIST)
		snprintf(answer, sizeof(answer), "%zu", redis_reply_size(reply));
	else
		snprintf(answer, sizeof(answer), "%.*s", STR_ARG(redis_reply_text(reply)));
	redis_replies_free(&reply, 1);
	return answer;
}

#define assert_answer(redis, line, expected) assert_string_equal(ask(redis, line), expected)

#endif
