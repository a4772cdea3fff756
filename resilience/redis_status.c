/*
 * Two ways to ask how Redis is: the status, from the breakers alone, for health and metrics, which never touches Redis;
 * and the mission's probe, which writes a key and reads it back and so may wait for one command.
 */
#include <stdio.h>

#include "base/clock.h"
#include "resilience/redis_impl.h"

static const struct {
	const char *configured, *fallback;
} backends[REDIS_USAGES] = {
	[REDIS_CHANNELS] = { "RedisChannelLayer", "InMemoryChannelLayer" },
	[REDIS_CACHE] = { "RedisCache", "LocMemCache" },
	[REDIS_TASKS] = { "RedisBroker", "InProcess" },
};

const char *usage_backend(const struct usage *u)
{
	return u->configured ? backends[u->id].configured : backends[u->id].fallback;
}

const char *usage_fallback_name(enum redis_usage usage)
{
	return backends[usage].fallback;
}

const char *failure_class(enum redis_failure failure)
{
	static const char *const classes[REDIS_FAILURES] = {
		"unavailable", "connection refused", "timeout",       "connection lost", "authentication failed",
		"loading",     "read only",          "out of memory", "unavailable",
	};

	return classes[failure];
}

static void fill_outage(const struct usage *u, struct redis_usage_status *st)
{
	st->fallback = usage_fallback_name(u->id);
	snprintf(st->error, sizeof(st->error), "%s", failure_class(u->failure));
	snprintf(st->error_text, sizeof(st->error_text), "%s", *u->error_text ? u->error_text : "not tried yet");
}

void redis_usage_status(const struct redis *redis, enum redis_usage usage, struct redis_usage_status *ret_status)
{
	struct usage *u = (struct usage *)(uintptr_t)&redis->usages[usage]; /* its lock is not part of what const promises */
	struct redis_usage_status st = { .configured = u->configured, .backend = usage_backend(u) };
	int64_t canary_at = atomic_load(&u->canary_at_us);
	enum breaker_state state;

	pthread_mutex_lock(&u->lock);
	state = breaker_state(&u->breaker, NULL);
	st.available = !u->configured || state == BREAKER_CLOSED;
	st.state = u->configured ? breaker_state_name(state) : "off";
	st.since = u->since;
	if (!st.available)
		fill_outage(u, &st);
	pthread_mutex_unlock(&u->lock);
	st.latency_us = atomic_load(&u->latency_us);
	st.canary_us = canary_at ? clock_monotonic_us() - canary_at : -1;
	st.fallbacks = atomic_load(&u->fallbacks);
	*ret_status = st;
}

void redis_note_canary(struct redis *redis, enum redis_usage usage, int64_t received_at_us)
{
	atomic_store(&redis->usages[usage].canary_at_us, received_at_us);
}

int64_t redis_prober_pulse_age_us(const struct redis *redis)
{
	int64_t oldest = 0;

	for (int i = 0; i < redis->n_servers; i++) {
		int64_t age = redis->servers[i].monitor ? monitor_pulse_age_us(redis->servers[i].monitor) : 0;

		if (age > oldest)
			oldest = age;
	}
	return oldest;
}

/* ---- the mission's probe ---- */

static const struct redis_command health_commands[] = {
	{ (const struct str[]){ STR("SET"), STR(HEALTH_KEY), STR("ok"), STR("EX"), STR("1") }, 5 },
	{ (const struct str[]){ STR("GET"), STR(HEALTH_KEY) }, 2 },
};

/* Both answers must be right: what is read back is compared. Frees the replies. */
static int judge_health(struct redis_reply *replies[2], struct error *err)
{
	struct str written = redis_reply_text(replies[0]), got = redis_reply_text(replies[1]);
	int r = 0;

	if (!str_is(written, "OK"))
		r = error_set(err, ERR_UNAVAILABLE, "writing %s: %.*s", HEALTH_KEY, STR_ARG(written));
	else if (redis_reply_type(replies[1]) == REDIS_REPLY_IS_ERROR)
		r = error_set(err, ERR_UNAVAILABLE, "reading %s: %.*s", HEALTH_KEY, STR_ARG(got));
	else if (!str_is(got, "ok"))
		r = error_set(err, ERR_UNAVAILABLE, "reading %s: not the value that was written", HEALTH_KEY);
	redis_replies_free(replies, 2);
	return r;
}

int health_check(struct redis_conn *c, int64_t deadline_us, struct outage *ret_outage)
{
	struct redis_reply *replies[2];
	int r = redis_conn_call(c, health_commands, 2, deadline_us, replies, &ret_outage->kind, &ret_outage->err);

	ret_outage->by_reply = c->by_reply;
	if (r < 0)
		return r;
	ret_outage->kind = REDIS_OTHER;
	return judge_health(replies, &ret_outage->err);
}

/* 0 or negative with a text that is never empty. */
static int probe(struct usage *u, struct error *err)
{
	struct redis_reply *replies[2];
	struct attempt a;
	int r = usage_call(&a, u, NULL, "check", health_commands, 2, replies);

	if (r == 0)
		return judge_health(replies, err);
	if (*a.outage.err.text)
		return error_set(err, r, "%s", a.outage.err.text);
	pthread_mutex_lock(&u->lock);
	error_set(err, r, "%s", *u->error_text ? u->error_text : "Redis is unavailable");
	pthread_mutex_unlock(&u->lock);
	return r;
}

static bool check(struct redis *redis, struct error *err)
{
	struct usage *u = &redis->usages[REDIS_CACHE];

	if (!u->configured || probe(u, err) == 0)
		return true;
	report_failed_check(u, err->text);
	return false;
}

bool check_redis_available(struct redis *redis)
{
	struct error err;

	return check(redis, &err);
}

void get_redis_status(struct redis *redis, struct redis_probe_status *ret_status)
{
	struct error err;

	ret_status->available = check(redis, &err);
	ret_status->backend = usage_backend(&redis->usages[REDIS_CACHE]);
	ret_status->error[0] = '\0';
	if (!ret_status->available)
		snprintf(ret_status->error, sizeof(ret_status->error), "%s", err.text);
}
