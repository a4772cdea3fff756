/*
 * A link: one connection that calls take turns on. Whoever has the turn has the connection; waiting for the turn is
 * bounded like any other waiting.
 */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "resilience/redis_impl.h"

struct redis_link {
	struct member member; /* first */
	struct usage *usage;
	redis_link_setup setup;
	void *arg;
	pthread_mutex_t lock; /* taken */
	pthread_cond_t free;
	bool taken;
	struct redis_conn *conn; /* of whoever has the turn */
	atomic_bool reset;       /* the connection is to be closed before its next use */
};

static bool wait_turn(struct redis_link *l, int64_t wait_us)
{
	struct timespec until = clock_wait_until(wait_us);
	bool got;

	pthread_mutex_lock(&l->lock);
	while (l->taken)
		if (pthread_cond_timedwait(&l->free, &l->lock, &until) != 0)
			break;
	got = !l->taken;
	l->taken = true;
	pthread_mutex_unlock(&l->lock);
	return got;
}

static void end_turn(struct redis_link *l)
{
	pthread_mutex_lock(&l->lock);
	l->taken = false;
	pthread_cond_signal(&l->free);
	pthread_mutex_unlock(&l->lock);
}

static void close_link(struct redis_link *l)
{
	redis_conn_destroy(l->conn);
	l->conn = NULL;
}

/* Runs setup on the new connection; what it does not like is not kept. */
static int set_up(struct redis_link *l, int64_t deadline_us, struct outage *o)
{
	int r = l->setup ? l->setup(l->conn, deadline_us, l->arg) : 0;

	if (r >= 0 && !l->conn->broken)
		return 0;
	o->kind = l->conn->broken ? l->conn->failure : REDIS_FAILURE_NONE;
	o->by_reply = l->conn->by_reply;
	if (l->conn->broken)
		o->err = l->conn->error;
	r = l->conn->broken ? l->conn->error.code : r;
	close_link(l);
	return r;
}

/* With the turn: a connection of this attempt's generation, set up. */
static int prepare(struct redis_link *l, struct attempt *a)
{
	int r;

	if (atomic_exchange(&l->reset, false) || (l->conn && l->conn->generation != a->generation))
		close_link(l);
	if (l->conn && !redis_conn_idle_ok(l->conn))
		close_link(l);
	if (l->conn)
		return 0;
	r = attempt_connect(a, &l->conn);
	return r < 0 ? r : set_up(l, attempt_connect_deadline(a), &a->outage);
}

int redis_link_call(struct redis_link *l, struct redis_budget *budget, const char *op, const struct redis_command *commands, size_t n,
                    struct redis_reply **ret_replies)
{
	struct attempt a;
	int64_t waited_us;
	int r;

	for (size_t i = 0; i < n; i++)
		ret_replies[i] = NULL;
	r = attempt_begin(&a, l->usage, budget);
	if (r < 0)
		return r;
	if (!wait_turn(l, attempt_command_deadline(&a) - clock_monotonic_us())) {
		waited_us = clock_monotonic_us() - a.start_us;
		if (budget)
			budget->left_us -= waited_us;
		return ERR_TIMEOUT; /* others had the turn: no word against Redis */
	}
	r = prepare(l, &a);
	if (r == 0)
		r = attempt_exchange(&a, l->conn, commands, n, ret_replies);
	if (r < 0)
		close_link(l);
	end_turn(l);
	return attempt_end(&a, op, r);
}

void redis_link_reset(struct redis_link *l)
{
	atomic_store(&l->reset, true);
}

/* ---- as a member of its usage ---- */

static struct redis_link *link_of(struct member *m)
{
	return (struct redis_link *)m;
}

static int renew(struct member *m, struct redis_conn *trial, uint64_t generation, int64_t deadline_us)
{
	struct redis_link *l = link_of(m);
	struct redis_address *address;
	struct outage o = { 0 };
	int r;

	(void)trial;
	if (!wait_turn(l, deadline_us - clock_monotonic_us()))
		return ERR_TIMEOUT;
	atomic_store(&l->reset, false);
	close_link(l);
	address = server_address(l->usage->server);
	r = redis_conn_open(&l->usage->url, address, deadline_us, &l->conn, &o.kind, &o.err);
	redis_address_destroy(address);
	if (r == 0) {
		l->conn->generation = generation + 1; /* the one that closing makes */
		r = set_up(l, deadline_us, &o);
		if (r < 0 && o.kind == REDIS_FAILURE_NONE)
			r = 0; /* setup itself was not content: the next call tries again, Redis is fine */
	}
	end_turn(l);
	return r;
}

static void moved(struct member *m)
{
	struct redis_link *l = link_of(m);

	if (breaker_allows(&l->usage->breaker, NULL) || !wait_turn(l, 0))
		return; /* its call fails of itself, and closes it */
	close_link(l);
	end_turn(l);
}

/* ---- life ---- */

struct redis_link *redis_link_create(struct redis *redis, enum redis_usage usage, redis_link_setup setup, void *arg)
{
	struct redis_link *l = mem_alloc(sizeof(*l));
	pthread_condattr_t attributes;

	if (!l)
		return NULL;
	l->member.renew = renew;
	l->member.moved = moved;
	l->usage = &redis->usages[usage];
	l->setup = setup;
	l->arg = arg;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&l->free, &attributes);
	pthread_condattr_destroy(&attributes);
	usage_add_member(l->usage, &l->member, false);
	return l;
}

void redis_link_destroy(struct redis_link *l)
{
	if (!l)
		return;
	usage_remove_member(l->usage, &l->member);
	close_link(l);
	pthread_cond_destroy(&l->free);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

void usage_add_member(struct usage *u, struct member *m, bool first)
{
	struct member **at = &u->members;

	pthread_mutex_lock(&u->members_lock);
	while (!first && *at)
		at = &(*at)->next;
	m->next = *at;
	*at = m;
	pthread_mutex_unlock(&u->members_lock);
}

void usage_remove_member(struct usage *u, struct member *m)
{
	struct member **at = &u->members;

	pthread_mutex_lock(&u->members_lock);
	while (*at && *at != m)
		at = &(*at)->next;
	if (*at)
		*at = m->next;
	pthread_mutex_unlock(&u->members_lock);
}
