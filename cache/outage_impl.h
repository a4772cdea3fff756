/*
 * What Redis has missed: keys that were set or deleted when it could not be told. Until it has been told, what it holds
 * under these keys is not to be believed. Any thread.
 */
#ifndef CACHE_OUTAGE_IMPL_H
#define CACHE_OUTAGE_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Keys remembered one by one; one more and it is "everything". */
#define OUTAGE_MAX_KEYS 10000

/* Keys told at once. */
#define OUTAGE_BATCH    100
#define OUTAGE_KEY_SIZE 208

struct outage;

/* Nothing missed; NULL without memory. */
struct outage *outage_create(void);
void outage_destroy(struct outage *); /* NULL is fine */

/* Redis has missed a change of this key. Never fails: without memory or room it is everything. */
void outage_remember(struct outage *, struct str key);
void outage_remember_everything(struct outage *);

/*
 * The server's run id, as it says on a new connection. Another one than before may have brought back any older state: it
 * has missed everything.
 */
void outage_note_server(struct outage *, struct str run_id);

/* Whether Redis has missed something of this key; without an outage one atomic load. */
bool outage_holds(struct outage *, struct str key);

/* Whether anything at all. */
bool outage_pending(struct outage *);

/* ---- telling: for repair.c, one thread at a time ---- */

struct outage_batch {
	size_t n;
	uint64_t sequence[OUTAGE_BATCH]; /* when each was remembered */
	char keys[OUTAGE_BATCH][OUTAGE_KEY_SIZE];
};

/* A number that grows with each key remembered. */
uint64_t outage_sequence(struct outage *);

/* Copies the keys remembered first, up to and including that number; they stay remembered. False when there are none. */
bool outage_take(struct outage *, uint64_t up_to, struct outage_batch *ret_batch);

/* Redis has been told of these: forgets those that were not remembered again meanwhile. */
void outage_forget(struct outage *, const struct outage_batch *);

/*
 * Begins or goes on deleting everything: true with the cursor where to go on ("0": the start), false when that is not
 * needed. Keys remembered before the start are covered by it.
 */
bool outage_scan_begin(struct outage *, char ret_cursor[24]);

/* A step has ended; the next cursor, "0" when all is done. */
void outage_scan_step(struct outage *, struct str cursor);

#endif
