/* A ring, oldest first, whose entries are also in the chains of a hash table. */
#include "tasks/revoked.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

#define BUCKETS (1 << 14)
#define KEPT_US (3 * 3600 * US_PER_S)
#define NOBODY  (-1)

struct entry {
	char *id; /* owned */
	size_t len;
	int64_t until_us; /* monotonic */
	int next;         /* in its chain; NOBODY */
};

struct revoked {
	pthread_mutex_t lock;
	struct entry *ring; /* REVOKED_MAX of them */
	size_t first, n;
	int chains[BUCKETS];
};

struct revoked *revoked_create(void)
{
	struct revoked *r = mem_alloc(sizeof(*r));

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	for (int i = 0; i < BUCKETS; i++)
		r->chains[i] = NOBODY;
	r->ring = mem_array(REVOKED_MAX, sizeof(*r->ring));
	if (r->ring)
		return r;
	revoked_destroy(r);
	return NULL;
}

void revoked_destroy(struct revoked *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		free(r->ring[(r->first + i) % REVOKED_MAX].id);
	free(r->ring);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* FNV-1a. */
static int *chain_of(struct revoked *r, const char *id, size_t len)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)id[i]) * UINT64_C(1099511628211);
	return &r->chains[hash % BUCKETS];
}

static void forget_first(struct revoked *r)
{
	struct entry *e = &r->ring[r->first];
	int *at = chain_of(r, e->id, e->len);

	while (*at != (int)r->first)
		at = &r->ring[*at].next;
	*at = e->next;
	free(e->id);
	r->first = (r->first + 1) % REVOKED_MAX;
	r->n--;
}

static void forget_old(struct revoked *r)
{
	while (r->n && clock_monotonic_us() >= r->ring[r->first].until_us)
		forget_first(r);
}

static bool has(struct revoked *r, struct str id)
{
	for (int i = *chain_of(r, id.s, id.len); i != NOBODY; i = r->ring[i].next)
		if (r->ring[i].len == id.len && memcmp(r->ring[i].id, id.s, id.len) == 0)
			return true;
	return false;
}

static bool add(struct revoked *r, struct str id)
{
	int *chain = chain_of(r, id.s, id.len);
	char *copy = mem_strndup(id.s, id.len);
	size_t at;

	if (!copy)
		return false;
	if (r->n == REVOKED_MAX)
		forget_first(r);
	at = (r->first + r->n) % REVOKED_MAX;
	r->ring[at] = (struct entry){ copy, id.len, clock_monotonic_us() + KEPT_US, *chain };
	*chain = (int)at;
	r->n++;
	return true;
}

bool revoked_add(struct revoked *r, struct str id)
{
	bool done;

	pthread_mutex_lock(&r->lock);
	forget_old(r);
	done = has(r, id) || add(r, id);
	pthread_mutex_unlock(&r->lock);
	return done;
}

bool revoked_has(struct revoked *r, struct str id)
{
	bool found;

	pthread_mutex_lock(&r->lock);
	found = r->n && has(r, id);
	pthread_mutex_unlock(&r->lock);
	return found;
}

json_t *revoked_list(struct revoked *r)
{
	json_t *list = json_array();

	pthread_mutex_lock(&r->lock);
	forget_old(r);
	for (size_t i = 0; i < r->n; i++) {
		const struct entry *e = &r->ring[(r->first + i) % REVOKED_MAX];

		json_array_append_new(list, json_stringn(e->id, e->len));
	}
	pthread_mutex_unlock(&r->lock);
	return list;
}
