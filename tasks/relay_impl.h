/* Between relay.c (the thread, its end), relay_rounds.c (what a turn does) and settle.c (rows that Redis has). */
#ifndef TASKS_RELAY_IMPL_H
#define TASKS_RELAY_IMPL_H

#include <pthread.h>

#include "resilience/redis.h"
#include "tasks/crew.h"
#include "tasks/relay.h"

#define RELAY_OWNER_SIZE 64

struct metric;

struct relay {
	struct relay_config config;
	char owner[RELAY_OWNER_SIZE];
	struct db_conn *db;
	struct crew *crew;
	/* of its thread */
	struct arena arena; /* of a round */
	struct buf pushed;  /* ids that Redis has, and the table does not know it yet */
	int64_t pushed_at_us;
	int push_failures; /* in a row */
	int64_t push_not_before_us;
	int64_t renew_at_us, settle_at_us, look_at_us, figures_at_us;
	struct outbox_place settle_after; /* where the next round of settling goes on */
	bool settled_oldest;              /* the last one began with the oldest instead */
	struct log_limit push_log;
	struct metric *to_redis, *to_local, *push_errors, *resent;
	struct metric *rows[3], *oldest, *oldest_sent, *queue, *unacked;
	/* of all */
	_Atomic int64_t pulse_us, turns;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	bool woken, draining;
	int64_t deadline_us;
	int cut;
};

/* All that is due now; true: there is more of it. */
bool relay_turn(struct relay *);

/* Renews the leases of what the local workers have, when it is time. */
void relay_renew(struct relay *);

/* Gives rows back, as they were; the list is emptied. */
void relay_give_back(struct relay *, struct buf *ids, const char *error);

/* Whether a Redis is configured for tasks, there or not. */
bool relay_has_redis(const struct relay *);

/* Looks after rows that Redis has: settles those with a result, sends again those that it has lost. True: it is worth going on. */
bool relay_settle(struct relay *);

#endif
