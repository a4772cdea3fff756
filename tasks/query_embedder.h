/*
 * Vectors of what people search for (struct semantic_embedder, domain/semantic.h): by OpenAI when it has a key, else without a model
 * when EMBEDDINGS_LOCAL says so, else there are none. Source: projects.md 3. A search never fails for want of a vector, and hardly
 * waits for one: OpenAI gets QUERY_TIMEOUT_US, at most QUERIES_AT_ONCE are under way, and after a failure nothing is asked for a
 * while. What has been embedded is kept in the cache. Any thread.
 */
#ifndef TASKS_QUERY_EMBEDDER_H
#define TASKS_QUERY_EMBEDDER_H

#include <stdatomic.h>

#include "base/settings.h"
#include "domain/semantic.h"

#define QUERY_TIMEOUT_US (3 * INT64_C(1000000))
#define QUERY_PAUSE_US   (30 * INT64_C(1000000)) /* after a failure; Retry-After makes it longer */
#define QUERIES_AT_ONCE  2                       /* of the threads for slow routes */
#define QUERY_KEPT_S     3600
#define QUERY_MAX_CHARS  1000 /* longer ones get none: a service that refuses one would be left alone for all */

struct query_embedder {
	struct semantic_embedder embedder; /* what the routes get */
	const struct settings *settings;
	struct cache *cache; /* may be NULL */
	atomic_int asking;
	atomic_int_least64_t paused_until_us; /* monotonic */
};

/* All is borrowed. There is nothing to free. */
void query_embedder_init(struct query_embedder *, const struct settings *, struct cache *);

#endif
