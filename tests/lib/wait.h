/*
 * Waiting in tests: for a condition, with a deadline, never for a fixed time.
 */
#ifndef TESTS_LIB_WAIT_H
#define TESTS_LIB_WAIT_H

#include <unistd.h>

#include "base/clock.h"

/* Evaluates the condition each millisecond until it is true (then it is) or ms have passed (then false). */
#define WAIT_FOR(ms, condition)                                                     \
	__extension__({                                                             \
		int64_t until_us_ = clock_monotonic_us() + (int64_t)(ms)*US_PER_MS; \
		bool met_;                                                          \
		while (!(met_ = (condition)) && clock_monotonic_us() < until_us_)   \
			usleep(1000);                                               \
		met_;                                                               \
	})

#endif
