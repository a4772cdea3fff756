/*
 * Life of the core, and the path of a call. A call is an attempt: begun when the breaker is closed (one atomic load says
 * so), bounded by the budget, ended by telling the breaker what came of it. The names of servers are resolved by the
 * probers; callers find the address ready or are refused.
 */
#include "resilience/redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "resilience/redis_impl.h"

const char *redis_usage_name(enum redis_usage usage)
{
	static const char *const names[REDIS_USAGES] = { "channels", "cache", "tasks" };

	return names[usage];
}

/* ---- life ---- */

static void init_server(struct server *s, struct redis *redis, const struct redis_url *url)
{
	pthread_condattr_t attributes;

	s->redis = redis;
	s->url = *url;
	redis_url_set_db(&s->url, 0);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->first_round, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* The server of a URL, a new one when none of the others is it. */
static struct server *find_server(struct redis *redis, const struct redis_url *url)
{
	struct server *s;

	for (int i = 0; i < redis->n_servers; i++)
		if (redis_url_same_server(&redis->servers[i].url, url))
			return &redis->servers[i];
	s = &redis->servers[redis->n_servers++];
	init_server(s, redis, url);
	return s;
}

static void init_usage(struct redis *redis, enum redis_usage id)
{
	struct usage *u = &redis->usages[id];

	u->id = id;
	u->redis = redis;
	u->configured = redis->config.configured[id];
	u->since = clock_now();
	atomic_init(&u->latency_us, -1);
	pthread_mutex_init(&u->lock, NULL);
	pthread_mutex_init(&u->members_lock, NULL);
	pool_init(&u->pool, redis->config.pool_size);
	breaker_init_open(&u->breaker, redis->config.retry_us, NULL, NULL);
	report_init(u);
	if (u->configured) {
		u->url = redis->config.url[id];
		u->server = find_server(redis, &u->url);
	}
}

static void make_origin(char origin[17])
{
	uint64_t bits = 0;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		bits = (uint64_t)clock_now().us * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)getpid();
	snprintf(origin, 17, "%016llx", (unsigned long long)bits);
}

struct redis *redis_create(const struct redis_config *config)
{
	struct redis *redis = mem_alloc(sizeof(*redis));

	if (!redis)
		return NULL;
	redis->config = *config;
	pthread_rwlock_init(&redis->hooks_lock, NULL);
	pthread_mutex_init(&redis->too_large.lock, NULL);
	make_origin(redis->origin);
	for (int i = 0; i < REDIS_USAGES; i++)
		init_usage(redis, (enum redis_usage)i);
	metrics_on_collect(report_collect, redis);
	return redis;
}

static int start_prober(struct server *s, struct error *err)
{
	s->monitor = monitor_create("redis-prober");
	if (!s->monitor || monitor_watch(s->monitor, PING_INTERVAL_US, prober_round, s) < 0)
		return error_set(err, ERR_NOMEM, "%s", error_name(ERR_NOMEM));
	if (monitor_start(s->monitor) < 0)
		return error_set(err, ERR_INTERNAL, "no thread for the prober of Redis");
	return 0;
}

/* Until the prober's first round has ended, or the time that it may take has passed (a name server that does not answer). */
static void await_first_round(struct server *s)
{
	struct timespec until = clock_wait_until(s->redis->config.connect_timeout_us + PING_LIMIT_US);

	pthread_mutex_lock(&s->lock);
	while (!s->probed)
		if (pthread_cond_timedwait(&s->first_round, &s->lock, &until) != 0)
			break;
	pthread_mutex_unlock(&s->lock);
}

static void log_unconfigured(const struct redis *redis)
{
	char usages[64] = "";
	size_t n = 0;

	for (int i = 0; i < REDIS_USAGES; i++)
		if (!redis->usages[i].configured)
			n += (size_t)snprintf(usages + n, sizeof(usages) - n, "%s%s", n ? "," : "", redis_usage_name((enum redis_usage)i));
	if (n)
		log_write(LOG_INFO, "redis", "redis.not_configured", LOG_FIELDS(LOG_STR("usage", usages), LOG_STR("state", "off")),
		          "No Redis is configured for %s: served in this process", usages);
}

