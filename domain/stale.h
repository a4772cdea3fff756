/*
 * What a write makes stale: the one table of which cache keys go with which change. Source: content.md 10.2, 10.3.
 *
 * A write calls stale_after once its transaction has been committed (db_after_commit, or after db_write returned 0),
 * never before. Deleting never fails outward: a Redis that is away is told on its return (cache/cache.h). Any thread.
 */
#ifndef DOMAIN_STALE_H
#define DOMAIN_STALE_H

#include "cache/cache.h"

/* CHANGE(name, description): what can change. */
#define CHANGES(CHANGE)                                                                               \
	CHANGE(PROJECT, "a project was created, edited or deleted, or its embedding stored")          \
	CHANGE(PROJECT_SCORE, "a project was boosted, or its 4P stored")                              \
	CHANGE(CONTENT, "a content was created, moved, edited, liked or commented, or lost its file") \
	CHANGE(COMMUNITY, "a community was deleted")

enum change {
#define CHANGE(name, description) CHANGE_##name,
	CHANGES(CHANGE)
#undef CHANGE
	        CHANGE_COUNT
};

/* Deletes every key that the change of the row `id` makes stale, and lets go of every list (cache_bump). */
void stale_after(struct cache *, struct redis_budget *, enum change, int64_t id);

#endif
