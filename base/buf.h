/*
 * A growable byte buffer whose failure sticks: callers append freely and check once.
 *
 * INVARIANTS: data is NULL or holds cap bytes of which len are written; data[len] is a NUL whenever data is not NULL;
 * once failed is true nothing is appended any more. One thread at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct buf {
	char *data;  /* owned; NUL after the last byte */
	size_t len;  /* bytes written */
	size_t cap;  /* bytes allocated */
	bool failed; /* memory ran out: the content is not to be used */
};

#define BUF_EMPTY                 \
	{                         \
		NULL, 0, 0, false \
	}

/* Makes room for n more bytes; false (and failed) without memory. */
bool buf_reserve(struct buf *, size_t n);

/* Appends n bytes. */
void buf_add(struct buf *, const void *bytes, size_t n);

/* Appends one byte. */
static inline void buf_add_char(struct buf *b, char c)
{
	if (b->len + 1 < b->cap && !b->failed) {
		b->data[b->len++] = c;
		b->data[b->len] = '\0';
	} else {
		buf_add(b, &c, 1);
	}
}

/* Appends a view; an absent one adds nothing. */
void buf_add_str(struct buf *, struct str);

/* Appends a NUL-terminated string. */
void buf_add_text(struct buf *, const char *);

/* Appends as printf. */
void buf_addf(struct buf *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The content as a view, valid until the next append. */
struct str buf_view(const struct buf *);

/* Empties, keeps the memory, forgets a failure. */
void buf_clear(struct buf *);

/* Gives the content away (free(3) it; NULL when it failed) and leaves an empty buffer. */
char *buf_detach(struct buf *, size_t *ret_len);

/* Frees the content; the buffer is empty and usable. For CLEANUP. */
void buf_finish(struct buf *);

#endif
