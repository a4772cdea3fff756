#include "base/blob.h"

#include <stdlib.h>

#include "base/mem.h"

struct blob *blob_create(const void *bytes, size_t n)
{
	struct blob *b = mem_realloc(NULL, sizeof(*b) + n + 1);

	if (!b)
		return NULL;
	atomic_init(&b->refs, 1);
	b->len = n;
	if (n && bytes)
		memcpy(b->data, bytes, n);
	b->data[n] = '\0';
	return b;
}

struct blob *blob_ref(struct blob *b)
{
	if (b)
		atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void blob_unref(struct blob *b)
{
	if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		free(b);
}
