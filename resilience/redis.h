/*
 * The resilience core: Redis in three usages, each behind a breaker, so that a Redis that slows, hangs or dies costs a
 * caller nothing. Contract: spec resilience.md. Everything in the program that talks to Redis goes through here.
 *
 * A call is tried only while the usage's breaker is closed, on a connection of the usage's pool, within the smallest of
 * its own deadline and what is left of the caller's budget; when anything fails the caller gets ERR_UNAVAILABLE (or
 * ERR_TIMEOUT) and uses its fallback. While a breaker is open no system call towards Redis is made by any caller: the
 * prober (a monitor of its own) alone tries, and closes the breaker after the recovery hooks have run.
 *
 * Any thread unless said otherwise.
 */
#ifndef RESILIENCE_REDIS_H
#define RESILIENCE_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/kinds.h"
#include "base/log.h"
#include "resilience/breaker.h"
#include "resilience/redis_url.h"

enum redis_usage { REDIS_CHANNELS, REDIS_CACHE, REDIS_TASKS, REDIS_USAGES };

/* "channels", "cache", "tasks". */
const char *redis_usage_name(enum redis_usage);

struct redis_config {
	bool configured[REDIS_USAGES];      /* false: the usage runs on its fallback, and that is normal */
	struct redis_url url[REDIS_USAGES]; /* where configured */
	int64_t connect_timeout_us;         /* > 0 */
	int64_t command_timeout_us;         /* > 0; of one command or pipeline, to the last byte of the reply */
	int64_t retry_us;                   /* > 0; REDIS_RETRY_MS */
	int pool_size;                      /* connections kept per usage, 1..64 */
};

/*
 * Fills configured and url of the config from the URLs of the settings (any may be NULL); the other members stay as they
 * are. ERR_CONFIG names the variable; *ret_warning may get one line ("" if none).
 */
int redis_config_from_urls(const char *redis_url, const char *channels_url, const char *cache_url, const char *broker_url,
                           struct redis_config *ret_config, char ret_warning[200], struct error *err);

struct redis;

/* A core; nothing is connected yet: redis_start does the first round of probing. NULL without memory. */
struct redis *redis_create(const struct redis_config *);

/*
 * Starts a prober thread per distinct server (normally one) and waits for their first round, at most the connect timeout
 * and a PING (250 ms) longer; what has not answered by then is down. The start lines of 2.8 are logged. Until then no
 * usage is usable. ERR_NOMEM or ERR_INTERNAL (no thread): then redis_destroy is all that may follow.
 */
int redis_start(struct redis *, struct error *err);

/* Stops the prober, closes everything. Links and subscriptions must be gone. NULL is fine. */
void redis_destroy(struct redis *);

/* Whether the usage has a Redis at all. */
bool redis_configured(const struct redis *, enum redis_usage);

/* The number of its database; 0 when it is not configured. */
int redis_database(const struct redis *, enum redis_usage);

/* Where it is; borrowed. Zeroed when it is not configured. */
const struct redis_url *redis_url_of(const struct redis *, enum redis_usage);

/* Whether a call would be tried now: configured and closed. One atomic load. */
bool redis_usable(const struct redis *, enum redis_usage);

/* What a caller may still wait for Redis; spent calls are refused at once. One per request or frame, one thread. */
struct redis_budget {
	int64_t left_us;
};

/* One command: arguments are bytes, not NUL-terminated. */
struct redis_command {
	const struct str *args;
	size_t n;
};
#define REDIS_COMMAND(...) \
	((struct redis_command){ (const struct str[]){ __VA_ARGS__ }, N_ELEMENTS(((const struct str[]){ __VA_ARGS__ })) })

/* A reply, a view into memory of the call; see redis_replies_free. */
enum redis_reply_type {
	REDIS_REPLY_IS_NIL,
	REDIS_REPLY_IS_TEXT,
	REDIS_REPLY_IS_STATUS,
	REDIS_REPLY_IS_INT,
	REDIS_REPLY_IS_LIST,
	REDIS_REPLY_IS_ERROR
};

struct redis_reply; /* opaque */

/* What kind of reply it is. */
enum redis_reply_type redis_reply_type(const struct redis_reply *);
struct str redis_reply_text(const struct redis_reply *);                        /* TEXT, STATUS, ERROR; absent otherwise */
int64_t redis_reply_int(const struct redis_reply *);                            /* INT; 0 otherwise */
size_t redis_reply_size(const struct redis_reply *);                            /* LIST: elements; 0 otherwise */
const struct redis_reply *redis_reply_at(const struct redis_reply *, size_t i); /* LIST; NULL beyond the end */
void redis_replies_free(struct redis_reply **replies, size_t n);                /* frees each, sets NULL */

/*
 * Sends n commands in one write and reads n replies (owned by the caller: redis_replies_free). 0, or ERR_UNAVAILABLE
 * (open, not configured, budget spent, connection failed, a reply of the outage kind: LOADING, READONLY, OOM …) or
 * ERR_TIMEOUT; then ret_replies is all NULL and the breaker knows. Other error replies (WRONGTYPE …) are replies.
 * budget may be NULL (the command timeout alone counts). op is the label of the metrics ("get").
 */
