/*
 * A subscription: one thread and one connection that receive what is published on channels, renewed after every outage,
 * and proven alive by a canary (spec resilience.md 2.3): each second the process publishes a counter on
 * egoejo:canary:<origin>:<name> and must receive it within 1 s; two misses in a row mean a deaf subscription, which is then
 * rebuilt, and opens the breaker of its usage when so configured.
 *
 * Channels may be joined and left at any time, by any thread and without waiting for Redis; what is joined is subscribed to
 * again on every new connection. Callbacks run on the subscription's thread and must not block.
 */
#ifndef RESILIENCE_SUBSCRIPTION_H
#define RESILIENCE_SUBSCRIPTION_H

#include "resilience/redis.h"

struct subscription;

struct subscription_config {
	enum redis_usage usage;
	const char *name;            /* thread name and canary suffix, at most 15 characters */
	const char *const *channels; /* joined from the start; copied */
	size_t n_channels;
	bool canary_opens_breaker; /* a deaf subscription is an outage of the usage */
	void (*on_message)(struct str channel, const struct redis_reply *payload, void *arg); /* payload: text, list or nil */
	/* All that had come has been given to on_message, for now: what it gathered can be passed on. May be NULL. */
	void (*on_pause)(void *arg);
	/* Subscribed to all that had been joined by then (id of the connection for CLIENT TRACKING), or lost. */
	void (*on_state)(bool live, int64_t client_id, void *arg);
	/*
	 * A channel joined while live is subscribed to: what is published from now on arrives. Once or more for each join, as long as
	 * it is not left; not for those that on_state speaks for. May be NULL.
	 */
	void (*on_joined)(struct str channel, void *arg);
	void *arg;
};

/* Starts the thread; NULL without memory or threads. The usage must be configured. Without a Redis channels can be joined all the same. */
struct subscription *subscription_create(struct redis *, const struct subscription_config *);

/* Stops, joins, frees. NULL is fine. */
void subscription_destroy(struct subscription *);

/*
 * Joins a channel, or leaves it: a joined one is joined once, however often it is asked for, and leaving one that is not joined
 * does nothing. Returns at once; the last word of a channel's counts. Messages of a channel may still come for a moment after it
 * was left. joining: ERR_NOMEM. Any thread, callbacks too.
 */
int subscription_join(struct subscription *, const char *channel);
void subscription_leave(struct subscription *, const char *channel);

/* Subscribed now, and no canary is missing. */
bool subscription_live(const struct subscription *);

#endif
