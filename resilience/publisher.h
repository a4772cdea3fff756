/*
 * Publishing without waiting: a bounded queue and a thread that sends it, in order, through the guarded connections of a usage.
 * Who publishes never waits for Redis; while the usage is down nothing is taken, and what was taken and has not been sent is lost
 * (counted, told to on_lost): what must not be lost is repaired from elsewhere (realtime.md 7, "Several processes").
 *
 * A message whose connection broke before its reply came is sent once more, so it may arrive twice.
 */
#ifndef RESILIENCE_PUBLISHER_H
#define RESILIENCE_PUBLISHER_H

#include "resilience/redis.h"

struct publisher;

struct publisher_config {
	enum redis_usage usage;
	const char *name;                               /* of the thread, at most 15 characters */
	size_t max_messages, max_bytes;                 /* of the queue; > 0 */
	void (*on_lost)(struct str channel, void *arg); /* taken, and not published after all; on the thread; may be NULL */
	void *arg;
};

/* Starts the thread; NULL without memory or threads. The usage must be configured. */
struct publisher *publisher_create(struct redis *, const struct publisher_config *);

/* Sends what is queued as long as Redis takes it, joins, frees. No call may be running. NULL is fine. */
void publisher_destroy(struct publisher *);

/*
 * Takes a message (copied). False when it was not taken: the usage is down, the queue is full, or there is no memory. Waits for
 * nothing. Messages of one thread are published in the order of its calls. Any thread.
 */
bool publisher_put(struct publisher *, struct str channel, struct str payload);

#endif
