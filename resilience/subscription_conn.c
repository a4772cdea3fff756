/*
 * The connection of a subscription: AUTH and the rest as any other, then CLIENT ID, then SUBSCRIBE to all channels. It counts
 * as made when Redis has confirmed each of them; messages that come in between are handed on already.
 * The canary knows three endings: heard, missed once (perhaps late), missed twice (deaf: the usage is down).
 * One that is missed may only be late; the connection is made again at once all the same: what else was published in that second is
 * in doubt as well, and who listens is told so.
 */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "resilience/subscription_impl.h"

#define CANARY_INTERVAL_US US_PER_S
#define CANARY_MISSES      2 /* in a row: the subscription is deaf */

/* ---- what comes in ---- */

static void hear_canary(struct subscription *s, struct str payload)
{
	int64_t counter;

	if (!str_to_uint(payload, &counter))
		return;
	redis_note_canary(s->redis, s->config.usage, clock_monotonic_us());
	s->misses = 0;
	atomic_store(&s->live, true);
	pthread_mutex_lock(&s->lock);
	if (counter > s->heard)
		s->heard = counter;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* One reply of the subscribed connection; negative when it is an error. */
static int take_reply(struct subscription *s, const struct redis_reply *reply)
{
	struct str kind, channel;

	if (redis_reply_type(reply) == REDIS_REPLY_IS_ERROR)
		return ERR_UNAVAILABLE;
	if (redis_reply_size(reply) != 3)
		return 0;
	kind = redis_reply_text(redis_reply_at(reply, 0));
	channel = redis_reply_text(redis_reply_at(reply, 1));
	if (str_is(kind, "subscribe") || str_is(kind, "unsubscribe"))
		subscription_confirm(s, channel);
	else if (!str_is(kind, "message"))
		return 0;
	else if (str_is(channel, s->canary_channel))
		hear_canary(s, redis_reply_text(redis_reply_at(reply, 2)));
	else if (s->config.on_message)
		s->config.on_message(channel, redis_reply_at(reply, 2), s->config.arg);
	return 0;
}

static int read_all(struct subscription *s)
{
	struct redis_reply *reply;
	int r;

	while ((r = redis_conn_try(s->conn, &reply)) > 0) {
		r = take_reply(s, reply);
		redis_replies_free(&reply, 1);
		if (r < 0 || atomic_load(&s->stopping))
			return r;
	}
	return r;
}

int subscription_read_all(struct subscription *s)
{
	int r = read_all(s);

	if (s->config.on_pause)
		s->config.on_pause(s->config.arg);
	return r;
}

/* ---- connecting ---- */

static int ask_client_id(struct redis_conn *c, int64_t deadline_us, int64_t *ret_id, struct outage *o)
{
	const struct redis_command command = REDIS_COMMAND(STR("CLIENT"), STR("ID"));
	struct redis_reply *reply;
	int r = redis_conn_call(c, &command, 1, deadline_us, &reply, &o->kind, &o->err);

	if (r < 0)
		return r;
	*ret_id = redis_reply_int(reply); /* 0 when the server does not tell */
	redis_replies_free(&reply, 1);
	return 0;
}

static int await_confirmations(struct subscription *s, struct redis_conn *c, int64_t deadline_us, struct outage *o)
{
	struct redis_reply *reply;

	while (s->awaited > 0) {
		int r = redis_conn_receive(c, deadline_us, &reply, &o->kind, &o->err);

		if (r < 0)
			return r;
		r = take_reply(s, reply);
		if (s->config.on_pause)
			s->config.on_pause(s->config.arg);
		if (r < 0)
			error_set(&o->err, r, "SUBSCRIBE: %.*s", STR_ARG(redis_reply_text(reply)));
		redis_replies_free(&reply, 1);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A connection subscribed to everything, its client id in *ret_id. */
static int open_subscribed(struct subscription *s, int64_t deadline_us, struct redis_conn **ret_conn, int64_t *ret_id, struct outage *o)
{
	struct redis_address *address = server_address(s->usage->server);
	struct redis_conn *c = NULL;
	int r;

	if (!address)
		return ERR_UNAVAILABLE;
	r = redis_conn_open(&s->usage->url, address, deadline_us, &c, &o->kind, &o->err);
	redis_address_destroy(address);
	if (r == 0)
		r = ask_client_id(c, deadline_us, ret_id, o);
	if (r == 0)
		r = subscription_say_changes(s, c, o);
	if (r == 0)
		r = await_confirmations(s, c, deadline_us, o);
	if (r < 0) {
		redis_conn_destroy(c);
		subscription_forget_connection(s);
		return r;
	}
	*ret_conn = c;
	return 0;
}

void subscription_lose(struct subscription *s)
{
	if (!s->conn)
		return;
	redis_conn_destroy(s->conn);
	s->conn = NULL;
	subscription_forget_connection(s);
	atomic_store(&s->live, false);
	s->retry_at_us = s->connected_at_us + s->redis->config.retry_us; /* one that lasted is made again at once */
	if (s->config.on_state)
		s->config.on_state(false, 0, s->config.arg);
}

int subscription_connect(struct subscription *s, uint64_t generation, int64_t deadline_us, struct outage *o)
{
	int64_t id = 0;
	int r = open_subscribed(s, deadline_us, &s->conn, &id, o);

	s->connected_at_us = clock_monotonic_us();
	if (r < 0) {
		s->retry_at_us = s->connected_at_us + s->redis->config.retry_us;
		return r;
	}
	s->generation = generation;
	s->canary_at_us = s->connected_at_us;
	s->expected = 0;
	atomic_store(&s->live, true);
	if (s->config.on_state)
		s->config.on_state(true, id, s->config.arg);
	return 0;
}

/* ---- the canary ---- */

/* The digits are in the caller's buffer, the command points into it. */
static struct str canary_payload(char digits[24], int64_t counter)
{
	return (struct str){ digits, (size_t)snprintf(digits, 24, "%lld", (long long)counter) };
}

static bool publish_canary(struct subscription *s, int64_t counter)
{
	char digits[24];
	struct str payload = canary_payload(digits, counter);
	const struct redis_command command = REDIS_COMMAND(STR("PUBLISH"), str_of(s->canary_channel), payload);
	struct redis_reply *reply;
	bool sent;

	if (redis_call(s->redis, s->config.usage, NULL, "canary", &command, 1, &reply) < 0)
		return false;
	sent = redis_reply_type(reply) == REDIS_REPLY_IS_INT;
	redis_replies_free(&reply, 1);
	return sent;
}

static void declare_deaf(struct subscription *s)
{
	if (s->config.canary_opens_breaker)
		redis_report_failure(s->redis, s->config.usage, redis_failure_name(REDIS_TIMEOUT), "what is published does not arrive");
	s->misses = 0;
}

void subscription_step_canary(struct subscription *s)
{
	int64_t counter;

	if (clock_monotonic_us() < s->canary_at_us)
		return;
	s->canary_at_us = clock_monotonic_us() + CANARY_INTERVAL_US;
	if (s->expected > s->heard) {
		if (++s->misses >= CANARY_MISSES)
			declare_deaf(s);
		subscription_lose(s);
		s->retry_at_us = 0;
		return;
	}
	if (!redis_usable(s->redis, s->config.usage))
		return;
	counter = atomic_fetch_add(&s->counter, 1) + 1;
	s->expected = publish_canary(s, counter) ? counter : 0; /* what was not published proves nothing */
}

/* Publishes on the trial's connection, since callers are not let in yet, and waits until it has come round. */
int subscription_prove(struct subscription *s, struct redis_conn *trial, int64_t deadline_us)
{
	int64_t counter = atomic_fetch_add(&s->counter, 1) + 1;
	char digits[24];
	struct str payload = canary_payload(digits, counter);
	const struct redis_command command = REDIS_COMMAND(STR("PUBLISH"), str_of(s->canary_channel), payload);
	struct redis_reply *reply;
	struct timespec until;
	int r = redis_conn_call(trial, &command, 1, deadline_us, &reply, NULL, NULL);

	if (r < 0)
		return r;
	redis_replies_free(&reply, 1);
	subscription_until(&until, deadline_us);
	pthread_mutex_lock(&s->lock);
	while (s->heard < counter)
		if (pthread_cond_timedwait(&s->changed, &s->lock, &until) != 0)
			break;
	r = s->heard < counter ? ERR_TIMEOUT : 0;
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* ---- time ---- */

void subscription_left(struct timespec *ts, int64_t at_us)
{
	int64_t left = at_us - clock_monotonic_us();

	if (left < 0)
		left = 0;
	ts->tv_sec = (time_t)(left / US_PER_S);
	ts->tv_nsec = (long)(left % US_PER_S) * 1000;
}

void subscription_until(struct timespec *until, int64_t deadline_us)
{
	struct timespec left;

	subscription_left(&left, deadline_us);
	clock_gettime(CLOCK_MONOTONIC, until);
	until->tv_sec += left.tv_sec;
	until->tv_nsec += left.tv_nsec;
	if (until->tv_nsec >= 1000000000) {
		until->tv_nsec -= 1000000000;
		until->tv_sec++;
	}
}
