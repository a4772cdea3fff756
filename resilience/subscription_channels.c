/*
 * The channels of a subscription: a table of what is wanted, which any thread may change, and what the connection knows of
 * it, which its own thread brings up to date. A channel that has changed is marked once and waits in a list; the thread sends
 * what is wanted now, so that joining and leaving many times between two of its turns costs one command. A new connection
 * knows nothing: all channels are marked, by the same way.
 *
 * Redis confirms each command for each channel, in order. A channel counts as joined when nothing of it is on its way any
 * more, and is dropped when it has been left and the connection knows nothing of it. All is under the subscription's lock; the
 * thread may use a channel outside of it while the connection knows of it, because then nobody but the thread drops it.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"
#include "resilience/subscription_impl.h"

struct channel {
	LIST_ENTRY(channel) in_bucket;
	TAILQ_ENTRY(channel) in_changed;
	bool wanted;
	bool changed; /* in the list */
	/* What the connection knows; changed by the thread alone */
	bool sent;   /* SUBSCRIBE was the last word */
	int awaited; /* confirmations on their way */
	struct str name;
	char bytes[];
};

/* FNV-1a; names are ours, not a client's. */
static struct channel_bucket *bucket_of(struct channels *c, struct str name)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.s[i]) * 16777619u;
	return &c->buckets[hash % N_ELEMENTS(c->buckets)];
}

static struct channel *find(struct channels *c, struct str name)
{
	struct channel *channel;

	LIST_FOREACH(channel, bucket_of(c, name), in_bucket)
	if (str_equal(channel->name, name))
		return channel;
	return NULL;
}

static struct channel *add(struct channels *c, const char *name)
{
	size_t n = strlen(name);
	struct channel *channel = mem_alloc(sizeof(*channel) + n);

	if (!channel)
		return NULL;
	memcpy(channel->bytes, name, n);
	channel->name = (struct str){ channel->bytes, n };
	LIST_INSERT_HEAD(bucket_of(c, channel->name), channel, in_bucket);
	c->n++;
	return channel;
}

static void mark(struct channels *c, struct channel *channel)
{
	if (channel->changed)
		return;
	channel->changed = true;
	TAILQ_INSERT_TAIL(&c->changed, channel, in_changed);
}

static void drop(struct channels *c, struct channel *channel)
{
	if (channel->changed)
		TAILQ_REMOVE(&c->changed, channel, in_changed);
	LIST_REMOVE(channel, in_bucket);
	c->n--;
	free(channel);
}

/* It has been left, and the connection knows nothing of it. */
static bool is_over(const struct channel *channel)
{
	return !channel->wanted && !channel->sent && channel->awaited == 0;
}

/* It is wanted, and the connection has nothing more to say of it. */
static bool is_joined(const struct channel *channel)
{
	return channel->wanted && channel->sent && channel->awaited == 0 && !channel->changed;
}

size_t channels_count(struct subscription *s)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->channels.n;
	pthread_mutex_unlock(&s->lock);
	return n;
}

void channels_init(struct channels *c)
{
	TAILQ_INIT(&c->changed);
}

void channels_finish(struct channels *c)
{
	struct channel *channel;

	for (size_t i = 0; i < N_ELEMENTS(c->buckets); i++)
		while ((channel = LIST_FIRST(&c->buckets[i])))
			drop(c, channel);
}

/* ---- from any thread ---- */

int subscription_join(struct subscription *s, const char *name)
{
	struct channel *channel;

	pthread_mutex_lock(&s->lock);
	channel = find(&s->channels, str_of(name));
	if (!channel)
		channel = add(&s->channels, name);
	if (channel) {
		channel->wanted = true;
		mark(&s->channels, channel);
	}
	pthread_mutex_unlock(&s->lock);
	if (!channel)
		return ERR_NOMEM;
	subscription_wake(s);
	return 0;
}

void subscription_leave(struct subscription *s, const char *name)
{
	struct channel *channel;

	pthread_mutex_lock(&s->lock);
	channel = find(&s->channels, str_of(name));
	if (channel) {
		channel->wanted = false;
		if (is_over(channel))
			drop(&s->channels, channel);
		else
			mark(&s->channels, channel);
	}
	pthread_mutex_unlock(&s->lock);
	subscription_wake(s);
}

