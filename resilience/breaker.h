/*
 * A circuit breaker: whether one usage of Redis may be tried now. Source: spec resilience.md 2.2.
 *
 *     closed ──failure──▶ open ──retry time──▶ half_open ──trial ok──▶ closed
 *                          ▲                       │
 *                          └──────trial failed─────┘
 *
 * The moves are a table in breaker.c; each happens once, however many threads ask for it at the same time, and each
 * makes the generation one higher, so that an answer to a question of an older generation changes nothing.
 * Any thread, without a lock.
 */
#ifndef RESILIENCE_BREAKER_H
#define RESILIENCE_BREAKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN, BREAKER_STATES };

/* What an attempt ended in. A timeout alone opens only when it is the second in a row within 5 s. */
enum breaker_result { BREAKER_SUCCESS, BREAKER_TIMEOUT, BREAKER_FAILURE };

struct breaker {
	/* Declarative: set at init */
	int64_t retry_us; /* open for this long, ±10 %, before half_open */
	void (*on_move)(struct breaker *, enum breaker_state from, enum breaker_state to,
	                void *arg); /* after each move, by the thread that made it; may be NULL */
	void *arg;
	/* Private state of breaker.c */
	_Atomic uint64_t word;            /* generation << 2 | state */
	_Atomic int64_t retry_at_us;      /* monotonic; when open */
	_Atomic int64_t first_timeout_us; /* monotonic; 0 = none in a row */
};

/* A closed breaker of generation 0. */
void breaker_init(struct breaker *, int64_t retry_us, void (*on_move)(struct breaker *, enum breaker_state, enum breaker_state, void *),
                  void *arg);

/* As breaker_init, but open, with its retry time already reached: for what has not been tried yet. */
void breaker_init_open(struct breaker *, int64_t retry_us,
                       void (*on_move)(struct breaker *, enum breaker_state, enum breaker_state, void *), void *arg);

/* The state, and through ret_generation (may be NULL) the generation it belongs to. */
enum breaker_state breaker_state(const struct breaker *, uint64_t *ret_generation);

/* "closed", "open", "half_open": the names of /health and of the metrics. */
const char *breaker_state_name(enum breaker_state);

/* Whether a caller may try now (closed). *ret_generation is to be given back with the result. */
bool breaker_allows(const struct breaker *, uint64_t *ret_generation);

/* Reports what an attempt of that generation ended in. In half_open only the trial's own generation counts. True when it moved. */
bool breaker_report(struct breaker *, uint64_t generation, enum breaker_result);

/* When an open breaker may be tried again (monotonic); meaningless in other states. */
int64_t breaker_retry_at_us(const struct breaker *);

/* Open and its retry time reached: moves to half_open and returns true, to one caller alone; the prober. */
bool breaker_begin_trial(struct breaker *, uint64_t *ret_generation);

#endif
