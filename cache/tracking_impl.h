/*
 * Hearing what other processes change (design decision 5): the link that carries all our writes of the prefix has client
 * tracking on, redirected to a subscription. Any thread.
 */
#ifndef CACHE_TRACKING_IMPL_H
#define CACHE_TRACKING_IMPL_H

#include "cache/cache_impl.h"

/* How long level 1 keeps anything while changes are not heard. */
#define TRACKING_DEAF_LIFETIME_US (5 * US_PER_S)

struct tracking;

/* The link; nothing is heard yet. The cache's Redis must be configured. NULL without memory. */
struct tracking *tracking_create(struct cache *);

/* Starts the subscription and the keeper. */
int tracking_start(struct tracking *, struct error *err);

/* Stops both. NULL is fine. */
void tracking_destroy(struct tracking *);

/* Whether changes are heard now. */
bool tracking_live(const struct tracking *);

/* As redis_link_call, on our link. */
int tracking_call(struct tracking *, struct redis_budget *, const char *op, const struct redis_command *commands, size_t n,
                  struct redis_reply **ret_replies);

/* Something was remembered for Redis: let the keeper tell it soon, if it can be told now. */
void tracking_wake(struct tracking *);

#endif
