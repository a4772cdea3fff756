/*
 * Scope-bound cleanup: a local that owns something releases it when its scope ends.
 *
 * Rules: initialise in the declaration; no goto in a function that uses CLEANUP; hand ownership out with TAKE.
 * Long-lived objects use x_create/x_destroy instead, where destroy accepts NULL and half-built objects.
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/* Calls fn(&variable) when the variable goes out of scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Yields the pointer and leaves NULL behind, so that the scope no longer frees it. */
#define TAKE(p)                             \
	__extension__({                     \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})

/*
 * The number of elements of a true array (of a pointer: an array type of negative size, which does not compile). The
 * argument may be a compound literal of values known only at run time, which clang refuses inside a struct declaration.
 */
#define N_ELEMENTS(a) \
	(sizeof(a) / sizeof((a)[0]) + 0 * sizeof(char[1 - 2 * __builtin_types_compatible_p(__typeof__(a), __typeof__(&(a)[0]))]))

/* For CLEANUP on malloc'ed memory of any pointer type. */
static inline void cleanup_free(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

/* For CLEANUP on a file descriptor; a negative one is left alone. */
static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
