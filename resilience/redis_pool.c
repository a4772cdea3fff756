/*
 * The connections that a usage keeps. Each belongs to a generation of the breaker: one of another generation is closed
 * and never used again, so that nothing sent before an outage is answered after it. An idle one is looked at before use:
 * a server that restarted or closed idle clients is no outage as long as it takes a new connection.
 */
#include "base/clock.h"
#include "resilience/redis_impl.h"

#define TRUSTED_IDLE_US (50 * US_PER_MS) /* used so recently that looking costs more than it finds */

void pool_init(struct pool *p, int size)
{
	pthread_mutex_init(&p->lock, NULL);
	p->size = size < 1 ? 1 : size > POOL_MAX ? POOL_MAX : size;
}

static struct redis_conn *pop(struct pool *p)
{
	struct redis_conn *c = NULL;

	pthread_mutex_lock(&p->lock);
	if (p->n_idle)
		c = p->idle[--p->n_idle];
	pthread_mutex_unlock(&p->lock);
	return c;
}

static bool still_good(struct redis_conn *c, uint64_t generation)
{
	if (c->generation != generation)
		return false;
	return clock_monotonic_us() - c->last_used_us < TRUSTED_IDLE_US || redis_conn_idle_ok(c);
}

struct redis_conn *pool_take(struct pool *p, uint64_t generation)
{
	struct redis_conn *c;

	atomic_fetch_add(&p->busy, 1);
	while ((c = pop(p))) {
		if (still_good(c, generation))
			return c;
		redis_conn_destroy(c);
	}
	return NULL;
}

static bool push(struct pool *p, struct redis_conn *c, const struct breaker *b)
{
	uint64_t generation;
	bool kept = false;

	pthread_mutex_lock(&p->lock);
	if (breaker_allows(b, &generation) && c->generation == generation && p->n_idle < p->size) {
		p->idle[p->n_idle++] = c;
		kept = true;
	}
	pthread_mutex_unlock(&p->lock);
	return kept;
}

void pool_give(struct pool *p, struct redis_conn *c, const struct breaker *b)
{
	atomic_fetch_sub(&p->busy, 1);
	if (!c)
		return;
	c->last_used_us = clock_monotonic_us();
	if (!redis_conn_settled(c) || !push(p, c, b))
		redis_conn_destroy(c);
}

void pool_add(struct pool *p, struct redis_conn *c, const struct breaker *b)
{
	atomic_fetch_add(&p->busy, 1);
	pool_give(p, c, b);
}

void pool_drain(struct pool *p)
{
	struct redis_conn *c;

	while ((c = pop(p)))
		redis_conn_destroy(c);
}

void pool_finish(struct pool *p)
{
	pool_drain(p);
	pthread_mutex_destroy(&p->lock);
}
