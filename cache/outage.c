/*
 * What Redis has missed: the keys that were set or deleted here while it could not be told, at most 10,000, then one mark
 * that stands for all. Kept in a fixed hash table and, in the order of coming, in a list from which repair.c takes them.
 * A key is forgotten only after Redis has acknowledged its repair, and only if it has not been marked again meanwhile.
 */
#include "cache/outage_impl.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "cache/hash_impl.h"

#define BUCKETS 4096 /* fixed: the number of keys is */

struct missed {
	TAILQ_ENTRY(missed) order; /* remembered first, first */
	struct missed *next;       /* in the bucket */
	uint64_t sequence;
	size_t len;
	char key[];
};

struct outage {
	pthread_mutex_t lock;
	atomic_bool pending; /* anything below; read without the lock */
	bool everything;     /* to be deleted from a start that has not been made */
	bool scanning;       /* being deleted; cursor is where */
	char cursor[24];
	char run_id[48]; /* "" = not known */
	uint64_t sequence;
	size_t n;
	TAILQ_HEAD(, missed) order;
	struct hash_seed seed;
	struct missed *buckets[BUCKETS];
};

struct outage *outage_create(void)
{
	struct outage *o = mem_alloc(sizeof(*o));

	if (!o)
		return NULL;
	pthread_mutex_init(&o->lock, NULL);
	TAILQ_INIT(&o->order);
	hash_seed_init(&o->seed);
	return o;
}

static void forget_all(struct outage *o)
{
	struct missed *m;

	while ((m = TAILQ_FIRST(&o->order))) {
		TAILQ_REMOVE(&o->order, m, order);
		free(m);
	}
	memset(o->buckets, 0, sizeof(o->buckets));
	o->n = 0;
}

void outage_destroy(struct outage *o)
{
	if (!o)
		return;
	forget_all(o);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* ---- the lock held ---- */

static void note_pending(struct outage *o)
{
	atomic_store(&o->pending, o->everything || o->scanning || o->n > 0);
}

static struct missed **find(struct outage *o, struct str key)
{
	struct missed **at = &o->buckets[hash_bytes(&o->seed, key) % BUCKETS];

	while (*at && !str_equal((struct str){ (*at)->key, (*at)->len }, key))
		at = &(*at)->next;
	return at;
}

static struct missed *add(struct outage *o, struct missed **at, struct str key)
{
	struct missed *m = o->n < OUTAGE_MAX_KEYS && key.len < OUTAGE_KEY_SIZE ? mem_alloc(sizeof(*m) + key.len) : NULL;

	if (!m)
		return NULL;
	m->len = key.len;
	memcpy(m->key, key.s, key.len);
	*at = m;
	o->n++;
	return m;
}

static void set_everything(struct outage *o)
{
	o->everything = true;
	forget_all(o);
}

/* ---- remembering ---- */

void outage_remember(struct outage *o, struct str key)
{
	struct missed **at, *m;

	pthread_mutex_lock(&o->lock);
	at = find(o, key);
	m = *at;
	if (m)
		TAILQ_REMOVE(&o->order, m, order);
	else if (!o->everything)
		m = add(o, at, key);
	if (m) {
		m->sequence = ++o->sequence;
		TAILQ_INSERT_TAIL(&o->order, m, order);
	} else {
		set_everything(o);
	}
	note_pending(o);
	pthread_mutex_unlock(&o->lock);
}

void outage_remember_everything(struct outage *o)
{
	pthread_mutex_lock(&o->lock);
	set_everything(o);
	note_pending(o);
	pthread_mutex_unlock(&o->lock);
}

void outage_note_server(struct outage *o, struct str run_id)
{
	if (!run_id.s || run_id.len >= sizeof(o->run_id))
		return;
	pthread_mutex_lock(&o->lock);
	if (*o->run_id && !str_is(run_id, o->run_id)) {
		set_everything(o);
		o->scanning = false; /* its cursor was another server's */
		note_pending(o);
	}
	memcpy(o->run_id, run_id.s, run_id.len);
	o->run_id[run_id.len] = '\0';
	pthread_mutex_unlock(&o->lock);
}

bool outage_holds(struct outage *o, struct str key)
{
	bool holds;

	if (!atomic_load(&o->pending))
		return false;
	pthread_mutex_lock(&o->lock);
	holds = o->everything || o->scanning || *find(o, key);
	pthread_mutex_unlock(&o->lock);
	return holds;
}

bool outage_pending(struct outage *o)
{
	return atomic_load(&o->pending);
}

/* ---- telling ---- */

uint64_t outage_sequence(struct outage *o)
{
	uint64_t sequence;

	pthread_mutex_lock(&o->lock);
	sequence = o->sequence;
	pthread_mutex_unlock(&o->lock);
	return sequence;
}

bool outage_take(struct outage *o, uint64_t up_to, struct outage_batch *b)
{
	struct missed *m;

	b->n = 0;
	pthread_mutex_lock(&o->lock);
	TAILQ_FOREACH(m, &o->order, order)
	{
		if (m->sequence > up_to || b->n == OUTAGE_BATCH)
			break;
		memcpy(b->keys[b->n], m->key, m->len);
		b->keys[b->n][m->len] = '\0';
		b->sequence[b->n++] = m->sequence;
	}
	pthread_mutex_unlock(&o->lock);
	return b->n > 0;
}

void outage_forget(struct outage *o, const struct outage_batch *b)
{
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < b->n; i++) {
		struct missed **at = find(o, str_of(b->keys[i])), *m = *at;

		if (!m || m->sequence != b->sequence[i])
			continue;
		*at = m->next;
		TAILQ_REMOVE(&o->order, m, order);
		free(m);
		o->n--;
	}
	note_pending(o);
	pthread_mutex_unlock(&o->lock);
}

bool outage_scan_begin(struct outage *o, char ret_cursor[24])
{
	bool needed;

	pthread_mutex_lock(&o->lock);
	if (o->everything && !o->scanning) {
		o->everything = false;
		o->scanning = true;
		memcpy(o->cursor, "0", 2);
	}
	needed = o->scanning;
	memcpy(ret_cursor, o->cursor, sizeof(o->cursor));
	pthread_mutex_unlock(&o->lock);
	return needed;
}

void outage_scan_step(struct outage *o, struct str cursor)
{
	pthread_mutex_lock(&o->lock);
	o->scanning = o->scanning && !str_is(cursor, "0") && cursor.len < sizeof(o->cursor);
	if (o->scanning) {
		memcpy(o->cursor, cursor.s, cursor.len);
		o->cursor[cursor.len] = '\0';
	}
	note_pending(o);
	pthread_mutex_unlock(&o->lock);
}
