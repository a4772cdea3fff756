/*
 * check_redis_health: the mission's hourly check (resilience.md 1.5, 2.7; design.md 9.9). It tells the log, and whoever is given to it;
 * what is done about it (a mail) is theirs. Any thread.
 */
#ifndef RESILIENCE_REDIS_HEALTH_H
#define RESILIENCE_REDIS_HEALTH_H

#include "resilience/redis.h"

/* What is asked. */
enum redis_health_source {
	REDIS_HEALTH_PROBE,    /* get_redis_status: the cache usage, with a command that may have to be waited for */
	REDIS_HEALTH_BREAKERS, /* all usages as this process has them now, without a word to Redis */
};

/* What REDIS_HEALTH_BREAKERS finds, told to nobody: the first usage that is down gives the backend, each its error. */
void redis_health_of_breakers(const struct redis *, struct redis_probe_status *ret_status);

/*
 * Asks; INFO redis.checked when all is well (not configured is well), CRITICAL redis.down_hourly and a call of on_down (NULL is fine)
 * when not; *ret_status what was found.
 */
void check_redis_health(struct redis *, enum redis_health_source, void (*on_down)(void *arg, const struct redis_probe_status *), void *arg,
                        struct redis_probe_status *ret_status);

#endif
