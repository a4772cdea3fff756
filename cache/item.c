#include "cache/item_impl.h"

#include <stdlib.h>

#include "base/mem.h"

struct item *item_create(uint64_t hash, struct str key, struct blob *value, int64_t expires_us)
{
	struct item *item = mem_alloc(sizeof(*item) + key.len);

	if (!item)
		return NULL;
	item->hash = hash;
	item->expires_us = expires_us;
	item->value = blob_ref(value);
	item->bytes = sizeof(*item) + key.len + sizeof(*value) + value->len;
	item->key_len = key.len;
	memcpy(item->key, key.s, key.len);
	return item;
}

void item_destroy(struct item *item)
{
	if (!item)
		return;
	variants_destroy(item->variants);
	variants_destroy(item->shared);
	blob_unref(item->value);
	free(item);
}

struct variant *variant_create(struct str name, struct cache_object *object)
{
	struct variant *v = mem_alloc(sizeof(*v) + name.len);

	if (!v)
		return NULL;
	v->object = cache_object_ref(object);
	v->name_len = name.len;
	if (name.len)
		memcpy(v->name, name.s, name.len);
	return v;
}

void variants_destroy(struct variant *v)
{
	while (v) {
		struct variant *next = v->next;

		cache_object_unref(v->object);
		free(v);
		v = next;
	}
}

static size_t variant_bytes(const struct variant *v)
{
	return sizeof(*v) + v->name_len + v->object->bytes;
}

/* The link to the variant of that name, or to the end. */
static struct variant **find_variant(struct item *item, struct str name)
{
	struct variant **at = &item->variants;

	while (*at && !((*at)->name_len == name.len && (name.len == 0 || memcmp((*at)->name, name.s, name.len) == 0)))
		at = &(*at)->next;
	return at;
}

static struct variant *unlink_variant(struct item *item, struct variant **at)
{
	struct variant *v = *at;

	*at = v->next;
	item->bytes -= variant_bytes(v);
	return v;
}

static void link_variant(struct item *item, struct variant **at, struct variant *v)
{
	v->next = *at;
	*at = v;
	item->bytes += variant_bytes(v);
}

static void bury_variant(struct item *item, struct variant **at, struct variant **dead)
{
	struct variant *v = unlink_variant(item, at);

	v->next = *dead;
	*dead = v;
}

struct cache_object *item_find_object(struct item *item, struct str name)
{
	struct variant **at = find_variant(item, name);

	if (!*at)
		return item->shared ? item->shared->object : NULL;
	link_variant(item, &item->variants, unlink_variant(item, at));
	return item->variants->object;
}

/* The link to the least recently used variant, counting them; NULL when there is none. */
static struct variant **last_variant(struct item *item, size_t *ret_count)
{
	struct variant **at = &item->variants;

	*ret_count = 0;
	if (!*at)
		return NULL;
	for (*ret_count = 1; (*at)->next; at = &(*at)->next)
		++*ret_count;
	return at;
}

bool item_add_variant(struct item *item, struct variant *v, bool shared, size_t max_bytes, struct variant **dead)
{
	struct variant **head = shared ? &item->shared : &item->variants;
	struct variant **same = shared ? head : find_variant(item, (struct str){ v->name, v->name_len });
	struct variant **last;
	size_t count;

	if (*same)
		bury_variant(item, same, dead);
	link_variant(item, head, v);
	while ((last = last_variant(item, &count)) && *last != v && (count > LOCAL_MAX_VARIANTS || item->bytes > max_bytes))
		bury_variant(item, last, dead);
	if (item->bytes <= max_bytes)
		return true;
	bury_variant(item, head, dead);
	return false;
}
