#include "resilience/redis_health.h"

#include <stdio.h>

void redis_health_of_breakers(const struct redis *redis, struct redis_probe_status *ret_status)
{
	struct redis_usage_status usage;
	size_t len = 0;

	redis_usage_status(redis, REDIS_CACHE, &usage);
	*ret_status = (struct redis_probe_status){ .available = true, .backend = usage.backend };
	for (int u = 0; u < REDIS_USAGES; u++) {
		redis_usage_status(redis, (enum redis_usage)u, &usage);
		if (usage.available || len >= sizeof(ret_status->error))
			continue;
		if (ret_status->available)
			ret_status->backend = usage.backend;
		ret_status->available = false;
		len += (size_t)snprintf(ret_status->error + len, sizeof(ret_status->error) - len, "%s%s: %s", len ? "; " : "",
		                        redis_usage_name((enum redis_usage)u), usage.error_text);
	}
}

static void tell_log(const struct redis_probe_status *status)
{
	if (status->available)
		log_write(LOG_INFO, "redis", "redis.checked", LOG_FIELDS(LOG_STR("backend", status->backend)),
		          "The hourly check: %s is available", status->backend);
	else
		log_write(LOG_CRITICAL, "redis", "redis.down_hourly",
		          LOG_FIELDS(LOG_STR("backend", status->backend), LOG_STR("error", status->error)),
		          "The hourly check: Redis is unavailable, the application runs on its fallbacks");
}

void check_redis_health(struct redis *redis, enum redis_health_source source, void (*on_down)(void *arg, const struct redis_probe_status *),
                        void *arg, struct redis_probe_status *ret_status)
{
	if (source == REDIS_HEALTH_BREAKERS)
		redis_health_of_breakers(redis, ret_status);
	else
		get_redis_status(redis, ret_status);
	tell_log(ret_status);
	if (!ret_status->available && on_down)
		on_down(arg, ret_status);
}
