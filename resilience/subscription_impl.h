/*
 * Inside of a subscription: subscription.c is its thread and its life, subscription_channels.c what it is subscribed to,
 * subscription_conn.c its connection and its canary.
 */
#ifndef RESILIENCE_SUBSCRIPTION_IMPL_H
#define RESILIENCE_SUBSCRIPTION_IMPL_H

#include <sys/queue.h>

#include "resilience/redis_impl.h"
#include "resilience/subscription.h"

struct channel;

/* What is wanted, and what of it the connection does not know yet. Under the subscription's lock. */
struct channels {
	LIST_HEAD(channel_bucket, channel) buckets[1024];
	TAILQ_HEAD(, channel) changed;
	size_t n;
};

#define CHANNELS_AT_ONCE 512 /* of one SUBSCRIBE */

/* What the prober asks for and gets, under the lock. */
struct renewal {
	bool wanted;
	bool done;
	uint64_t generation;
	int64_t deadline_us;
	int result;
};

struct subscription {
	struct member member; /* first */
	struct redis *redis;
	struct usage *usage;
	struct subscription_config config;
	char canary_channel[64];
	pthread_t thread;
	int wake_fd;
	atomic_bool stopping;
	atomic_bool live;
	_Atomic int64_t counter; /* of the last canary published */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* renewal.done, heard */
	struct renewal renewal;
	int64_t heard; /* counter of the last canary received; written by the thread */
	struct channels channels;
	/* The thread's own: */
	struct redis_conn *conn;
	uint64_t generation; /* of conn */
	size_t awaited;      /* confirmations that are on their way, over all channels */
	int64_t connected_at_us;
	int64_t retry_at_us;  /* no connect before */
	int64_t canary_at_us; /* when the next one is due */
	int64_t expected;     /* counter that must have been heard by then; 0 = none */
	int misses;
};

/* Calls the thread. Any thread. */
void subscription_wake(struct subscription *);

/* ---- subscription_channels.c ---- */

/* An empty table of a zeroed struct; freeing all of it. */
void channels_init(struct channels *);
void channels_finish(struct channels *);

/* How many are wanted, or on their way out. Any thread. */
size_t channels_count(struct subscription *);

/* The rest: the subscription's thread only. */

/* Sends what has changed on c, each command within the command timeout; negative with the reason in *o. */
int subscription_say_changes(struct subscription *, struct redis_conn *c, struct outage *o);

/* Redis has confirmed a SUBSCRIBE or UNSUBSCRIBE of this channel. */
void subscription_confirm(struct subscription *, struct str channel);

/* What was said counts for nothing: all that is wanted is to be said to the next connection. */
void subscription_forget_connection(struct subscription *);

/* ---- subscription_conn.c ----
 * All functions: the subscription's thread only, unless said otherwise. */

/* Handles all that has come, without waiting; negative when the connection is lost. */
int subscription_read_all(struct subscription *);

/* A connection of this generation, subscribed to everything, by the deadline; on failure the reason is in *o. */
int subscription_connect(struct subscription *, uint64_t generation, int64_t deadline_us, struct outage *o);

/* Closes the connection, if there is one, and tells. */
void subscription_lose(struct subscription *);

/* Once a second: was the last canary heard? Then sends the next. */
void subscription_step_canary(struct subscription *);

/* On the prober's thread: a canary by way of this connection comes round by the deadline. */
int subscription_prove(struct subscription *, struct redis_conn *, int64_t deadline_us);

/* pthread_cond_timedwait's form of a deadline of our clock. Any thread. */
void subscription_until(struct timespec *ret_until, int64_t deadline_us);

/* What is left until at_us, not below zero. Any thread. */
void subscription_left(struct timespec *ret_left, int64_t at_us);

#endif
