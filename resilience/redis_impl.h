/*
 * Inside of the resilience core: the structs that redis.c (life and calls), redis_pool.c, redis_prober.c, redis_report.c
 * (state, logs, metrics), redis_status.c, redis_link.c and subscription.c share.
 *
 *     struct redis ── 3 × struct usage ── breaker, pool, members (links, subscriptions)
 *           │                 │
 *           └── struct server ┘  one per distinct server: address, PING connection, prober thread
 *
 * Locks, in the order in which they may be taken: usage.members_lock (the prober holds it while it renews, so no caller of
 * redis_call may ever want it), then any one of server.lock, usage.lock, pool.lock, all of which are short.
 */
#ifndef RESILIENCE_REDIS_IMPL_H
#define RESILIENCE_REDIS_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/metrics.h"
#include "resilience/monitor.h"
#include "resilience/redis_conn_impl.h"

#define POOL_MAX         64
#define HOOKS_MAX        8
#define OPS_MAX          32
#define PING_INTERVAL_US (500 * US_PER_MS)
#define PING_LIMIT_US    (250 * US_PER_MS)
#define HOOKS_LIMIT_US   (5 * US_PER_S) /* all that a recovery repairs before the usage closes */
#define LOG_EVERY_US     (10 * US_PER_S)

#define HEALTH_KEY "egoejo:t1:redis_health_check" /* outside the tracked prefix egoejo:c1: (design 9.6) */

/* The metrics of one op of a usage; found again by its name. */
struct op_series {
	_Atomic(const char *) op; /* NULL: free */
	struct metric *seconds;
	struct metric *fallbacks;
};

/* Log lines of one event of a usage. */
struct event_limit {
	const char *event; /* NULL: all others */
	struct log_limit limit;
	struct metric *suppressed;
};
#define EVENTS 5

struct pool {
	pthread_mutex_t lock;
	struct redis_conn *idle[POOL_MAX]; /* the last one used on top */
	int n_idle;
	int size;        /* how many are kept */
	atomic_int busy; /* handed out */
};

struct redis;
struct usage;
struct server;

/* What must be made again when the usage recovers: a link or a subscription. The first member of their structs. */
struct member {
	struct member *next;
	/* Before the usage closes, under this generation; negative keeps it open. conn is the trial's connection. */
	int (*renew)(struct member *, struct redis_conn *conn, uint64_t generation, int64_t deadline_us);
	/* The usage has moved: give up what belongs to an older generation, or begin. Must not wait. */
	void (*moved)(struct member *);
};

struct recovery_hook {
	redis_recovery_hook fn;
	void *arg;
};

struct usage {
	/* Declarative: set at create */
	enum redis_usage id;
	struct redis *redis;
	bool configured;
	struct redis_url url;
	struct server *server;
	struct recovery_hook hooks[HOOKS_MAX];
	int n_hooks;
	/* Any thread */
	struct breaker breaker; /* open for ever when not configured */
	struct pool pool;
	struct op_series ops[OPS_MAX];
	struct event_limit events[EVENTS];
	_Atomic int64_t fallbacks;    /* since start */
	_Atomic int64_t latency_us;   /* of the last PING; -1 */
	_Atomic int64_t canary_at_us; /* monotonic, of the last one received; 0 = none */
	atomic_bool trial_writes;     /* an error reply opened it: the trial must write, PING alone would not show the recovery */
	/* Under lock */
	pthread_mutex_t lock;
	atomic_bool started;       /* written under the lock: the first trial has ended, or redis_start gave up waiting for it */
	struct instant since;      /* when the outage began or ended */
	int64_t down_at_us;        /* monotonic; 0 = not down */
	int64_t counted_at_us;     /* monotonic: the downtime metric covers the outage until here */
	int64_t fallbacks_at_down; /* value of fallbacks when the outage began */
	enum redis_failure failure;
	char error_text[240];
	/* Under members_lock */
	pthread_mutex_t members_lock;
	struct member *members;
	/* Metrics */
	struct metric *up, *states[BREAKER_STATES], *transitions[BREAKER_STATES], *errors[REDIS_FAILURES];
	struct metric *downtime, *pool_idle, *pool_busy;
};

struct server {
	struct redis *redis;
	struct redis_url url; /* of the first usage on it, database 0 */
	struct monitor *monitor;
	/* Prober only */
	struct redis_conn *conn;
	int64_t resolved_at_us; /* monotonic */
	/* Under lock */
	pthread_mutex_t lock;
	pthread_cond_t first_round;
	bool probed;                   /* the first round has ended */
	struct redis_address *address; /* NULL: not resolved yet */
};

#define KEY_SHOWN_BYTES 100 /* of a key in the log */

/* Which keys have been warned about lately; the oldest leaves. */
#define WARNED_KEYS 32
struct warned_keys {
	pthread_mutex_t lock;
	struct {
		uint64_t hash;
		int64_t until_us; /* monotonic: no other line for this key before */
	} keys[WARNED_KEYS];
};

