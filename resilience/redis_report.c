/*
 * The state of a usage as others see it: every move of its breaker is made here, under the usage's lock, so that the error
 * text, the times and the log line always belong to the move. Log lines are those of spec resilience.md 2.8, metrics
 * those of 2.9. An outage is told once: the retries that fail meanwhile (half_open and back) are counted, not logged.
 */
#include <stdio.h>

#include "base/clock.h"
#include "resilience/redis_impl.h"

static const char *const limited_events[EVENTS] = { "redis.unavailable", "cache.fallback", "channels.send_failed", "tasks.sync_fallback",
	                                            NULL };

void report_init(struct usage *u)
{
	const char *name = redis_usage_name(u->id);

	for (int i = 0; i < EVENTS; i++) {
		const char *event = limited_events[i] ? limited_events[i] : "other";

		u->events[i].event = limited_events[i];
		u->events[i].suppressed = metric_seriesf(METRIC_LOG_SUPPRESSED, "event=\"%s\",usage=\"%s\"", event, name);
	}
	if (!u->configured)
		return;
	u->up = metric_seriesf(METRIC_REDIS_UP, "usage=\"%s\"", name);
	for (int i = 0; i < BREAKER_STATES; i++) {
		const char *state = breaker_state_name((enum breaker_state)i);

		u->states[i] = metric_seriesf(METRIC_REDIS_STATE, "usage=\"%s\",state=\"%s\"", name, state);
		u->transitions[i] = metric_seriesf(METRIC_REDIS_TRANSITIONS, "usage=\"%s\",to=\"%s\"", name, state);
	}
	for (int i = REDIS_FAILURE_NONE + 1; i < REDIS_FAILURES; i++)
		u->errors[i] =
		        metric_seriesf(METRIC_REDIS_ERRORS, "usage=\"%s\",kind=\"%s\"", name, redis_failure_name((enum redis_failure)i));
	u->downtime = metric_seriesf(METRIC_REDIS_DOWNTIME, "usage=\"%s\"", name);
	u->pool_idle = metric_seriesf(METRIC_REDIS_POOL, "usage=\"%s\",state=\"idle\"", name);
	u->pool_busy = metric_seriesf(METRIC_REDIS_POOL, "usage=\"%s\",state=\"busy\"", name);
}

/* ---- logs ---- */

/* "redis.channels"; static. */
static const char *logger_of(const struct usage *u)
{
	static const char *const names[REDIS_USAGES] = { "redis.channels", "redis.cache", "redis.tasks" };

	return names[u->id];
}

static void log_opened(const struct usage *u, const char *error, int64_t duration_us)
{
	struct log_field fields[] = {
		LOG_STR("usage", redis_usage_name(u->id)),
		LOG_STR("backend", usage_backend(u)),
		LOG_STR("state", breaker_state_name(BREAKER_OPEN)),
		LOG_STR("error", error),
		LOG_FLOAT("duration_ms", (double)duration_us / US_PER_MS),
	};

	log_write(LOG_ERROR, logger_of(u), "redis.unavailable", fields, duration_us < 0 ? 4 : 5,
	          "Redis is unavailable for %s: %s serves instead", redis_usage_name(u->id), usage_fallback_name(u->id));
}

/* down_us < 0: the usage starts with a working Redis. */
static void log_closed(const struct usage *u, int64_t down_us, int64_t fallbacks)
{
	struct log_field fields[] = {
		LOG_STR("usage", redis_usage_name(u->id)),
		LOG_STR("backend", usage_backend(u)),
		LOG_STR("state", breaker_state_name(BREAKER_CLOSED)),
		LOG_FLOAT("down_seconds", (double)down_us / US_PER_S),
		LOG_INT("fallbacks", fallbacks),
	};

	if (down_us < 0)
		log_write(LOG_INFO, logger_of(u), "redis.available", fields, 3, "Redis is available for %s", redis_usage_name(u->id));
	else
		log_write(LOG_INFO, logger_of(u), "redis.available", fields, 5, "Redis is available again for %s", redis_usage_name(u->id));
}

static struct event_limit *limit_of(struct usage *u, const char *event)
{
	for (int i = 0; i < EVENTS - 1; i++)
		if (strcmp(u->events[i].event, event) == 0)
			return &u->events[i];
	return &u->events[EVENTS - 1];
}

/* A new outage: its first line of each event is written at once, but for the one of the transition itself. */
static void reset_limits(struct usage *u)
{
	for (int i = 0; i < EVENTS; i++)
		atomic_store(&u->events[i].limit.next_us, 0);
	atomic_store(&limit_of(u, "redis.unavailable")->limit.next_us, clock_monotonic_us() + LOG_EVERY_US);
}

