/*
 * An arena: memory that is freed all at once, at the end of a request or of a command.
 *
 * Blocks grow as needed up to a limit; arena_reset keeps the first block, so that a serving thread allocates nothing
 * in the steady state. Memory is aligned for any object and not zeroed unless said. One thread at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "base/str.h"

struct arena_block;

struct arena {
	struct arena_block *first;   /* kept by arena_reset */
	struct arena_block *current; /* where the next allocation goes */
	size_t used_bytes;           /* handed out since the last reset */
	size_t limit_bytes;          /* more than this in one life is refused */
};

/* An empty arena; allocates nothing yet. limit_bytes bounds used_bytes. */
void arena_init(struct arena *, size_t limit_bytes);

/* Frees everything; the arena may be initialised again. Accepts a zeroed one. */
void arena_finish(struct arena *);

/* Forgets all allocations, keeps the first block. */
void arena_reset(struct arena *);

/* n bytes until reset or finish; NULL when memory or the limit is exhausted. */
void *arena_alloc(struct arena *, size_t n) __attribute__((warn_unused_result));

/* As arena_alloc, zeroed. */
void *arena_zalloc(struct arena *, size_t n) __attribute__((warn_unused_result));

/* A NUL-terminated copy of n bytes; NULL as arena_alloc. */
char *arena_strndup(struct arena *, const char *s, size_t n) __attribute__((warn_unused_result));

/* A formatted string, NUL-terminated; NULL as arena_alloc. */
char *arena_printf(struct arena *, const char *format, ...) __attribute__((format(printf, 2, 3), warn_unused_result));

/* A copy of a str (NUL-terminated too); .s is NULL when memory is exhausted, and for an absent one. */
struct str arena_str(struct arena *, struct str);

#endif