/* ---- on the thread: what is to be said ---- */

/* Names for one SUBSCRIBE and one UNSUBSCRIBE. They stay where they are: only the thread drops channels. */
struct said {
	struct str on[CHANNELS_AT_ONCE + 1], off[CHANNELS_AT_ONCE + 1];
	size_t n_on, n_off;
	struct channel *joined; /* nothing need be said of it, but it must be told */
};

static void say(struct subscription *s, struct said *said, struct channel *channel)
{
	channel->sent = channel->wanted;
	channel->awaited++;
	s->awaited++;
	if (channel->wanted)
		said->on[++said->n_on] = channel->name;
	else
		said->off[++said->n_off] = channel->name;
}

/* Takes channels off the list until one command is full, or one must be told of; false when none was left. */
static bool take_changed(struct subscription *s, struct said *said)
{
	struct channel *channel;
	bool any = false;

	said->n_on = said->n_off = 0;
	said->joined = NULL;
	pthread_mutex_lock(&s->lock);
	while (said->n_on < CHANNELS_AT_ONCE && said->n_off < CHANNELS_AT_ONCE && !said->joined) {
		channel = TAILQ_FIRST(&s->channels.changed);
		if (!channel)
			break;
		any = true;
		TAILQ_REMOVE(&s->channels.changed, channel, in_changed);
		channel->changed = false;
		if (channel->wanted != channel->sent)
			say(s, said, channel);
		else if (is_over(channel))
			drop(&s->channels, channel);
		else if (is_joined(channel))
			said->joined = channel;
	}
	pthread_mutex_unlock(&s->lock);
	return any;
}

static int send_names(struct redis_conn *c, struct str *args, size_t n, struct str verb, int64_t timeout_us, struct outage *o)
{
	struct redis_command command = { args, n + 1 };
	int r;

	if (n == 0)
		return 0;
	args[0] = verb;
	r = redis_conn_send(c, &command, 1, clock_monotonic_us() + timeout_us, &o->err);
	o->kind = c->failure;
	return r;
}

static void tell_joined(struct subscription *s, const struct channel *channel)
{
	if (s->conn && s->config.on_joined)
		s->config.on_joined(channel->name, s->config.arg);
}

int subscription_say_changes(struct subscription *s, struct redis_conn *c, struct outage *o)
{
	int64_t timeout_us = s->redis->config.command_timeout_us;
	struct said said;
	int r = 0;

	while (r == 0 && take_changed(s, &said)) {
		r = send_names(c, said.on, said.n_on, (struct str)STR("SUBSCRIBE"), timeout_us, o);
		if (r == 0)
			r = send_names(c, said.off, said.n_off, (struct str)STR("UNSUBSCRIBE"), timeout_us, o);
		if (r == 0 && said.joined)
			tell_joined(s, said.joined);
	}
	return r;
}

void subscription_confirm(struct subscription *s, struct str name)
{
	struct channel *channel;
	bool joined = false;

	pthread_mutex_lock(&s->lock);
	channel = find(&s->channels, name);
	if (channel && channel->awaited > 0) {
		s->awaited--;
		channel->awaited--;
		joined = is_joined(channel);
		if (is_over(channel))
			drop(&s->channels, channel);
	}
	pthread_mutex_unlock(&s->lock);
	if (joined)
		tell_joined(s, channel);
}

/* ---- on the thread: a connection begins or is lost ---- */

void subscription_forget_connection(struct subscription *s)
{
	struct channel *channel, *next;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < N_ELEMENTS(s->channels.buckets); i++)
		for (channel = LIST_FIRST(&s->channels.buckets[i]); channel; channel = next) {
			next = LIST_NEXT(channel, in_bucket);
			channel->sent = false;
			channel->awaited = 0;
			if (channel->wanted)
				mark(&s->channels, channel);
			else
				drop(&s->channels, channel);
		}
	pthread_mutex_unlock(&s->lock);
	s->awaited = 0;
}
