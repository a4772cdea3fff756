/*
 * What the hub remembers about people: how many sockets each has now, and what each was sent last on a thread, for the
 * thirty seconds in which he may come back (realtime.md 9).
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "realtime/hub_impl.h"

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	return x ^ x >> 33;
}

/* ---- sockets ---- */

static uint64_t holder_hash(int64_t user, const char *client)
{
	uint64_t hash = (uint64_t)user;

	for (; user == NULL_INT && *client; client++)
		hash = hash * 31 + (unsigned char)*client;
	return mix(hash);
}

static struct holder **holder_place(struct hub *hub, int64_t user, const char *client)
{
	struct holder **at = &hub->holders[holder_hash(user, client) & (GROUP_BUCKETS - 1)];

	while (*at && ((*at)->user != user || (user == NULL_INT && strcmp((*at)->client, client) != 0)))
		at = &(*at)->next;
	return at;
}

static void client_of(const struct session *s, char ret_client[64])
{
	snprintf(ret_client, 64, "%.*s", STR_ARG(s->handshake.client));
}

bool holder_enter(struct hub *hub, const struct session *s, unsigned limit)
{
	char client[64];
	struct holder **at, *h;

	client_of(s, client);
	at = holder_place(hub, s->user, client);
	h = *at;
	if (!h) {
		h = mem_alloc(sizeof(*h));
		if (!h)
			return false;
		h->user = s->user;
		memcpy(h->client, client, sizeof(client));
		*at = h;
	}
	h->n++; /* also of one who is refused: he leaves like everybody */
	return h->n <= limit;
}

void holder_leave(struct hub *hub, const struct session *s)
{
	char client[64];
	struct holder **at, *h;

	client_of(s, client);
	at = holder_place(hub, s->user, client);
	h = *at;
	if (!h || --h->n)
		return;
	*at = h->next;
	free(h);
}

/* ---- what was sent last ---- */

static struct memory **memory_place(struct hub *hub, int64_t user, int64_t thread)
{
	struct memory **at = &hub->memories[mix((uint64_t)user * 31 + (uint64_t)thread) & (MEMORY_BUCKETS - 1)];

	while (*at && ((*at)->user != user || (*at)->thread != thread))
		at = &(*at)->next;
	return at;
}

void memory_keep(struct hub *hub, const struct session *s, int64_t now_us)
{
	struct memory **at = memory_place(hub, s->user, s->handshake.id), *m = *at;

	if (!m) {
		m = *at = mem_alloc(sizeof(*m));
		if (!m)
			return;
	}
	if (m->n && m->until_us > now_us) { /* of several sockets it is not known which one comes back */
		m->n++;
		m->sent_to = s->sent_to < m->sent_to ? s->sent_to : m->sent_to;
		return;
	}
	*m = (struct memory){
		.next = m->next, .user = s->user, .thread = s->handshake.id, .sent_to = s->sent_to, .n = 1, .until_us = now_us + LINGER_US
	};
}

int64_t memory_take(struct hub *hub, int64_t user, int64_t thread, int64_t now_us)
{
	struct memory **at = memory_place(hub, user, thread), *m = *at;
	int64_t sent_to;

	if (!m)
		return -1;
	sent_to = m->until_us > now_us ? m->sent_to : -1;
	if (sent_to >= 0 && --m->n)
		return sent_to;
	*at = m->next;
	free(m);
	return sent_to;
}

static void forget_old(struct memory **at, int64_t now_us)
{
	while (*at) {
		struct memory *m = *at;

		if (m->until_us > now_us) {
			at = &m->next;
			continue;
		}
		*at = m->next;
		free(m);
	}
}

void memories_tick(struct hub *hub, int64_t now_us)
{
	for (size_t i = 0; i < MEMORY_BUCKETS; i++)
		forget_old(&hub->memories[i], now_us);
}

void memories_free(struct hub *hub)
{
	memories_tick(hub, INT64_MAX);
	for (size_t i = 0; i < GROUP_BUCKETS; i++) {
		while (hub->holders[i]) {
			struct holder *h = hub->holders[i];

			hub->holders[i] = h->next;
			free(h);
		}
	}
}
