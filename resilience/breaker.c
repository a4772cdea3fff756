/*
 * State and generation share one word, so that a move is one compare-and-swap: of all threads that ask for it at the same
 * time one succeeds, and each later one finds a generation that is not its own. The retry time is written before the
 * move to open can be seen; a thread that then loses the race has written nearly the same value.
 */
#include "resilience/breaker.h"

#include <stddef.h>

#include "base/clock.h"

#define STATE_BITS           2
#define STATE_MASK           UINT64_C(3)
#define TIMEOUTS_IN_A_ROW_US (5 * US_PER_S) /* the second one opens when it comes within this time of the first */

/* What may follow what. */
static const bool allowed[BREAKER_STATES][BREAKER_STATES] = {
	[BREAKER_CLOSED] = { [BREAKER_OPEN] = true },
	[BREAKER_OPEN] = { [BREAKER_HALF_OPEN] = true },
	[BREAKER_HALF_OPEN] = { [BREAKER_CLOSED] = true, [BREAKER_OPEN] = true },
};

static enum breaker_state state_of(uint64_t word)
{
	return (enum breaker_state)(word & STATE_MASK);
}

static void init(struct breaker *b, enum breaker_state state, int64_t retry_us,
                 void (*on_move)(struct breaker *, enum breaker_state, enum breaker_state, void *), void *arg)
{
	b->retry_us = retry_us;
	b->on_move = on_move;
	b->arg = arg;
	atomic_init(&b->word, (uint64_t)state);
	atomic_init(&b->retry_at_us, 0);
	atomic_init(&b->first_timeout_us, 0);
}

void breaker_init(struct breaker *b, int64_t retry_us, void (*on_move)(struct breaker *, enum breaker_state, enum breaker_state, void *),
                  void *arg)
{
	init(b, BREAKER_CLOSED, retry_us, on_move, arg);
}

void breaker_init_open(struct breaker *b, int64_t retry_us,
                       void (*on_move)(struct breaker *, enum breaker_state, enum breaker_state, void *), void *arg)
{
	init(b, BREAKER_OPEN, retry_us, on_move, arg);
}

enum breaker_state breaker_state(const struct breaker *b, uint64_t *ret_generation)
{
	uint64_t word = atomic_load_explicit(&b->word, memory_order_acquire);

	if (ret_generation)
		*ret_generation = word >> STATE_BITS;
	return state_of(word);
}

const char *breaker_state_name(enum breaker_state state)
{
	static const char *const names[BREAKER_STATES] = { "closed", "open", "half_open" };

	return names[state];
}

bool breaker_allows(const struct breaker *b, uint64_t *ret_generation)
{
	return breaker_state(b, ret_generation) == BREAKER_CLOSED;
}

/* retry_us ±10 %, so that the processes of a machine do not all knock in the same instant. */
static int64_t jittered(const struct breaker *b, int64_t now_us)
{
	uint64_t x = (uint64_t)now_us ^ ((uint64_t)(uintptr_t)b << 17);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return b->retry_us * 9 / 10 + (int64_t)(x % (uint64_t)(b->retry_us / 5 + 1));
}

static bool move(struct breaker *b, uint64_t word, enum breaker_state to)
{
	enum breaker_state from = state_of(word);
	uint64_t next = ((word >> STATE_BITS) + 1) << STATE_BITS | (uint64_t)to;
	int64_t now = clock_monotonic_us();

	if (!allowed[from][to])
		return false;
	if (to == BREAKER_OPEN)
		atomic_store(&b->retry_at_us, now + jittered(b, now));
	if (!atomic_compare_exchange_strong(&b->word, &word, next))
		return false;
	atomic_store(&b->first_timeout_us, 0);
	if (b->on_move)
		b->on_move(b, from, to, b->arg);
	return true;
}

/* True when another timeout stands before this one, within the time that makes them two in a row. */
static bool is_second_timeout(struct breaker *b)
{
	int64_t now = clock_monotonic_us();
	int64_t first = atomic_load(&b->first_timeout_us);

	if (first != 0 && now - first <= TIMEOUTS_IN_A_ROW_US)
		return true;
	/* Two threads at once are two timeouts: the one that loses here is the second. */
	return !atomic_compare_exchange_strong(&b->first_timeout_us, &first, now ? now : 1);
}

static bool report_closed(struct breaker *b, uint64_t word, enum breaker_result result)
{
	if (result == BREAKER_SUCCESS) {
		if (atomic_load_explicit(&b->first_timeout_us, memory_order_relaxed) != 0)
			atomic_store(&b->first_timeout_us, 0);
		return false;
	}
	if (result == BREAKER_TIMEOUT && !is_second_timeout(b))
		return false;
	return move(b, word, BREAKER_OPEN);
}

bool breaker_report(struct breaker *b, uint64_t generation, enum breaker_result result)
{
	uint64_t word = atomic_load_explicit(&b->word, memory_order_acquire);

	if (word >> STATE_BITS != generation)
		return false;
	switch (state_of(word)) {
	case BREAKER_CLOSED:
		return report_closed(b, word, result);
	case BREAKER_HALF_OPEN:
		return move(b, word, result == BREAKER_SUCCESS ? BREAKER_CLOSED : BREAKER_OPEN);
	default:
		return false;
	}
}

int64_t breaker_retry_at_us(const struct breaker *b)
{
	return atomic_load(&b->retry_at_us);
}

bool breaker_begin_trial(struct breaker *b, uint64_t *ret_generation)
{
	uint64_t word = atomic_load(&b->word);

	if (state_of(word) != BREAKER_OPEN || clock_monotonic_us() < breaker_retry_at_us(b))
		return false;
	if (!move(b, word, BREAKER_HALF_OPEN))
		return false;
	*ret_generation = (word >> STATE_BITS) + 1;
	return true;
}
