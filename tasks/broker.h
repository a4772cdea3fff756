/*
 * The queues in Redis, as kombu lays them out (tasks.md 7.1): a list per queue and priority step, producers push on the left and
 * consumers take from the right; what a consumer holds is in `unacked` and `unacked_index` until it acknowledges. What is taken,
 * registered, finished or put back is so in one step on the server (scripts), so that neither a kill nor a lost reply leaves a
 * message in between: after a call whose outcome is unknown the same call may be made again.
 *
 * All calls go through the usage `tasks` of the resilience core: ERR_UNAVAILABLE, or ERR_TIMEOUT when it is not known whether Redis
 * did it. Any thread.
 */
#ifndef TASKS_BROKER_H
#define TASKS_BROKER_H

#include "base/buf.h"
#include "base/kinds.h"
#include "resilience/redis.h"

#define BROKER_QUEUES_MAX   16
#define BROKER_QUEUE_SIZE   101 /* a queue's name, with its NUL */
#define BROKER_TAG_SIZE     256
#define BROKER_BATCH_MAX    64
#define BROKER_STEPS        4 /* priorities 0, 3, 6 and 9 have lists of their own */
#define BROKER_REDELIVERIES 5 /* put back so often, a message goes to the dead letters (tasks.md 8) */
#define BROKER_DEAD         "celery:dead"
#define BROKER_DEAD_MAX     1000
#define BROKER_ITEM_MAX     2097152 /* bytes of a message, 2 MiB; a larger one cannot be handled within the time of one command */
#define BROKER_ITEM_SHOWN   65536   /* of such a one in its letter, whose reason names the key that has all of it */
#define BROKER_LARGE_KEPT_S 2592000 /* 30 days */
#define BROKER_LARGE_SIZE   64      /* such a key */

/* Appends the key of the list where a message of that priority waits. */
void broker_add_list(struct buf *, struct str queue, int priority);

/*
 * Pushes a finished envelope and binds the queue. 0: Redis has it; ERR_INVALID: the envelope would stop a Python worker, it was not
 * sent; ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_NOMEM. budget may be NULL.
 */
int broker_push(struct redis *, struct redis_budget *, const char *queue, int priority, struct str envelope);

/* Whether an envelope may lie on a queue: ERR_INVALID (logged): it would stop a Python worker; ERR_NOMEM. */
int broker_check(struct str envelope);

/* The queues that a consumer takes from, in the order of its next look; whoever was served goes to the end. One thread at a time. */
struct broker_queues {
	char names[BROKER_QUEUES_MAX][BROKER_QUEUE_SIZE];
	size_t n;
};

/* A message that was taken; owned, free(3) the bytes. */
struct broker_item {
	char *bytes; /* NUL-terminated */
	size_t len;
	char tag[BROKER_TAG_SIZE]; /* by which unacked holds it; empty: it could not be understood and lies with the dead letters */
};

struct broker_batch {
	struct broker_item items[BROKER_BATCH_MAX];
	size_t n;
};

/* Frees what the items own. */
void broker_batch_finish(struct broker_batch *);

/* Binds the queues of a consumer, as kombu does. */
int broker_declare(struct redis *, const struct broker_queues *);

/*
 * Takes and registers up to most messages (at most BROKER_BATCH_MAX), highest priority first, the queues in turn. taken_at_us is
 * the time of delivery; no two calls of a worker have the same. When the outcome is unknown, broker_recall with the same time
 * finds what was taken.
 */
int broker_take(struct redis *, struct broker_queues *, size_t most, int64_t taken_at_us, struct broker_batch *ret_batch);
int broker_recall(struct redis *, int64_t taken_at_us, struct broker_batch *ret_batch);

/*
 * Registers what BRPOP handed over (list is the key it named), or gives it to the dead letters when it is too large. May be repeated; after
 * an unknown outcome broker_recall may have it.
 */
