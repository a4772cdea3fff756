/*
 * Throttling: how often a caller may call. Contract: spec http.md 8, accounts.md 9 and D2, resilience.md 2.5; design 9.6.
 *
 * An allowance is a rate (N calls in a period) and whose it is: a scope and an identity in it (an address, an account). Its
 * sliding log holds the times of the calls accepted in the last period; with N of them a call is refused, and leaves no
 * trace. The logs of this process are in its memory, and it refuses from memory alone. When the cache usage of Redis is
 * configured the processes share what they accept, under egoejo:t1:throttle_<scope>_<identity>: a call that need not be
 * quick is taken there too before it is accepted, by one atomic script; one that is answered from memory (a cached list) is
 * told to Redis within 100 ms, by throttle_share. What Redis knows better comes back with either answer. While Redis is away each
 * process keeps the limits for itself, and tells what it accepted when Redis is back: nobody is refused because of an outage.
 *
 * Memory is bounded: at the limit, the identities that have not called for longest are forgotten (Redis still knows them).
 * Any thread unless said otherwise.
 */
#ifndef CACHE_THROTTLE_H
#define CACHE_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/settings.h"
#include "base/str.h"
#include "resilience/redis.h"

/* X(name, label): label is the scope in Redis keys and metrics. */
#define THROTTLE_SCOPE_LIST(X) \
	X(ANON, "anon")        \
	X(USER, "user")        \
	X(METRICS, "metrics")

enum throttle_scope {
#define X(name, label) THROTTLE_##name,
	THROTTLE_SCOPE_LIST(X)
#undef X
	        THROTTLE_SCOPES
};

#define THROTTLE_MAX_IDENT 64 /* bytes of an identity; longer ones share what these name */

struct throttle;

struct throttle_config {
	struct redis *redis; /* borrowed; NULL, or its cache usage not configured: memory alone */
	struct setting_rate rates[THROTTLE_SCOPES];
	size_t max_bytes;      /* of all logs; 0: 32 MiB */
	size_t max_identities; /* 0: 100,000 */
	bool off;              /* DISABLE_THROTTLE_FOR_TESTS: all calls pass, nothing is kept */
	bool unlisted;         /* a part's own, not a caller's allowance: not in /metrics */
};

/* NULL without memory. After redis_create. */
struct throttle *throttle_create(const struct throttle_config *);

/* No call may be running. Before redis_destroy. NULL is fine. */
void throttle_destroy(struct throttle *);

/* Whether anything is limited at all. */
bool throttle_active(const struct throttle *);

/* One allowance that a call draws on. */
struct throttle_claim {
	enum throttle_scope scope;
	struct str ident;
};

#define THROTTLE_MAX_CLAIMS 4

enum throttle_reach {
	THROTTLE_MEMORY, /* no waiting: Redis is told within 100 ms */
	THROTTLE_SHARED  /* Redis decides with us, within the budget */
};

/*
 * Draws on every claim (1..THROTTLE_MAX_CLAIMS), on each whatever becomes of the others. 0: the call is accepted. Otherwise
 * it is refused, and may be tried again in so many seconds (at least 1: what the longest of the refusing scopes says).
 * budget may be NULL (one command timeout).
 */
int64_t throttle_take(struct throttle *, struct redis_budget *budget, enum throttle_reach, const struct throttle_claim *claims, size_t n);

/*
 * Failed credentials (accounts.md D2) draw on the anonymous allowance of the address and on that of the name, so that
 * passwords cannot be guessed faster than THROTTLE_ANON, neither from one address nor for one name.
 *
 *     wait_s = throttle_failed_credentials_check(t, address, username);     before a password is verified: costs no hash
 *     … 429 with Retry-After when wait_s > 0, whatever the credentials are …
 *     wait_s = throttle_failed_credentials_count(t, budget, address, username);     after they turned out to be wrong
 *     … 429 with Retry-After when wait_s > 0, else the 401 or 403 of the route …
 *
 * Basic: both, with address and name. Bearer: count alone, with the address (a signature is cheap to verify, and a good
 * token must not suffer from what others do at the address). Login is an anonymous call, which the gate has counted for
 * the address already: both, with the name alone (address absent). A name may be anything a client sends: it is kept as a
 * digest. Several attempts at once may each pass the check before the first is counted: at most as many as passwords are
 * verified at a time.
 *
 * Both: 0, or the seconds to wait. check looks, in memory alone; count counts what is not yet exhausted.
 */
int64_t throttle_failed_credentials_check(struct throttle *, struct str address, struct str username);
int64_t throttle_failed_credentials_count(struct throttle *, struct redis_budget *budget, struct str address, struct str username);

/*
 * Tells Redis what was accepted from memory alone, in pipelines; for a monitor, every 100 ms. Waits for Redis one command
 * timeout at most. One thread at a time.
 */
void throttle_share(void *throttle);

#define THROTTLE_SHARE_US INT64_C(100000)

/* For tests and /metrics. */
struct throttle_stats {
	size_t identities, bytes;
	size_t untold; /* accepted calls that Redis does not know yet */
};
void throttle_stats(struct throttle *, struct throttle_stats *ret_stats);

#endif