/* A line that an outage repeats: at most one per event and 10 s. */
static void log_limited(struct usage *u, enum log_level level, const char *event, const char *error, struct log_field what,
                        const char *message)
{
	struct event_limit *limit = limit_of(u, event);
	int64_t suppressed;
	struct log_field fields[6] = {
		LOG_STR("usage", redis_usage_name(u->id)),
		LOG_STR("backend", usage_backend(u)),
		LOG_STR("state", breaker_state_name(breaker_state(&u->breaker, NULL))),
		LOG_STR("error", *error ? error : NULL),
		what,
	};

	if (!log_limit_pass(&limit->limit, LOG_EVERY_US, &suppressed)) {
		metric_add(limit->suppressed, 1);
		return;
	}
	fields[5] = LOG_INT("suppressed", suppressed);
	log_write(level, logger_of(u), event, fields, suppressed ? 6 : 5, "%s", message);
}

/* ---- moves ---- */

static void announce(struct usage *u, enum breaker_state state)
{
	struct redis *redis = u->redis;

	metric_add(u->transitions[state], 1);
	pthread_rwlock_rdlock(&redis->hooks_lock);
	for (int i = 0; i < redis->n_state_hooks; i++)
		redis->state_hooks[i].fn(u->id, state, redis->state_hooks[i].arg);
	pthread_rwlock_unlock(&redis->hooks_lock);
}

static void begin_outage_locked(struct usage *u)
{
	u->started = true;
	u->since = clock_now();
	u->down_at_us = u->counted_at_us = clock_monotonic_us();
	u->fallbacks_at_down = atomic_load(&u->fallbacks);
	reset_limits(u);
}

static void note_error_locked(struct usage *u, const struct outage *o)
{
	u->failure = o->kind ? o->kind : REDIS_OTHER;
	snprintf(u->error_text, sizeof(u->error_text), "%s", *o->err.text ? o->err.text : redis_failure_name(u->failure));
	if (o->by_reply)
		atomic_store(&u->trial_writes, true);
}

void usage_failed(struct usage *u, uint64_t generation, const struct outage *o)
{
	bool timeout = o->kind == REDIS_TIMEOUT && !o->certain;
	bool moved, first = false;

	pthread_mutex_lock(&u->lock);
	first = breaker_state(&u->breaker, NULL) == BREAKER_CLOSED || !u->started;
	moved = breaker_report(&u->breaker, generation, timeout ? BREAKER_TIMEOUT : BREAKER_FAILURE);
	first = first && moved;
	if (moved)
		note_error_locked(u, o);
	if (first)
		begin_outage_locked(u);
	pthread_mutex_unlock(&u->lock);
	if (first)
		log_opened(u, o->err.text, o->duration_us);
	if (moved)
		announce(u, BREAKER_OPEN);
	/* The prober looks at once: the usages beside this one learn of it now, and the retry is planned. */
	if (!o->certain && (moved || timeout))
		monitor_wake(u->server->monitor);
}

bool usage_begin_trial(struct usage *u, uint64_t *ret_generation)
{
	bool started, begun;

	pthread_mutex_lock(&u->lock);
	started = u->started;
	begun = breaker_begin_trial(&u->breaker, ret_generation);
	pthread_mutex_unlock(&u->lock);
	if (begun && started)
		announce(u, BREAKER_HALF_OPEN);
	return begun;
}

/* Adds the part of the outage that the metric does not cover yet. */
static void count_downtime_locked(struct usage *u, int64_t now_us)
{
	if (!u->down_at_us)
		return;
	metric_add_us(u->downtime, now_us - u->counted_at_us);
	u->counted_at_us = now_us;
}

void usage_recovered(struct usage *u, uint64_t generation)
{
	int64_t now = clock_monotonic_us(), down_us = -1, fallbacks = 0;
	bool moved;

	pthread_mutex_lock(&u->lock);
	moved = breaker_report(&u->breaker, generation, BREAKER_SUCCESS);
	if (moved) {
		count_downtime_locked(u, now);
		if (u->started)
			down_us = now - u->down_at_us;
		fallbacks = atomic_load(&u->fallbacks) - u->fallbacks_at_down;
		u->started = true;
		u->since = clock_now();
		u->down_at_us = 0;
		u->failure = REDIS_FAILURE_NONE;
		u->error_text[0] = '\0';
		atomic_store(&u->trial_writes, false);
	}
	pthread_mutex_unlock(&u->lock);
	if (!moved)
		return;
	log_closed(u, down_us, fallbacks);
	if (down_us >= 0)
		announce(u, BREAKER_CLOSED);
}

