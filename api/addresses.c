/*
 * A hash table with open addressing over 16-byte addresses (IPv4 as mapped IPv6). Clients choose their addresses, so the
 * hash is keyed with random bytes; the table is never more than half full, and deletion moves entries back, so that no
 * tombstones gather.
 */
#include "api/addresses.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"

struct entry {
	uint64_t key[2];
	int count; /* 0 = empty */
};

struct addresses {
	pthread_mutex_t lock;
	uint64_t seed[2];
	size_t mask, used;
	struct entry *entries;
};

struct addresses *addresses_create(size_t capacity)
{
	struct addresses *a = mem_alloc(sizeof(*a));
	size_t size = 16;

	if (!a)
		return NULL;
	pthread_mutex_init(&a->lock, NULL);
	while (size < 2 * capacity)
		size *= 2;
	a->mask = size - 1;
	a->entries = mem_array(size, sizeof(*a->entries));
	if (!a->entries || getrandom(a->seed, sizeof(a->seed), 0) != (ssize_t)sizeof(a->seed)) {
		addresses_destroy(a);
		return NULL;
	}
	return a;
}

void addresses_destroy(struct addresses *a)
{
	if (!a)
		return;
	pthread_mutex_destroy(&a->lock);
	free(a->entries);
	free(a);
}

static void read_key(const struct sockaddr_storage *peer, uint64_t ret_key[2])
{
	unsigned char bytes[16] = { 0 };

	if (peer->ss_family == AF_INET6) {
		memcpy(bytes, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
	} else if (peer->ss_family == AF_INET) {
		bytes[10] = bytes[11] = 0xff;
		memcpy(bytes + 12, &((const struct sockaddr_in *)peer)->sin_addr, 4);
	}
	memcpy(ret_key, bytes, 16);
}

/* Both halves, each mixed with its secret, multiplied to 128 bits and folded. */
static size_t slot_of(const struct addresses *a, const uint64_t key[2])
{
	unsigned __int128 product = (unsigned __int128)(key[0] ^ a->seed[0]) * ((key[1] ^ a->seed[1]) | 1);

	return (size_t)((uint64_t)product ^ (uint64_t)(product >> 64)) & a->mask;
}

/* Where the key is, or the empty entry where it would go. */
static size_t find(const struct addresses *a, const uint64_t key[2])
{
	size_t i = slot_of(a, key);

	while (a->entries[i].count && memcmp(a->entries[i].key, key, 16) != 0)
		i = (i + 1) & a->mask;
	return i;
}

bool addresses_enter(struct addresses *a, const struct sockaddr_storage *peer, int limit)
{
	uint64_t key[2];
	struct entry *e;
	bool room;

	read_key(peer, key);
	pthread_mutex_lock(&a->lock);
	e = &a->entries[find(a, key)];
	room = e->count ? e->count < limit : limit > 0 && a->used * 2 < a->mask + 1;
	if (room && e->count++ == 0) {
		memcpy(e->key, key, 16);
		a->used++;
	}
	pthread_mutex_unlock(&a->lock);
	return room;
}

/* Empties entry i; what had to step over it moves back. */
static void remove_entry(struct addresses *a, size_t i)
{
	size_t hole = i;

	a->entries[hole].count = 0;
	a->used--;
	for (i = (hole + 1) & a->mask; a->entries[i].count; i = (i + 1) & a->mask) {
		size_t home = slot_of(a, a->entries[i].key);

		if (((i - home) & a->mask) >= ((i - hole) & a->mask)) {
			a->entries[hole] = a->entries[i];
			a->entries[i].count = 0;
			hole = i;
		}
	}
}

void addresses_leave(struct addresses *a, const struct sockaddr_storage *peer)
{
	uint64_t key[2];
	size_t i;

	read_key(peer, key);
	pthread_mutex_lock(&a->lock);
	i = find(a, key);
	if (a->entries[i].count > 1)
		a->entries[i].count--;
	else if (a->entries[i].count == 1)
		remove_entry(a, i);
	pthread_mutex_unlock(&a->lock);
}

int addresses_count(struct addresses *a, const struct sockaddr_storage *peer)
{
	uint64_t key[2];
	int count;

	read_key(peer, key);
	pthread_mutex_lock(&a->lock);
	count = a->entries[find(a, key)].count;
	pthread_mutex_unlock(&a->lock);
	return count;
}