int redis_start(struct redis *redis, struct error *err)
{
	if (redis->started)
		return error_set(err, ERR_INVALID, "Redis has been started already");
	redis->started = true;
	log_unconfigured(redis);
	for (int i = 0; i < redis->n_servers; i++) {
		int r = start_prober(&redis->servers[i], err);

		if (r < 0)
			return r;
	}
	for (int i = 0; i < redis->n_servers; i++)
		await_first_round(&redis->servers[i]);
	for (int i = 0; i < REDIS_USAGES; i++)
		if (redis->usages[i].configured)
			usage_give_up_start(&redis->usages[i]);
	return 0;
}

void redis_destroy(struct redis *redis)
{
	if (!redis)
		return;
	metrics_off_collect(redis);
	for (int i = 0; i < redis->n_servers; i++)
		prober_finish(&redis->servers[i]);
	for (int i = 0; i < REDIS_USAGES; i++) {
		pool_finish(&redis->usages[i].pool);
		pthread_mutex_destroy(&redis->usages[i].lock);
		pthread_mutex_destroy(&redis->usages[i].members_lock);
	}
	pthread_rwlock_destroy(&redis->hooks_lock);
	pthread_mutex_destroy(&redis->too_large.lock);
	free(redis);
}

int redis_on_recovery(struct redis *redis, enum redis_usage usage, redis_recovery_hook fn, void *arg)
{
	struct usage *u = &redis->usages[usage];

	if (redis->started || u->n_hooks == HOOKS_MAX)
		return redis->started ? ERR_INVALID : ERR_LIMIT;
	u->hooks[u->n_hooks++] = (struct recovery_hook){ fn, arg };
	return 0;
}

int redis_on_state(struct redis *redis, redis_state_hook fn, void *arg)
{
	if (redis->started || redis->n_state_hooks == HOOKS_MAX)
		return redis->started ? ERR_INVALID : ERR_LIMIT;
	redis->state_hooks[redis->n_state_hooks].fn = fn;
	redis->state_hooks[redis->n_state_hooks++].arg = arg;
	return 0;
}

static void forget_recovery(struct usage *u, const void *arg)
{
	int kept = 0;

	for (int i = 0; i < u->n_hooks; i++)
		if (u->hooks[i].arg != arg)
			u->hooks[kept++] = u->hooks[i];
	u->n_hooks = kept;
}

void redis_off_hooks(struct redis *redis, void *arg)
{
	int kept = 0;

	pthread_rwlock_wrlock(&redis->hooks_lock);
	for (int i = 0; i < REDIS_USAGES; i++)
		forget_recovery(&redis->usages[i], arg);
	for (int i = 0; i < redis->n_state_hooks; i++)
		if (redis->state_hooks[i].arg != arg)
			redis->state_hooks[kept++] = redis->state_hooks[i];
	redis->n_state_hooks = kept;
	pthread_rwlock_unlock(&redis->hooks_lock);
}

bool redis_configured(const struct redis *redis, enum redis_usage usage)
{
	return redis->usages[usage].configured;
}

int redis_database(const struct redis *redis, enum redis_usage usage)
{
	int db = redis->usages[usage].url.db;

	return redis_configured(redis, usage) && db > 0 ? db : 0;
}

const struct redis_url *redis_url_of(const struct redis *redis, enum redis_usage usage)
{
	return &redis->usages[usage].url;
}

bool redis_usable(const struct redis *redis, enum redis_usage usage)
{
	return breaker_allows(&redis->usages[usage].breaker, NULL);
}

const char *redis_origin(const struct redis *redis)
{
	return redis->origin;
}

/* ---- attempts ---- */

