#include "api/connection.h"

#include <sched.h>

static uint64_t word_of(enum phase phase, int64_t deadline_us)
{
	return (uint64_t)(deadline_us / 1000) << 4 | (uint64_t)phase;
}

void connection_set(struct connection *c, enum phase phase, int64_t deadline_us)
{
	c->seen = word_of(phase, deadline_us);
	atomic_store_explicit(&c->word, c->seen, memory_order_release);
}

bool connection_move(struct connection *c, enum phase phase, int64_t deadline_us)
{
	uint64_t next = word_of(phase, deadline_us);

	if (!atomic_compare_exchange_strong_explicit(&c->word, &(uint64_t){ c->seen }, next, memory_order_acq_rel, memory_order_acquire))
		return false;
	c->seen = next;
	return true;
}

bool connection_take(struct connection *c, uint64_t seen)
{
	return atomic_compare_exchange_strong_explicit(&c->word, &seen, PHASE_CUTTING, memory_order_acq_rel, memory_order_relaxed);
}

void connection_give_back(struct connection *c)
{
	atomic_store_explicit(&c->word, PHASE_CUT, memory_order_release);
}

void connection_end(struct connection *c)
{
	uint64_t seen = atomic_load_explicit(&c->word, memory_order_acquire);

	for (;;) {
		if (connection_phase(seen) == PHASE_CUTTING) {
			sched_yield();
			seen = atomic_load_explicit(&c->word, memory_order_acquire);
		} else if (atomic_compare_exchange_weak_explicit(&c->word, &seen, PHASE_CUT, memory_order_acq_rel, memory_order_acquire)) {
			return;
		}
	}
}

void connection_forget(struct connection *c)
{
	atomic_store_explicit(&c->word, PHASE_NONE, memory_order_release);
}
