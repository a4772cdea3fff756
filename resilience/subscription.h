/*
 * A subscription: one thread and one connection that receive what is published on channels, renewed after every outage,
 * and proven alive by a canary (spec resilience.md 2.3): each second the process publishes a counter on
 * egoejo:canary:<origin>:<name> and must receive it within 1 s; two misses in a row mean a deaf subscription, which is then
 * rebuilt, and opens the breaker of its usage when so configured.
 *
 * Callbacks run on the subscription's thread and must not block.
 */
#ifndef RESILIENCE_SUBSCRIPTION_H
#define RESILIENCE_SUBSCRIPTION_H

#include "resilience/redis.h"

struct subscription;

struct subscription_config {
	enum redis_usage usage;
	const char *name;            /* thread name and canary suffix, at most 15 characters */
	const char *const *channels; /* fixed channels, subscribed on each connection; borrowed for the life of the subscription */
	size_t n_channels;
	bool canary_opens_breaker; /* a deaf subscription is an outage of the usage */
	void (*on_message)(struct str channel, const struct redis_reply *payload, void *arg); /* payload: text, list or nil */
	void (*on_state)(bool live, int64_t client_id, void *arg); /* subscribed (id of the connection for CLIENT TRACKING), or lost */
	void *arg;
};

/* Starts the thread; NULL without memory or threads. The usage must be configured. */
struct subscription *subscription_create(struct redis *, const struct subscription_config *);

/* Stops, joins, frees. NULL is fine. */
void subscription_destroy(struct subscription *);

/* Subscribed now, and no canary is missing. */
bool subscription_live(const struct subscription *);

#endif
