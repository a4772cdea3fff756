/*
 * What the tests of the resilience core share: a core on a server of the test's own, one-line calls, and the log in memory.
 */
#ifndef TESTS_UNIT_RESILIENCE_CORE_H
#define TESTS_UNIT_RESILIENCE_CORE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "resilience/redis.h"
#include "tests/lib/fake_redis.h"
#include "tests/lib/server.h"
#include "tests/lib/test.h"
#include "tests/lib/wait.h"

#define ENOUGH_MS 10000 /* for what must come to pass; what must come in time is measured */

/* The defaults of the settings, all usages at one server. */
static inline struct redis_config core_config(const char *url)
{
	struct redis_config config = {
		.connect_timeout_us = 250 * US_PER_MS, .command_timeout_us = 100 * US_PER_MS, .retry_us = 500 * US_PER_MS, .pool_size = 4
	};
	char warning[200];

	assert_int_equal(redis_config_from_urls(url, NULL, NULL, NULL, &config, warning, NULL), 0);
	return config;
}

static inline struct redis_config core_config_port(int port)
{
	char url[64];

	snprintf(url, sizeof(url), "redis://127.0.0.1:%d/0", port);
	return core_config(url);
}

static inline struct redis *core_start(const struct redis_config *config)
{
	struct redis *r = redis_create(config);

	assert_non_null(r);
	assert_int_equal(redis_start(r, NULL), 0);
	return r;
}

/* One command through a usage; its answer's text is compared when expected is given. */
static inline int core_call(struct redis *r, enum redis_usage usage, struct redis_budget *budget, const struct redis_command *command,
                            const char *expected)
{
	struct redis_reply *reply;
	int result = redis_call(r, usage, budget, "test", command, 1, &reply);

	if (result == 0 && expected)
		assert_true(str_is(redis_reply_text(reply), expected));
	redis_replies_free(&reply, 1);
	return result;
}

static inline int core_get(struct redis *r, enum redis_usage usage)
{
	const struct redis_command get = REDIS_COMMAND(STR("GET"), STR("test:key"));

	return core_call(r, usage, NULL, &get, NULL);
}

static inline bool core_all_usable(struct redis *r)
{
	return redis_usable(r, REDIS_CHANNELS) && redis_usable(r, REDIS_CACHE) && redis_usable(r, REDIS_TASKS);
}

static inline bool core_none_usable(struct redis *r)
{
	return !redis_usable(r, REDIS_CHANNELS) && !redis_usable(r, REDIS_CACHE) && !redis_usable(r, REDIS_TASKS);
}

static inline struct redis_usage_status core_status(struct redis *r, enum redis_usage usage)
{
	struct redis_usage_status status;

	redis_usage_status(r, usage, &status);
	return status;
}

/* ---- the log, in memory ---- */

static int core_log_fd = -1;

/* From now on the log goes to memory, empty. */
static inline void core_log_start(void)
{
	if (core_log_fd < 0) {
		core_log_fd = memfd_create("log", MFD_CLOEXEC);
		log_init(LOG_JSON, LOG_DEBUG, core_log_fd);
	}
	log_flush();
	assert_int_equal(ftruncate(core_log_fd, 0), 0);
	lseek(core_log_fd, 0, SEEK_SET);
}

/* All of it so far; one caller at a time. */
static inline const char *core_log(void)
{
	static char text[256 * 1024];
	ssize_t n;

	log_flush();
	n = pread(core_log_fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static inline int core_count(const char *text, const char *part)
{
	int n = 0;

	for (const char *p = strstr(text, part); p; p = strstr(p + 1, part))
		n++;
	return n;
}

/* How many lines of the log have this text. */
static inline int core_log_count(const char *part)
{
	return core_count(core_log(), part);
}

/* The n-th line (from 0) that has this text, without the time of day; fails the test when there is none. */
static inline const char *core_log_line(const char *part, int n)
{
	static char line[4096];
	char *copy = strdup(core_log()), *rest = copy;

	for (char *l = strtok_r(copy, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest)) {
		if (!strstr(l, part) || n-- > 0)
			continue;
		assert_int_equal(strncmp(l, "{\"ts\":\"", 7), 0);
		snprintf(line, sizeof(line), "{%s", strchr(l, ',') + 1);
		free(copy);
		return line;
	}
	free(copy);
	fail_msg("no such line: %s in\n%s", part, core_log());
	return "";
}

#endif