void usage_give_up_start(struct usage *u)
{
	const struct outage o = { .kind = REDIS_TIMEOUT, .duration_us = -1, .err.text = "not reached in time at start" };
	bool late;

	pthread_mutex_lock(&u->lock);
	late = !u->started;
	if (late) {
		note_error_locked(u, &o);
		begin_outage_locked(u);
	}
	pthread_mutex_unlock(&u->lock);
	if (!late)
		return;
	log_opened(u, o.err.text, o.duration_us);
	announce(u, BREAKER_OPEN);
}

/* ---- what others report ---- */

void report_failed_check(struct usage *u, const char *text)
{
	log_limited(u, LOG_ERROR, "redis.unavailable", text, LOG_STR("key", HEALTH_KEY), "The check of Redis failed");
}

void redis_report_fallback(struct redis *redis, enum redis_usage usage, enum log_level level, const char *event, const char *op,
                           const char *name_field, struct str name)
{
	struct usage *u = &redis->usages[usage];
	char error[sizeof(u->error_text)], message[160];

	if (!u->configured)
		return; /* then the fallback is what serves normally */
	atomic_fetch_add(&u->fallbacks, 1);
	metric_add(usage_op(u, op)->fallbacks, 1);
	pthread_mutex_lock(&u->lock);
	memcpy(error, u->error_text, sizeof(error));
	pthread_mutex_unlock(&u->lock);
	if (name.len > KEY_SHOWN_BYTES)
		name.len = KEY_SHOWN_BYTES;
	snprintf(message, sizeof(message), "Redis did not serve %s of %s: the fallback did", op, redis_usage_name(usage));
	log_limited(u, level, event, error, LOG_VIEW(name_field, name), message);
}

void redis_report_failure(struct redis *redis, enum redis_usage usage, const char *kind, const char *text)
{
	struct usage *u = &redis->usages[usage];
	struct outage o = { .kind = REDIS_OTHER, .duration_us = -1 };
	uint64_t generation;

	if (!u->configured || !breaker_allows(&u->breaker, &generation))
		return;
	for (int i = REDIS_FAILURE_NONE + 1; i < REDIS_FAILURES; i++)
		if (strcmp(redis_failure_name((enum redis_failure)i), kind) == 0)
			o.kind = (enum redis_failure)i;
	error_set(&o.err, ERR_UNAVAILABLE, "%.72s: %s", u->url.shown, text);
	metric_add(u->errors[o.kind], 1);
	o.certain = true;
	usage_failed(u, generation, &o);
	monitor_wake(u->server->monitor);
}

/* ---- metrics ---- */

static struct op_series *add_op(struct usage *u, const char *op)
{
	struct op_series *s = u->ops;
	const char *name = redis_usage_name(u->id);

	pthread_mutex_lock(&u->lock);
	while (atomic_load(&s->op) && strcmp(atomic_load(&s->op), op) != 0 && s < &u->ops[OPS_MAX - 1])
		s++;
	if (!atomic_load(&s->op)) {
		const char *label = s < &u->ops[OPS_MAX - 1] ? op : "other"; /* the last place is for all that have none */

		s->seconds = metric_seriesf(METRIC_REDIS_SECONDS, "usage=\"%s\",op=\"%s\"", name, label);
		s->fallbacks = metric_seriesf(METRIC_REDIS_FALLBACKS, "usage=\"%s\",op=\"%s\"", name, label);
		atomic_store(&s->op, label);
	}
	pthread_mutex_unlock(&u->lock);
	return s;
}

struct op_series *usage_op(struct usage *u, const char *op)
{
	for (struct op_series *s = u->ops; s < u->ops + OPS_MAX; s++) {
		const char *have = atomic_load_explicit(&s->op, memory_order_acquire);

		if (!have)
			break;
		if (have == op || strcmp(have, op) == 0)
			return s;
	}
	return add_op(u, op);
}

static void collect(struct usage *u)
{
	enum breaker_state state = breaker_state(&u->breaker, NULL);

	metric_set(u->up, state == BREAKER_CLOSED);
	for (int i = 0; i < BREAKER_STATES; i++)
		metric_set(u->states[i], (int)state == i);
	pthread_mutex_lock(&u->lock);
	count_downtime_locked(u, clock_monotonic_us());
	pthread_mutex_unlock(&u->lock);
	pthread_mutex_lock(&u->pool.lock);
	metric_set(u->pool_idle, u->pool.n_idle);
	pthread_mutex_unlock(&u->pool.lock);
	metric_set(u->pool_busy, atomic_load(&u->pool.busy));
}

void report_collect(void *arg)
{
	struct redis *redis = arg;

	for (int i = 0; i < REDIS_USAGES; i++)
		if (redis->usages[i].configured)
			collect(&redis->usages[i]);
}
