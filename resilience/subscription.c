/*
 * The thread sleeps in poll on its connection and on an eventfd by which others call it: the prober (the usage has moved,
 * or is about to close and wants the subscription made again first) and subscription_destroy. All that it reads it reads
 * without waiting, so that a reply that trickles in holds nothing up; a connection that stays silent is found by the
 * canary. Canaries are published through the pool of the usage, that is on another connection, because what they must
 * prove is that a message gets from one connection to the other.
 *
 * A connection belongs to the generation of the breaker under which it was made: closed, or the half_open that is about
 * to become closed. Under any other it is given up.
 */
#include "resilience/subscription.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "resilience/subscription_impl.h"

void subscription_wake(struct subscription *s)
{
	uint64_t one = 1;

	while (write(s->wake_fd, &one, sizeof(one)) < 0)
		if (errno != EINTR)
			break; /* full: it will wake anyway */
}

/* While the usage is closed: a connection that cannot be made is a failure of the usage like any other. */
static void connect_closed(struct subscription *s, uint64_t generation)
{
	struct outage o = { .duration_us = -1 };
	int64_t commands = (int64_t)(channels_count(s) / CHANNELS_AT_ONCE + 1);
	int64_t limit_us = s->redis->config.connect_timeout_us + commands * s->redis->config.command_timeout_us;
	int r = subscription_connect(s, generation, clock_monotonic_us() + limit_us, &o);

	if (r < 0 && o.kind != REDIS_FAILURE_NONE)
		usage_failed(s->usage, generation, &o);
}

/* ---- the thread ---- */

/* Whether a connection of this generation may be used now. */
static bool is_current(const struct subscription *s)
{
	uint64_t now;
	enum breaker_state state = breaker_state(&s->usage->breaker, &now);

	if (state == BREAKER_CLOSED)
		return now == s->generation || now == s->generation + 1;
	return state == BREAKER_HALF_OPEN && now == s->generation;
}

static void serve_renewal(struct subscription *s)
{
	struct outage o = { 0 };
	struct renewal asked;
	int r;

	pthread_mutex_lock(&s->lock);
	asked = s->renewal;
	s->renewal.wanted = false;
	pthread_mutex_unlock(&s->lock);
	if (!asked.wanted)
		return;
	subscription_lose(s);
	r = subscription_connect(s, asked.generation, asked.deadline_us, &o);
	pthread_mutex_lock(&s->lock);
	if (s->renewal.generation == asked.generation) {
		s->renewal.result = r;
		s->renewal.done = true;
	}
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void work(struct subscription *s)
{
	struct outage o = { 0 };
	uint64_t generation;

	serve_renewal(s);
	if (s->conn && (!is_current(s) || subscription_read_all(s) < 0 || subscription_say_changes(s, s->conn, &o) < 0))
		subscription_lose(s);
	if (s->conn)
		subscription_step_canary(s);
	if (!s->conn && breaker_allows(&s->usage->breaker, &generation) && clock_monotonic_us() >= s->retry_at_us)
		connect_closed(s, generation);
}

/* Until a message, a call or the next thing to do; while the usage is open that is a call only. */
static void sleep_until_needed(struct subscription *s)
{
	struct pollfd p[2] = { { .fd = s->wake_fd, .events = POLLIN }, { .fd = -1 } };
	bool timed = s->conn || redis_usable(s->redis, s->config.usage);
	struct timespec ts;
	uint64_t calls;

	subscription_left(&ts, s->conn ? s->canary_at_us : s->retry_at_us);
	if (s->conn) {
		p[1].fd = redis_conn_fd(s->conn);
		p[1].events = s->conn->waits_for;
	}
	if (ppoll(p, 2, timed ? &ts : NULL, NULL) > 0 && (p[0].revents & POLLIN))
		while (read(s->wake_fd, &calls, sizeof(calls)) > 0)
			;
}

static void *run(void *arg)
{
	struct subscription *s = arg;

	while (!atomic_load(&s->stopping)) {
		work(s);
		sleep_until_needed(s);
	}
	redis_conn_destroy(s->conn);
	return NULL;
}

/* ---- as a member of its usage, on the prober's thread ---- */

static struct subscription *subscription_of(struct member *m)
{
	return (struct subscription *)m;
}

static int ask_renewal(struct subscription *s, uint64_t generation, int64_t deadline_us)
{
	struct timespec until;
	int r;

	subscription_until(&until, deadline_us);
	pthread_mutex_lock(&s->lock);
	s->renewal = (struct renewal){ .wanted = true, .generation = generation, .deadline_us = deadline_us };
	subscription_wake(s);
	while (!s->renewal.done)
		if (pthread_cond_timedwait(&s->changed, &s->lock, &until) != 0)
			break;
	r = s->renewal.done ? s->renewal.result : ERR_TIMEOUT;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static int renew(struct member *m, struct redis_conn *trial, uint64_t generation, int64_t deadline_us)
{
	struct subscription *s = subscription_of(m);
	int r = ask_renewal(s, generation, deadline_us);

	if (!s->config.canary_opens_breaker)
		return 0; /* the usage serves without it; it is tried again once the usage has closed */
	return r < 0 ? r : subscription_prove(s, trial, deadline_us);
}

static void moved(struct member *m)
{
	subscription_wake(subscription_of(m));
}

/* ---- life ---- */

static void release(struct subscription *s)
{
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	channels_finish(&s->channels);
	free(s);
}

static struct subscription *create(struct redis *redis, const struct subscription_config *config)
{
	struct subscription *s = mem_alloc(sizeof(*s));
	pthread_condattr_t attributes;

	if (!s)
		return NULL;
	s->redis = redis;
	s->usage = &redis->usages[config->usage];
	s->config = *config;
	s->member.renew = renew;
	s->member.moved = moved;
	channels_init(&s->channels);
	snprintf(s->canary_channel, sizeof(s->canary_channel), "egoejo:canary:%s:%.15s", redis_origin(redis), config->name);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s;
}

/* The canary's channel and those of the config. */
static int join_fixed(struct subscription *s)
{
	int r = subscription_join(s, s->canary_channel);

	for (size_t i = 0; i < s->config.n_channels && r == 0; i++)
		r = subscription_join(s, s->config.channels[i]);
	return r;
}

struct subscription *subscription_create(struct redis *redis, const struct subscription_config *config)
{
	struct subscription *s;
	char name[16];

	if (!redis_configured(redis, config->usage))
		return NULL;
	s = create(redis, config);
	if (!s)
		return NULL;
	if (s->wake_fd < 0 || join_fixed(s) < 0 || pthread_create(&s->thread, NULL, run, s) != 0) {
		release(s);
		return NULL;
	}
	snprintf(name, sizeof(name), "%.15s", config->name);
	pthread_setname_np(s->thread, name);
	usage_add_member(s->usage, &s->member, true);
	subscription_wake(s); /* a move between its first look and now went by unseen */
	return s;
}

void subscription_destroy(struct subscription *s)
{
	if (!s)
		return;
	usage_remove_member(s->usage, &s->member);
	atomic_store(&s->stopping, true);
	subscription_wake(s);
	pthread_join(s->thread, NULL);
	release(s);
}

bool subscription_live(const struct subscription *s)
{
	return atomic_load(&s->live);
}