int redis_call(struct redis *, enum redis_usage, struct redis_budget *budget, const char *op, const struct redis_command *commands,
               size_t n, struct redis_reply **ret_replies);

/*
 * A link: one connection of its own, kept, for commands that must share one (client tracking with NOLOOP). Calls on it
 * are serialised; waiting for it counts against budget and timeout. setup (may be NULL) runs on each new connection
 * before its first use and again by the prober before the breaker closes; it gets the link's connection.
 */
struct redis_link;
struct redis_conn;
typedef int (*redis_link_setup)(struct redis_conn *, int64_t deadline_us, void *arg);

/* A link of a usage; connects at its first call, or at the next recovery. NULL without memory. */
struct redis_link *redis_link_create(struct redis *, enum redis_usage, redis_link_setup, void *arg);

/* Closes and frees; no call may be running. NULL is fine. */
void redis_link_destroy(struct redis_link *);

/* As redis_call, on the link's connection. ERR_TIMEOUT also when others had the turn for too long. */
int redis_link_call(struct redis_link *, struct redis_budget *budget, const char *op, const struct redis_command *commands, size_t n,
                    struct redis_reply **ret_replies);

/* Makes the next call drop the link's connection, make a new one and run setup again; returns at once. */
void redis_link_reset(struct redis_link *);

/*
 * Runs on the prober after a successful trial and before the usage closes: what must be repaired first (2.5). A negative
 * return keeps the breaker open. conn is a fresh connection with the usage's database selected. At most 8 per core;
 * before redis_start.
 */
typedef int (*redis_recovery_hook)(struct redis_conn *conn, int64_t deadline_us, void *arg);
int redis_on_recovery(struct redis *, enum redis_usage, redis_recovery_hook, void *arg);

/* Called (by whatever thread made the move) after each move of the usage's breaker; at most 8; before redis_start. Must not block. */
typedef void (*redis_state_hook)(enum redis_usage, enum breaker_state, void *arg);
int redis_on_state(struct redis *, redis_state_hook, void *arg);

/*
 * Forgets every recovery and state hook with this arg, and returns when none of them runs any more: who made the hooks
 * calls it before freeing arg, while the prober may be at work. Not from a hook.
 */
void redis_off_hooks(struct redis *, void *arg);

/*
 * A layer above served from its fallback: counts it, and logs the event of 2.8 (at most one line per event, usage and
 * 10 s, with suppressed). name_field and name say what ("key", …). Nothing when the usage is not configured.
 */
void redis_report_fallback(struct redis *, enum redis_usage, enum log_level, const char *event, const char *op, const char *name_field,
                           struct str name);

/* A value above the limit was not cached (2.1): WARNING cache.too_large with key and bytes, once per key and minute. */
void redis_report_too_large(struct redis *, struct str key, size_t n_bytes);

/* Something found outside a call (the canary) says the usage is down: opens its breaker. kind as in the metrics ("timeout"). */
void redis_report_failure(struct redis *, enum redis_usage, const char *kind, const char *text);

/* The status of a usage, from the breakers alone: never touches Redis. */
struct redis_usage_status {
	bool available; /* not configured counts as available */
	bool configured;
	const char *backend;  /* the configured backend's name: RedisCache, LocMemCache, … (1.3) */
	const char *fallback; /* the backend that serves now, NULL when none is needed */
	const char *state;    /* closed, open, half_open, off */
	char error[64];       /* short class for the public; "" when available */
	char error_text[240]; /* the driver's text, for logs and staff */
	struct instant since; /* when the outage began or ended (the retries in between do not count), or start */
	int64_t latency_us;   /* of the last successful PING; -1 = none yet */
	int64_t canary_us;    /* age of the last canary received; -1 = no Redis or none yet */
	int64_t fallbacks;    /* served by the fallback since start */
};
void redis_usage_status(const struct redis *, enum redis_usage, struct redis_usage_status *ret_status);

/* The subscription tells the age of its canary here (monotonic time of the last one received). */
void redis_note_canary(struct redis *, enum redis_usage, int64_t received_at_us);

/* Name of this process for the others: 16 hex digits, made at create. */
const char *redis_origin(const struct redis *);

/*
 * The mission's probe (1.3): writes redis_health_check = ok with a TTL of 1 s through the cache usage, reads it back and
 * compares. Waits at most the budget of one command each way; logs redis.unavailable at ERROR on failure.
 * Without a configured cache: true, the memory cache being what there is.
 */
bool check_redis_available(struct redis *);

/* The same probe as an object of three keys: available, backend, error ("" when available). */
struct redis_probe_status {
	bool available;
	const char *backend;
	char error[240];
};
void get_redis_status(struct redis *, struct redis_probe_status *ret_status);

/* Age of the prober's last turn, for /livez; 0 when nothing is configured. */
int64_t redis_prober_pulse_age_us(const struct redis *);

#endif