struct redis {
	struct redis_config config;
	struct usage usages[REDIS_USAGES];
	struct server servers[REDIS_USAGES];
	int n_servers;
	struct {
		redis_state_hook fn;
		void *arg;
	} state_hooks[HOOKS_MAX];
	int n_state_hooks;
	pthread_rwlock_t hooks_lock; /* read while hooks run; written by redis_off_hooks. Taken before any other lock */
	struct warned_keys too_large;
	char origin[17];
	bool started;
};

/* What went wrong in an attempt. */
struct outage {
	enum redis_failure kind;
	int64_t duration_us; /* -1: not known */
	bool by_reply;       /* the server answered with an error */
	bool certain;        /* found by the prober: opens at once, a timeout too */
	struct error err;
};

/* ---- redis.c ---- */

/* One attempt of a caller, begun when the breaker allowed it. */
struct attempt {
	struct usage *usage;
	struct redis_budget *budget; /* may be NULL */
	uint64_t generation;
	int64_t start_us;
	int64_t end_us;     /* the budget's end; INT64_MAX without */
	int64_t granted_us; /* what the command got */
	struct outage outage;
};

/* 0, or ERR_UNAVAILABLE when nothing may be tried. */
int attempt_begin(struct attempt *, struct usage *, struct redis_budget *);

/* The deadlines of the two steps, counted from now. */
int64_t attempt_connect_deadline(const struct attempt *);
int64_t attempt_command_deadline(struct attempt *); /* notes what it granted */

/* A new connection of the usage for this attempt. */
int attempt_connect(struct attempt *, struct redis_conn **ret_conn);

/* The commands on conn; on failure the attempt knows why. */
int attempt_exchange(struct attempt *, struct redis_conn *conn, const struct redis_command *commands, size_t n,
                     struct redis_reply **ret_replies);

/* Charges the budget, observes the time, tells the breaker; r is what the attempt ended in, the result what the caller gets. */
int attempt_end(struct attempt *, const char *op, int r);

/* redis_call, and what became of it in *a. */
int usage_call(struct attempt *a, struct usage *, struct redis_budget *, const char *op, const struct redis_command *commands, size_t n,
               struct redis_reply **ret_replies);

/* A reference to the address of the usage's server; NULL when its name has not been resolved yet. */
struct redis_address *server_address(struct server *);

/* ---- redis_pool.c ---- */

/* An empty pool that keeps at most size connections (1..POOL_MAX). */
void pool_init(struct pool *, int size);

/* Closes the idle ones and ends; none may be handed out. */
void pool_finish(struct pool *);

/* An idle connection of this generation that is still good, or NULL; counts as busy from now on either way. */
struct redis_conn *pool_take(struct pool *, uint64_t generation);

/* Gives back (kept when good and of the breaker's present generation, else closed); conn may be NULL. */
void pool_give(struct pool *, struct redis_conn *conn, const struct breaker *);

/* Puts in a connection that was made elsewhere (the trial's). */
void pool_add(struct pool *, struct redis_conn *conn, const struct breaker *);

/* Closes the idle ones. */
void pool_drain(struct pool *);

/* ---- redis_prober.c ---- */

/* One round on a server: its PING, then the trials that are due; the watch of its monitor. */
void prober_round(void *server);

/* Frees what the prober owns. */
void prober_finish(struct server *);

/* ---- redis_report.c ---- */

/* Makes the metrics of the usage; id and configured must be set. */
void report_init(struct usage *);

/* An attempt of this generation failed: tells the breaker, and if that opened it, everybody. */
void usage_failed(struct usage *, uint64_t generation, const struct outage *);

/* The trial of this generation succeeded: closes. */
void usage_recovered(struct usage *, uint64_t generation);

/* The prober begins a trial; false when none is due. */
bool usage_begin_trial(struct usage *, uint64_t *ret_generation);

/* The first trial did not end in time: logs the outage as the start line, once. */
void usage_give_up_start(struct usage *);

/* The ERROR line of a failed explicit check. */
void report_failed_check(struct usage *, const char *text);

/* The metrics of an op; never NULL. */
struct op_series *usage_op(struct usage *, const char *op);

/* Sets the gauges; a collector of base/metrics. */
void report_collect(void *redis);

/* ---- redis_status.c ---- */

/* "RedisCache" and such; of an unconfigured usage its fallback's name. */
const char *usage_backend(const struct usage *);

/* "LocMemCache" and such. */
const char *usage_fallback_name(enum redis_usage);

/* The public class of a failure: "connection refused", … */
const char *failure_class(enum redis_failure);

/* Writes the health key and reads it back on this connection; 0 or negative with the reason. */
int health_check(struct redis_conn *, int64_t deadline_us, struct outage *ret_outage);

/* ---- members ---- */

/* first: renewed before the others. */
void usage_add_member(struct usage *, struct member *, bool first);

/* Returns when the prober does not use it. */
void usage_remove_member(struct usage *, struct member *);

#endif
