/*
 * Design: two connections must both stand. Redis sends the invalidations that the link's tracking causes to the
 * subscription's connection, named by its id. So tracking is live while the id that the link's setup has given is the id
 * of the connection that listens now; a change of either is a gap. At both ends of a gap level 1 is emptied: at its
 * beginning because what it holds may change unheard, at its end because what was loaded within it has. A load that
 * straddles either end is refused by its token, since emptying changes all tokens. The flag moves before the emptying,
 * and the lifetime of an entry is chosen after its token was taken: nothing gets a long life in a gap.
 *
 * Redis does not tell the listener when the tracking client goes away. So a keeper thread pings the link each second;
 * it also sets tracking up again, and tells Redis what it has missed while the breaker stayed closed (one timeout, a
 * spent budget).
 */
#include "cache/tracking_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/level2_impl.h"
#include "cache/outage_impl.h"
#include "cache/repair_impl.h"
#include "resilience/monitor.h"
#include "resilience/subscription.h"

#define KEEPER_INTERVAL_US US_PER_S
#define WORD(literal)      ((struct str)STR(literal))

struct tracking {
	struct cache *cache;
	struct redis_link *link;
	struct subscription *subscription;
	struct monitor *keeper;
	atomic_bool kept; /* the keeper is there to be woken */
	pthread_mutex_t lock;
	int64_t heard_by; /* id of the subscription's connection; 0: not subscribed */
	int64_t sent_to;  /* id that the link's connection sends to; 0: tracking is off */
	atomic_bool live; /* both are the same, and not 0 */
};

/* ---- the gap ---- */

static void update(struct tracking *t)
{
	bool live = t->heard_by && t->heard_by == t->sent_to;
	bool was = atomic_exchange(&t->live, live);

	if (live || was)
		local_empty(t->cache->local);
}

static void set_heard_by(struct tracking *t, int64_t id)
{
	pthread_mutex_lock(&t->lock);
	t->heard_by = id;
	update(t);
	pthread_mutex_unlock(&t->lock);
}

static void set_sent_to(struct tracking *t, int64_t id)
{
	pthread_mutex_lock(&t->lock);
	t->sent_to = id;
	update(t);
	pthread_mutex_unlock(&t->lock);
}

static int64_t heard_by(struct tracking *t)
{
	int64_t id;

	pthread_mutex_lock(&t->lock);
	id = t->heard_by;
	pthread_mutex_unlock(&t->lock);
	return id;
}

bool tracking_live(const struct tracking *t)
{
	return atomic_load(&t->live);
}

/* ---- the link ---- */

/* On each new connection of the link. A server that refuses tracking is served without it: short lifetimes, no more. */
static int set_up_link(struct redis_conn *conn, int64_t deadline_us, void *arg)
{
	struct tracking *t = arg;
	int64_t listener = heard_by(t);
	char id[24];
	struct str redirect = { id, (size_t)snprintf(id, sizeof(id), "%" PRId64, listener) };
	const struct redis_command commands[] = {
		REDIS_COMMAND(WORD("INFO"), WORD("server")),
		REDIS_COMMAND(WORD("CLIENT"), WORD("TRACKING"), WORD("ON"), WORD("REDIRECT"), redirect, WORD("BCAST"), WORD("PREFIX"),
		              WORD(LEVEL2_PREFIX), WORD("NOLOOP")),
	};
	struct redis_reply *replies[2] = { NULL };
	enum redis_failure failure;
	struct error err;
	bool on = false;
	int r = redis_conn_call(conn, commands, listener ? 2 : 1, deadline_us, replies, &failure, &err);

	if (r == 0) {
		outage_note_server(t->cache->outage, repair_run_id(replies[0]));
		on = listener && redis_reply_type(replies[1]) == REDIS_REPLY_IS_STATUS;
	}
	redis_replies_free(replies, 2);
	set_sent_to(t, on ? listener : 0);
	return r;
}

static int call(struct tracking *t, struct redis_budget *budget, const char *op, const struct redis_command *commands, size_t n,
                struct redis_reply **ret_replies)
{
	int r;

	/* Refused without a try: the link is as it was. */
	if (!redis_usable(t->cache->redis, REDIS_CACHE) || (budget && budget->left_us <= 0))
		return ERR_UNAVAILABLE;
	r = redis_link_call(t->link, budget, op, commands, n, ret_replies);
	if (r < 0)
		set_sent_to(t, 0); /* a failed connection is closed, and its tracking ends with it */
	return r;
}

