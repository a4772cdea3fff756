/*
 * What the tests of cache/ share: objects that are counted while they live, and loads that are counted and directed.
 */
#ifndef TESTS_UNIT_CACHE_FIXTURE_H
#define TESTS_UNIT_CACHE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "cache/cache.h"
#include "tests/lib/test.h"

#define TEXT(literal) ((struct str)STR(literal))
#define NOBODY        ((struct str){ NULL, 0 })

/* ---- objects ---- */

static atomic_int objects_alive;

struct thing {
	struct cache_object object;
	char text[64]; /* "value@variant" */
};

static inline void thing_destroy(struct cache_object *o)
{
	atomic_fetch_sub(&objects_alive, 1);
	free(o);
}

static inline struct cache_object *thing_create(const char *text, size_t bytes)
{
	struct thing *t = mem_alloc(sizeof(*t));

	if (!t)
		return NULL;
	atomic_fetch_add(&objects_alive, 1);
	atomic_init(&t->object.refs, 1);
	t->object.bytes = bytes;
	t->object.destroy = thing_destroy;
	snprintf(t->text, sizeof(t->text), "%s", text);
	return &t->object;
}

static inline const char *thing_text(const struct cache_object *o)
{
	return o ? ((const struct thing *)o)->text : "(none)";
}

/* ---- loads ---- */

struct source {
	const char *text; /* what the source says now */
	size_t bytes;     /* > 0: a value of this size instead */
	bool shared;      /* objects serve every variant */
	int result;       /* < 0: the load fails */
	atomic_int loads; /* how often it was asked */
	atomic_int makes;
	void (*during)(void *arg); /* called inside the load, after the text was read; may be NULL */
	void *arg;
	struct str variant;
	size_t object_bytes;
};

static inline int source_load(void *arg, struct blob **ret_value)
{
	struct source *s = arg;
	char *large = s->bytes ? mem_alloc(s->bytes) : NULL;
	struct blob *value = s->bytes ? (large ? blob_create(large, s->bytes) : NULL) : blob_create(s->text, strlen(s->text));

	free(large);
	atomic_fetch_add(&s->loads, 1);
	if (s->during)
		s->during(s->arg);
	if (!value)
		return ERR_NOMEM;
	if (s->result < 0) {
		blob_unref(value);
		return s->result;
	}
	*ret_value = value;
	return 0;
}

static inline struct cache_object *source_make(void *arg, struct blob *value, bool *ret_shared)
{
	struct source *s = arg;
	char text[64];

	atomic_fetch_add(&s->makes, 1);
	*ret_shared = s->shared;
	snprintf(text, sizeof(text), "%.*s@%.*s", (int)(value->len < 40 ? value->len : 40), value->data,
	         (int)(s->shared ? 0 : s->variant.len), s->shared ? "" : s->variant.s);
	return thing_create(text, s->object_bytes ? s->object_bytes : 100);
}

static inline struct cache_load load_of(struct source *s, const char *key, struct str variant, int64_t ttl_s)
{
	s->variant = variant;
	return (struct cache_load){ .key = key, .variant = variant, .ttl_s = ttl_s, .load = source_load, .make = source_make, .arg = s };
}

/* Fetches without a budget and gives the object's text, or "(error)". */
static inline const char *fetch_text(struct cache_front *front, struct source *s, const char *key, struct str variant)
{
	struct cache_load load = load_of(s, key, variant, 300);
	struct cache_object *object = NULL;

	return cache_fetch(front, NULL, &load, &object) == 0 ? thing_text(object) : "(error)";
}

/* ---- readers ---- */

struct reader {
	struct cache *cache;
	atomic_int *newest; /* what a writer has published before deleting */
	atomic_bool *stop;
	int reads;
};

static inline int load_newest(void *arg, struct blob **ret_value)
{
	struct reader *r = arg;
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", atomic_load(r->newest));

	*ret_value = blob_create(text, (size_t)n);
	return 0;
}

static inline struct cache_object *make_number(void *arg, struct blob *value, bool *ret_shared)
{
	*ret_shared = true;
	return thing_create(value->data, 10);
}

/* Reads, and never sees less than what was published before the read began. */
static inline void *read_numbers(void *arg)
{
	struct reader *r = arg;
	struct cache_front *front = cache_front_create(r->cache);
	struct cache_load load = { .key = "n", .ttl_s = 300, .load = load_newest, .make = make_number, .arg = r };

	while (!atomic_load(r->stop)) {
		int atleast = atomic_load(&r->newest[1]);
		struct cache_object *object = cache_front_find(front, "n", NOBODY);

		if (!object && cache_fetch(front, NULL, &load, &object) < 0)
			abort();
		if (atoi(thing_text(object)) < atleast)
			abort();
		r->reads++;
	}
	cache_front_destroy(front);
	return NULL;
}

/* ---- values ---- */

static inline struct blob *blob_of(const char *text)
{
	struct blob *b = blob_create(text, strlen(text));

	assert_non_null(b);
	return b;
}

/* Whether safe_cache_get gives this text (NULL: nothing). */
static inline bool get_is(struct cache *c, const char *key, const char *text)
{
	CLEANUP(blob_unrefp) struct blob *b = safe_cache_get(c, NULL, key);

	return text ? b && str_is(blob_view(b), text) : !b;
}

static inline bool set_text(struct cache *c, const char *key, const char *text, int64_t ttl_s)
{
	return safe_cache_set(c, NULL, key, text, strlen(text), ttl_s);
}

#endif
