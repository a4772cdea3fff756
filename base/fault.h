/*
 * Fault injection for tests: the n-th use of a point fails.
 *
 * Each kind of thing that can fail in production asks fault_due() first. Nothing but a test ever arms a point, there
 * is no setting for it, and an unarmed point costs one relaxed load. Any thread.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

enum fault_point {
	FAULT_ALLOC,    /* mem_alloc, mem_realloc, and what is built on them */
	FAULT_SQL_STEP, /* a statement run by db/ */
	FAULT_REDIS,    /* a command or connect of resilience/ */
	FAULT_DISK,     /* a write to a file of MEDIA_ROOT: the disk is full */
	FAULT_OPENAT2,  /* openat2: the kernel does not have it */
	FAULT_POINTS
};

/* The n-th call of fault_due(point) from now (1 = the next) returns true, once; repeat: and every later one too. */
void fault_arm(enum fault_point point, int n, bool repeat);

/* No point is armed any more. */
void fault_disarm_all(void);

/* True when this use must fail. */
bool fault_due(enum fault_point point);

#endif
