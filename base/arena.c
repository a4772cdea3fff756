#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define FIRST_BLOCK_BYTES (16 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t limit_bytes)
{
	*a = (struct arena){ .limit_bytes = limit_bytes };
}

static void free_chain(struct arena_block *b)
{
	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
}

void arena_finish(struct arena *a)
{
	free_chain(a->first);
	a->first = a->current = NULL;
	a->used_bytes = 0;
}

void arena_reset(struct arena *a)
{
	if (!a->first)
		return;
	free_chain(a->first->next);
	a->first->next = NULL;
	a->first->used = 0;
	a->current = a->first;
	a->used_bytes = 0;
}

static struct arena_block *grow(struct arena *a, size_t need)
{
	size_t size = a->current ? a->current->size * 2 : FIRST_BLOCK_BYTES;
	struct arena_block *b;

	if (size < need)
		size = need;
	b = mem_realloc(NULL, sizeof(*b) + size);
	if (!b)
		return NULL;
	*b = (struct arena_block){ .size = size };
	if (a->current)
		a->current->next = b;
	else
		a->first = b;
	a->current = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *b = a->current;
	void *p;

	if (n > SIZE_MAX - align)
		return NULL;
	n = (n + align - 1) & ~(align - 1);
	if (n > a->limit_bytes || a->used_bytes > a->limit_bytes - n)
		return NULL;
	if (!b || b->size - b->used < n)
		b = grow(a, n);
	if (!b)
		return NULL;
	p = b->data + b->used;
	b->used += n;
	a->used_bytes += n;
	return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n);

	return p ? memset(p, 0, n) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (!copy)
		return NULL;
	if (n)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
	if (!text)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)n + 1, format, args);
	va_end(args);
	return text;
}

struct str arena_str(struct arena *a, struct str s)
{
	char *copy = s.s ? arena_strndup(a, s.s, s.len) : NULL;

	return (struct str){ copy, copy ? s.len : 0 };
}
