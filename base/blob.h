/*
 * A reference-counted, immutable run of bytes: what threads share (cache bodies, frames).
 *
 * Immutable from the moment a second thread can see it; freed with the last reference. Any thread.
 */
#ifndef BASE_BLOB_H
#define BASE_BLOB_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/str.h"

struct blob {
	atomic_uint refs; /* private to blob.c */
	size_t len;       /* bytes */
	char data[];      /* a NUL follows the last byte */
};

/* A copy of n bytes with one reference (bytes NULL: the caller fills them before anybody else sees them); NULL without memory. */
struct blob *blob_create(const void *bytes, size_t n);

/* One more reference; returns its argument (NULL is fine). */
struct blob *blob_ref(struct blob *);

/* One reference less; frees at zero. NULL is fine. */
void blob_unref(struct blob *);

/* For CLEANUP. */
static inline void blob_unrefp(struct blob **b)
{
	blob_unref(*b);
}

/* The bytes as a view, valid while a reference is held; absent for NULL. */
static inline struct str blob_view(const struct blob *b)
{
	return b ? (struct str){ b->data, b->len } : (struct str){ NULL, 0 };
}

#endif