static int64_t min_us(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int attempt_begin(struct attempt *a, struct usage *u, struct redis_budget *budget)
{
	*a = (struct attempt){ .usage = u, .budget = budget, .end_us = INT64_MAX };
	if (!breaker_allows(&u->breaker, &a->generation) || (budget && budget->left_us <= 0))
		return ERR_UNAVAILABLE;
	a->start_us = clock_monotonic_us();
	if (budget)
		a->end_us = a->start_us + budget->left_us;
	return 0;
}

int64_t attempt_connect_deadline(const struct attempt *a)
{
	return min_us(clock_monotonic_us() + a->usage->redis->config.connect_timeout_us, a->end_us);
}

int64_t attempt_command_deadline(struct attempt *a)
{
	int64_t now = clock_monotonic_us(), deadline = min_us(now + a->usage->redis->config.command_timeout_us, a->end_us);

	a->granted_us = deadline - now;
	return deadline;
}

struct redis_address *server_address(struct server *s)
{
	struct redis_address *address;

	pthread_mutex_lock(&s->lock);
	address = redis_address_ref(s->address);
	pthread_mutex_unlock(&s->lock);
	return address;
}

int attempt_connect(struct attempt *a, struct redis_conn **ret_conn)
{
	struct redis_address *address = server_address(a->usage->server);
	int64_t deadline = attempt_connect_deadline(a);
	int r;

	if (!address) /* cannot be: it closed by means of an address */
		return error_set(&a->outage.err, ERR_UNAVAILABLE, "%.120s: not resolved", a->usage->url.shown);
	a->granted_us = deadline - clock_monotonic_us();
	r = redis_conn_open(&a->usage->url, address, deadline, ret_conn, &a->outage.kind, &a->outage.err);
	redis_address_destroy(address);
	if (r == 0)
		(*ret_conn)->generation = a->generation;
	return r;
}

int attempt_exchange(struct attempt *a, struct redis_conn *conn, const struct redis_command *commands, size_t n,
                     struct redis_reply **ret_replies)
{
	int r = redis_conn_call(conn, commands, n, attempt_command_deadline(a), ret_replies, &a->outage.kind, &a->outage.err);

	a->outage.by_reply = conn->by_reply;
	return r;
}

/* A timeout says something about Redis only if it had a fair part of its time: a budget that was nearly spent had not. */
static bool was_fair(const struct attempt *a)
{
	return a->granted_us * 2 >= a->usage->redis->config.command_timeout_us;
}

/* Neither our own lack of memory, nor a reply beyond our limits, nor a setup of a link that is not content does. */
static bool speaks_against_redis(const struct attempt *a, int r)
{
	if (r == ERR_NOMEM || r == ERR_LIMIT || a->outage.kind == REDIS_FAILURE_NONE)
		return false;
	return r != ERR_TIMEOUT || was_fair(a);
}

int attempt_end(struct attempt *a, const char *op, int r)
{
	int64_t took_us = clock_monotonic_us() - a->start_us;
	struct usage *u = a->usage;

	if (a->budget)
		a->budget->left_us -= took_us;
	metric_observe_us(usage_op(u, op)->seconds, took_us);
	if (r == 0) {
		breaker_report(&u->breaker, a->generation, BREAKER_SUCCESS);
		return 0;
	}
	a->outage.duration_us = took_us;
	metric_add(u->errors[a->outage.kind ? a->outage.kind : REDIS_OTHER], 1);
	if (speaks_against_redis(a, r))
		usage_failed(u, a->generation, &a->outage);
	return r == ERR_TIMEOUT ? ERR_TIMEOUT : ERR_UNAVAILABLE;
}

int usage_call(struct attempt *a, struct usage *u, struct redis_budget *budget, const char *op, const struct redis_command *commands,
               size_t n, struct redis_reply **ret_replies)
{
	struct redis_conn *conn;
	int r;

	for (size_t i = 0; i < n; i++)
		ret_replies[i] = NULL;
	r = attempt_begin(a, u, budget);
	if (r < 0)
		return r;
	conn = pool_take(&u->pool, a->generation);
	if (!conn)
		r = attempt_connect(a, &conn);
	if (r == 0)
		r = attempt_exchange(a, conn, commands, n, ret_replies);
	pool_give(&u->pool, conn, &u->breaker);
	return attempt_end(a, op, r);
}

int redis_call(struct redis *redis, enum redis_usage usage, struct redis_budget *budget, const char *op,
               const struct redis_command *commands, size_t n, struct redis_reply **ret_replies)
{
	struct attempt a;

	return usage_call(&a, &redis->usages[usage], budget, op, commands, n, ret_replies);
}
