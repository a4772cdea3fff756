/*
 * A waiting connection: one of its own for commands that wait on the server for something to come (BRPOP), which the pool and its
 * limits are not made for (spec resilience.md 2.1). One command at a time is on its way; its reply is asked for without waiting, so
 * that the thread can wait for other things too (redis_waiter_fd).
 *
 * Silence is not yet loss: while the usage is down the connection is kept for a while, because what the server took for us
 * before it hung comes as soon as it goes on; closed, it would be handed to nobody. While the usage is closed a command
 * that has not been answered a second after its own end is given up, and the connection with it.
 *
 * One thread at a time.
 */
#ifndef RESILIENCE_REDIS_WAITER_H
#define RESILIENCE_REDIS_WAITER_H

#include "resilience/redis.h"

struct redis_waiter;

/* Connects at the first command. NULL without memory. */
struct redis_waiter *redis_waiter_create(struct redis *, enum redis_usage);

/* Closes and frees; what was on its way is lost. Before redis_destroy. NULL is fine. */
void redis_waiter_destroy(struct redis_waiter *);

/*
 * Sends the command, which the server answers within blocks_us; nothing may be on its way. 0, or ERR_UNAVAILABLE, ERR_TIMEOUT:
 * it was not sent whole, and the breaker knows.
 */
int redis_waiter_send(struct redis_waiter *, const struct redis_command *, int64_t blocks_us);

/* Whether a reply is owed. */
bool redis_waiter_pending(const struct redis_waiter *);

/*
 * The reply, if it is there: 1 (the caller's: redis_replies_free), 0 when not yet. Negative: the connection is lost and nothing is
 * on its way any more: ERR_UNAVAILABLE, or ERR_TIMEOUT for one that stayed silent although the usage is closed. Waits for nothing.
 */
int redis_waiter_receive(struct redis_waiter *, struct redis_reply **ret_reply);

/* The socket, for poll (POLLIN); -1 when nothing is on its way. */
int redis_waiter_fd(const struct redis_waiter *);

#endif
