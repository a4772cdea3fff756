/*
 * Heap memory: zeroed, overflow-checked, failing where a test wants it to. Free with free(3). Any thread.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* n zeroed bytes; NULL when there is no memory. */
void *mem_alloc(size_t n) __attribute__((malloc, warn_unused_result));

/* count × size zeroed bytes; NULL when there is no memory or the product overflows. */
void *mem_array(size_t count, size_t size) __attribute__((malloc, warn_unused_result));

/* As realloc(3), new bytes not zeroed; on NULL the old block stays as it was. */
void *mem_realloc(void *old, size_t n) __attribute__((warn_unused_result));

/* A NUL-terminated copy of n bytes; NULL when there is no memory. */
char *mem_strndup(const char *s, size_t n) __attribute__((malloc, warn_unused_result));

/* A copy of a NUL-terminated string; NULL gives NULL. */
char *mem_strdup(const char *s) __attribute__((malloc, warn_unused_result));

#endif
