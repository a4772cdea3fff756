/*
 * The guard: sees every byte of Redis' answers before hiredis does, and stops what hiredis of one version or another
 * would take without bound: nesting, elements, sizes, lines without end, types that RESP2 does not have.
 * One thread at a time.
 */
#ifndef RESILIENCE_REPLY_GUARD_IMPL_H
#define RESILIENCE_REPLY_GUARD_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_MAX_BYTES      ((size_t)64 * 1024 * 1024) /* of one reply; our largest value is 1 MiB, a pipeline reads many */
#define REPLY_MAX_ELEMENTS   (1024 * 1024)              /* of one reply, over all its lists */
#define REPLY_MAX_DEPTH      7                          /* what hiredis 0.14 can nest; 1.x would nest without end */
#define REPLY_MAX_LINE_BYTES (64 * 1024)                /* of a status or an error */

struct reply_guard {
	size_t bytes;                  /* of the reply that is being read */
	size_t elements;               /* of the same */
	int depth;                     /* lists that are open */
	int64_t left[REPLY_MAX_DEPTH]; /* elements that each still lacks */
	char type;                     /* of the line that is being read; 0 between values */
	size_t line_bytes;             /* of that line, after the type */
	char digits[24];               /* of that line, when it is a length */
	char last;                     /* byte before, to find CR LF */
	size_t whole;                  /* replies that have ended so far */
	size_t skip;                   /* bytes of a text still to pass, its CR LF included */
};

enum reply_fault { REPLY_FINE, REPLY_MALFORMED, REPLY_TOO_LARGE, REPLY_TOO_DEEP };

/* Nothing read yet. */
void reply_guard_init(struct reply_guard *);

/* Passes n bytes; the first fault, after which the guard is not to be used. */
enum reply_fault reply_guard_pass(struct reply_guard *, const char *bytes, size_t n);

/* Whether the bytes passed so far end between two replies. */
bool reply_guard_between(const struct reply_guard *);

#endif
