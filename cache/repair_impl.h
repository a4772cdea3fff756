/*
 * Telling Redis what it has missed (outage_impl.h): new generations and UNLINK for the keys, or SCAN and UNLINK of all
 * that is ours. Any thread.
 */
#ifndef CACHE_REPAIR_IMPL_H
#define CACHE_REPAIR_IMPL_H

#include "cache/cache_impl.h"
#include "resilience/redis_conn.h"

/* How commands reach Redis: the link in ordinary times, the prober's connection during recovery. */
struct repair_way {
	int (*call)(void *arg, const struct redis_command *commands, size_t n, struct redis_reply **ret_replies);
	void *arg;
};

/* Tells what was missed until now; 0, or the error of the first call that failed: the rest stays remembered. */
int repair_run(struct cache *, const struct repair_way *);

/* The recovery hook: whatever was missed is told before the usage closes, then the memory is emptied. arg is the cache. */
int repair_on_recovery(struct redis_conn *, int64_t deadline_us, void *arg);

/* The run id in the reply of INFO server; absent when it is not there. */
struct str repair_run_id(const struct redis_reply *info);

#endif