int broker_register(struct redis *, struct broker_queues *, struct str list, struct str item, int64_t taken_at_us,
                    struct broker_batch *ret_batch);

/* The BRPOP that waits for the next message, at most BROKER_WAIT_US; it points into the struct. ERR_NOMEM. */
#define BROKER_WAIT_US INT64_C(1000000)
struct broker_wait {
	struct buf keys;
	struct str args[BROKER_STEPS * BROKER_QUEUES_MAX + 2];
};
int broker_wait_begin(const struct broker_queues *, struct broker_wait *ret_wait, struct redis_command *ret_command);
void broker_wait_finish(struct broker_wait *);

/* How many messages wait on the lists. */
int broker_waiting(struct redis *, const struct broker_queues *, int64_t *ret_n);

/* A message to be pushed when another one is finished. Texts borrowed. */
struct broker_message {
	struct str queue;
	int priority;
	struct str envelope;
};

#define BROKER_FOLLOWERS_MAX 64

/* The end of a held message. Texts borrowed. */
struct broker_end {
	struct str tag;
	struct str id;
	struct str result; /* JSON to be stored and published (tasks.md 7.5); absent: none */
	int64_t expires_s; /* of the result */
	const struct broker_message *followers;
	size_t n_followers;
};

/*
 * In one step: pushes the followers, stores and publishes the result, acknowledges. A SUCCESS that is stored already is not
 * overwritten, and then nothing follows it a second time. Repeating it after an unknown outcome changes nothing.
 */
int broker_finish(struct redis *, const struct broker_end *);

/*
 * What a worker has finished and what it takes next, in one trip: first the ends, in one step as broker_finish, then the take as
 * broker_take. Ends have no followers, and results that expire alike. *ret_ended: the ends are done. An error with *ret_ended is the
 * take's alone; when the outcome is unknown, both are repeated: the ends as they are, the take by broker_recall.
 */
#define BROKER_ENDS_MAX 64
struct broker_round {
	const struct broker_end *ends;
	size_t n_ends; /* at most BROKER_ENDS_MAX */
	struct broker_queues *queues;
	size_t most; /* 0: nothing is taken */
	int64_t taken_at_us;
};
int broker_round(struct redis *, const struct broker_round *, struct broker_batch *ret_batch, bool *ret_ended);

/* Stores and publishes a result without acknowledging anything, unless a final one is stored. */
int broker_store(struct redis *, struct str id, struct str result, int64_t expires_s);

/* The stored result as JSON, appended; *ret_found says whether there is one. */
int broker_result(struct redis *, struct str id, struct buf *ret_result, bool *ret_found);

/*
 * Puts a held message back: envelope is the text with its redelivered marks, next whether it is served next (else last). When
 * unacked no longer holds it and a result is stored, it has been dealt with and is not put back.
 */
int broker_put_back(struct redis *, struct str tag, struct str id, struct str queue, int priority, struct str envelope, bool next);

/* Moves a held message (tag absent: one that is not held) to the dead letters: {"reason", "queue", "at", "item"} as JSON. */
int broker_bury(struct redis *, struct str tag, struct str queue, struct str item, const char *reason);

/* Stores a message larger than BROKER_ITEM_MAX under a key of its own, a part after the other. Errors as redis_call. */
int broker_keep_large(struct redis *, struct str item, char ret_key[BROKER_LARGE_SIZE]);

/* Moves the time of delivery of what is still held to now. */
int broker_renew(struct redis *, const struct str *tags, size_t n);

/*
 * The restore sweep (tasks.md 7.4, 5): puts back what was delivered longer ago than visibility_us, under unacked_mutex. A message
 * that would be put back for the sixth time goes to the dead letters, with a FAILURE. *ret_restored, *ret_buried count.
 */
int broker_restore(struct redis *, int64_t visibility_us, int64_t expires_s, size_t *ret_restored, size_t *ret_buried);

#endif
