#include <stdio.h>

#include "base/cleanup.h"
#include "resilience/redis.h"

static int parse(const char *variable, const char *text, struct redis_url *ret_url, struct error *err)
{
	struct error why = { 0 };

	if (redis_url_parse(text, ret_url, &why) == 0)
		return 0;
	return error_set(err, ERR_CONFIG, "%s: %s", variable, why.text);
}

static bool given(const char *url)
{
	return url && *url;
}

/* REDIS_URL for all three: databases 0, 1, 2, or the one that it names. */
static int spread(const char *text, struct redis_config *config, char warning[200], struct error *err)
{
	struct redis_url url;
	int r;

	if (!given(text))
		return 0;
	r = parse("REDIS_URL", text, &url, err);
	if (r < 0)
		return r;
	for (int i = 0; i < REDIS_USAGES; i++) {
		config->configured[i] = true;
		config->url[i] = url;
		redis_url_set_db(&config->url[i], url.db > 0 ? url.db : i);
	}
	if (url.db > 0)
		snprintf(warning, 200,
		         "REDIS_URL names database %d: channels, cache and tasks all use it, and are not those of processes whose "
		         "REDIS_URL ends in /0",
		         url.db);
	return 0;
}

int redis_config_from_urls(const char *redis_url, const char *channels_url, const char *cache_url, const char *broker_url,
                           struct redis_config *ret_config, char ret_warning[200], struct error *err)
{
	const struct {
		const char *variable, *text;
	} overrides[REDIS_USAGES] = {
		[REDIS_CHANNELS] = { "REDIS_CHANNELS_URL", channels_url },
		[REDIS_CACHE] = { "REDIS_CACHE_URL", cache_url },
		[REDIS_TASKS] = { "CELERY_BROKER_URL", broker_url },
	};
	struct redis_config found = { 0 };
	char warning[200] = "";
	int r = spread(redis_url, &found, warning, err);

	for (int i = 0; i < REDIS_USAGES && r == 0; i++) {
		if (!given(overrides[i].text))
			continue;
		r = parse(overrides[i].variable, overrides[i].text, &found.url[i], err);
		if (r == 0 && found.url[i].db < 0)
			redis_url_set_db(&found.url[i], 0); /* as redis-py and kombu read such a URL */
		found.configured[i] = true;
	}
	if (r < 0)
		return r;
	for (int i = 0; i < REDIS_USAGES; i++) {
		ret_config->configured[i] = found.configured[i];
		ret_config->url[i] = found.url[i];
	}
	snprintf(ret_warning, 200, "%s", warning);
	return 0;
}
