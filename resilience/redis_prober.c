/*
 * The prober of one server: a monitor of its own, so that one server that hangs does not delay the recovery of another.
 * It is the only thread that resolves names and the only one that ever waits for a Redis that is down.
 *
 * A round asks for one PING (shared by the usages on that server) when some usage is closed or a retry is due, tells
 * the breakers, and makes the trials that are due. A round that has nothing to ask only lets go of what belongs to an
 * older generation. Regular rounds come every 500 ms; a retry, or a failure that a caller met, brings one earlier.
 */
#include "base/clock.h"
#include "resilience/redis_impl.h"

#define RESOLVE_EVERY_US (2 * US_PER_S) /* while connecting fails the name may mean another address by now */

/* ---- the server: address and PING ---- */

/* Replaces the address; the old one stays when the name cannot be resolved. */
static int resolve(struct server *s, struct error *err)
{
	struct redis_address *found = redis_address_resolve(&s->url, err), *old;

	s->resolved_at_us = clock_monotonic_us();
	if (!found)
		return ERR_UNAVAILABLE;
	pthread_mutex_lock(&s->lock);
	old = s->address;
	s->address = found;
	pthread_mutex_unlock(&s->lock);
	redis_address_destroy(old);
	return 0;
}

static int open_conn(struct server *s, const struct redis_url *url, struct redis_conn **ret_conn, struct outage *o)
{
	int64_t deadline = clock_monotonic_us() + s->redis->config.connect_timeout_us;

	o->by_reply = false;
	return redis_conn_open(url, s->address, deadline, ret_conn, &o->kind, &o->err);
}

static int ping(struct redis_conn *c, struct outage *o)
{
	const struct redis_command command = REDIS_COMMAND(STR("PING"));
	struct redis_reply *reply;
	int r = redis_conn_call(c, &command, 1, clock_monotonic_us() + PING_LIMIT_US, &reply, &o->kind, &o->err);

	o->by_reply = c->by_reply;
	if (r < 0)
		return r;
	if (!str_is(redis_reply_text(reply), "PONG")) {
		o->kind = redis_error_is(reply, "NOPERM") ? REDIS_AUTH : REDIS_OTHER;
		r = error_set(&o->err, ERR_UNAVAILABLE, "%.72s: PING: %.*s", c->shown, STR_ARG(redis_reply_text(reply)));
	}
	redis_replies_free(&reply, 1);
	return r;
}

static void close_conn(struct server *s)
{
	redis_conn_destroy(s->conn);
	s->conn = NULL;
}

/*
 * PING on the connection kept for it; when that one has been closed, on a new one: a restart, or a server that closes
 * idle clients, is no outage if it answers now.
 */
static int ping_server(struct server *s, struct outage *o)
{
	struct redis_conn *fresh;
	int r;

	if (s->conn) {
		r = ping(s->conn, o);
		if (r == 0)
			return 0;
		close_conn(s);
		if (o->kind != REDIS_RESET)
			return r;
	}
	if (!s->address) {
		o->kind = REDIS_OTHER;
		r = resolve(s, &o->err);
		if (r < 0)
			return r;
	}
	r = open_conn(s, &s->url, &fresh, o);
	if (r < 0)
		return r;
	s->conn = fresh;
	r = ping(fresh, o);
	if (r < 0)
		close_conn(s);
	return r;
}

/* ---- trials ---- */

static int renew_members(struct usage *u, struct redis_conn *c, uint64_t generation, struct outage *o)
{
	int64_t limit_us = 2 * u->redis->config.connect_timeout_us + PING_LIMIT_US;
	int r = 0;

	pthread_mutex_lock(&u->members_lock);
	for (struct member *m = u->members; m && r >= 0; m = m->next)
		r = m->renew(m, c, generation, clock_monotonic_us() + limit_us);
	pthread_mutex_unlock(&u->members_lock);
	if (r < 0)
		error_set(&o->err, r, "%.72s: a link or subscription cannot be renewed: %s", u->url.shown, error_name(r));
	return r;
}

static void tell_members(struct usage *u)
{
	pthread_mutex_lock(&u->members_lock);
	for (struct member *m = u->members; m; m = m->next)
		m->moved(m);
	pthread_mutex_unlock(&u->members_lock);
}

static int run_hooks(struct usage *u, struct redis_conn *c, struct outage *o)
{
	int64_t deadline = clock_monotonic_us() + HOOKS_LIMIT_US;
	int r = 0;

	pthread_rwlock_rdlock(&u->redis->hooks_lock);
	for (int i = 0; i < u->n_hooks && r >= 0; i++)
		r = u->hooks[i].fn(c, deadline, u->hooks[i].arg);
	pthread_rwlock_unlock(&u->redis->hooks_lock);
	if (r < 0)
		error_set(&o->err, r, "%.72s: what the outage left cannot be repaired: %s", u->url.shown, error_name(r));
	return r;
}