int tracking_call(struct tracking *t, struct redis_budget *budget, const char *op, const struct redis_command *commands, size_t n,
                  struct redis_reply **ret_replies)
{
	int r = call(t, budget, op, commands, n, ret_replies);

	if (r < 0)
		tracking_wake(t);
	return r;
}

/* ---- the listener ---- */

/* A value's name or its generation's: both mean the key. */
static void invalidate(struct cache *c, struct str name)
{
	size_t prefix = strlen(LEVEL2_PREFIX), generation = strlen(LEVEL2_GENERATION);
	struct str key;

	if (!name.s || !str_starts(name, LEVEL2_PREFIX))
		return;
	key = (struct str){ name.s + prefix, name.len - prefix };
	if (str_starts(key, LEVEL2_GENERATION))
		key = (struct str){ key.s + generation, key.len - generation };
	local_delete(c->local, key);
}

static void on_message(struct str channel, const struct redis_reply *payload, void *arg)
{
	struct tracking *t = arg;

	(void)channel; /* there is only one */
	if (redis_reply_type(payload) == REDIS_REPLY_IS_NIL)
		local_empty(t->cache->local); /* FLUSHALL, FLUSHDB */
	for (size_t i = 0; i < redis_reply_size(payload); i++)
		invalidate(t->cache, redis_reply_text(redis_reply_at(payload, i)));
}

static void on_subscription(bool live, int64_t client_id, void *arg)
{
	struct tracking *t = arg;

	set_heard_by(t, live ? client_id : 0);
	if (live)
		tracking_wake(t);
}

static void on_breaker(enum redis_usage usage, enum breaker_state state, void *arg)
{
	struct tracking *t = arg;

	if (usage != REDIS_CACHE)
		return;
	if (state == BREAKER_OPEN)
		set_sent_to(t, 0);
	if (state == BREAKER_CLOSED)
		tracking_wake(t);
}

/* ---- the keeper ---- */

static int call_link(void *arg, const struct redis_command *commands, size_t n, struct redis_reply **ret_replies)
{
	return call(arg, NULL, "repair", commands, n, ret_replies);
}

static void keep(void *arg)
{
	struct tracking *t = arg;
	const struct repair_way way = { call_link, t };
	const struct redis_command ping = REDIS_COMMAND(WORD("PING"));
	struct redis_reply *reply = NULL;

	if (!redis_usable(t->cache->redis, REDIS_CACHE))
		return;
	if (heard_by(t) && !tracking_live(t))
		redis_link_reset(t->link); /* the next connection is set up for the one that listens now */
	call(t, NULL, "ping", &ping, 1, &reply);
	redis_replies_free(&reply, 1);
	repair_run(t->cache, &way);
}

void tracking_wake(struct tracking *t)
{
	if (atomic_load(&t->kept) && redis_usable(t->cache->redis, REDIS_CACHE))
		monitor_wake(t->keeper);
}

/* ---- life ---- */

struct tracking *tracking_create(struct cache *c)
{
	struct tracking *t = mem_alloc(sizeof(*t));

	if (!t)
		return NULL;
	t->cache = c;
	pthread_mutex_init(&t->lock, NULL);
	t->link = redis_link_create(c->redis, REDIS_CACHE, set_up_link, t);
	if (!t->link || redis_on_state(c->redis, on_breaker, t) < 0) {
		tracking_destroy(t);
		return NULL;
	}
	return t;
}

int tracking_start(struct tracking *t, struct error *err)
{
	static const char *const channels[] = { "__redis__:invalidate" };
	const struct subscription_config config = {
		.usage = REDIS_CACHE,
		.name = "cache",
		.channels = channels,
		.n_channels = N_ELEMENTS(channels),
		.on_message = on_message,
		.on_state = on_subscription,
		.arg = t,
	};

	t->keeper = monitor_create("cache-keeper");
	if (!t->keeper || monitor_watch(t->keeper, KEEPER_INTERVAL_US, keep, t) < 0 || monitor_start(t->keeper) < 0)
		return error_set(err, ERR_INTERNAL, "cannot start the keeper of the cache");
	atomic_store(&t->kept, true);
	t->subscription = subscription_create(t->cache->redis, &config);
	return t->subscription ? 0 : error_set(err, ERR_INTERNAL, "cannot start the subscription of the cache");
}

void tracking_destroy(struct tracking *t)
{
	if (!t)
		return;
	redis_off_hooks(t->cache->redis, t); /* from here on nobody wakes the keeper but the subscription */
	subscription_destroy(t->subscription);
	atomic_store(&t->kept, false);
	monitor_destroy(t->keeper);
	if (t->link)
		redis_link_destroy(t->link);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
