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

/* The word once the sweep is done with the socket; or, when it has been taken for good and that is enough to know, at once. */
static uint64_t settled(struct connection *c, bool wait_for_cut)
{
	uint64_t word = atomic_load_explicit(&c->word, memory_order_acquire);

	while (connection_phase(word) == PHASE_LOOKING || (wait_for_cut && connection_phase(word) == PHASE_CUTTING)) {
		sched_yield();
		word = atomic_load_explicit(&c->word, memory_order_acquire);
	}
	return word;
}

bool connection_move(struct connection *c, enum phase phase, int64_t deadline_us)
{
	uint64_t next = word_of(phase, deadline_us);

	while (!atomic_compare_exchange_strong_explicit(&c->word, &(uint64_t){ c->seen }, next, memory_order_acq_rel, memory_order_acquire))
		if (settled(c, false) != c->seen)
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

bool connection_borrow(struct connection *c, uint64_t seen)
{
	return atomic_compare_exchange_strong_explicit(&c->word, &seen, PHASE_LOOKING, memory_order_acq_rel, memory_order_relaxed);
}

void connection_return(struct connection *c, uint64_t seen)
{
	atomic_store_explicit(&c->word, seen, memory_order_release);
}

void connection_end(struct connection *c)
{
	uint64_t word = settled(c, true);

	while (!atomic_compare_exchange_weak_explicit(&c->word, &word, PHASE_CUT, memory_order_acq_rel, memory_order_acquire))
		word = settled(c, true);
}

void connection_forget(struct connection *c)
{
	atomic_store_explicit(&c->word, PHASE_NONE, memory_order_release);
}