/* All that must work before the usage closes, on a connection of its own. */
static int try_usage(struct usage *u, struct redis_conn *c, uint64_t generation, struct outage *o)
{
	int r = ping(c, o);

	if (r == 0 && (u->id == REDIS_CACHE || atomic_load(&u->trial_writes)))
		r = health_check(c, clock_monotonic_us() + PING_LIMIT_US, o);
	if (r < 0)
		return r;
	*o = (struct outage){ .kind = REDIS_OTHER, .duration_us = -1, .certain = true };
	r = renew_members(u, c, generation, o);
	if (r >= 0 && u->started)
		r = run_hooks(u, c, o);
	if (r < 0 && c->broken)
		o->kind = c->failure;
	return r < 0 ? r : 0;
}

static void make_trial(struct usage *u, uint64_t generation)
{
	struct outage o = { .duration_us = -1, .certain = true };
	struct redis_conn *c = NULL;
	int r = open_conn(u->server, &u->url, &c, &o);

	if (r == 0)
		r = try_usage(u, c, generation, &o);
	if (r < 0 || c->broken) {
		metric_add(u->errors[o.kind ? o.kind : REDIS_OTHER], 1);
		redis_conn_destroy(c);
		usage_failed(u, generation, &o);
		return;
	}
	c->generation = generation + 1; /* the one that closing makes */
	usage_recovered(u, generation);
	pool_add(&u->pool, c, &u->breaker);
	tell_members(u);
}

/* ---- rounds ---- */

static bool belongs(const struct usage *u, const struct server *s)
{
	return u->configured && u->server == s;
}

static bool is_due(const struct usage *u)
{
	enum breaker_state state = breaker_state(&u->breaker, NULL);

	return state == BREAKER_CLOSED || (state == BREAKER_OPEN && breaker_retry_at_us(&u->breaker) <= clock_monotonic_us());
}

static void check_usage(struct usage *u, int ping_result, const struct outage *o, int64_t latency_us)
{
	uint64_t generation;
	bool closed = breaker_allows(&u->breaker, &generation);

	if (ping_result == 0)
		atomic_store(&u->latency_us, latency_us);
	if (!closed && !usage_begin_trial(u, &generation))
		return;
	if (ping_result < 0) {
		metric_add(u->errors[o->kind ? o->kind : REDIS_OTHER], 1);
		usage_failed(u, generation, o);
	} else if (!closed) {
		make_trial(u, generation);
	}
}

static void check_server(struct server *s)
{
	struct outage o = { .certain = true };
	int64_t start_us = clock_monotonic_us();
	int r = ping_server(s, &o);
	int64_t took_us = clock_monotonic_us() - start_us;
	struct error ignored;

	o.duration_us = took_us;
	for (int i = 0; i < REDIS_USAGES; i++)
		if (belongs(&s->redis->usages[i], s))
			check_usage(&s->redis->usages[i], r, &o, took_us);
	/* After the outage has been told, because this may take long. */
	if (r < 0 && s->address && clock_monotonic_us() - s->resolved_at_us >= RESOLVE_EVERY_US)
		resolve(s, &ignored);
}

/* What a usage that is not closed still holds of an older generation. */
static void let_go(struct usage *u)
{
	if (breaker_allows(&u->breaker, NULL))
		return;
	pool_drain(&u->pool);
	tell_members(u);
}

static void end_first_round(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	s->probed = true;
	pthread_cond_signal(&s->first_round);
	pthread_mutex_unlock(&s->lock);
}

void prober_round(void *server)
{
	struct server *s = server;
	struct usage *usages = s->redis->usages;
	bool due = false;

	for (int i = 0; i < REDIS_USAGES; i++)
		due = due || (belongs(&usages[i], s) && is_due(&usages[i]));
	if (due)
		check_server(s);
	for (int i = 0; i < REDIS_USAGES; i++) {
		if (!belongs(&usages[i], s))
			continue;
		let_go(&usages[i]);
		if (breaker_state(&usages[i].breaker, NULL) == BREAKER_OPEN)
			monitor_again_at(s->monitor, breaker_retry_at_us(&usages[i].breaker));
	}
	end_first_round(s);
}

void prober_finish(struct server *s)
{
	monitor_destroy(s->monitor);
	redis_conn_destroy(s->conn);
	redis_address_destroy(s->address);
	pthread_cond_destroy(&s->first_round);
	pthread_mutex_destroy(&s->lock);
}
