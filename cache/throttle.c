/*
 * Who decides: the memory first, because it refuses without asking anybody. What it accepts it has written down already when
 * Redis is asked, so that a second call at the same time is judged with the first one counted; when Redis refuses, that is
 * taken back, and the memory refuses from then on until Redis' log has room again: a caller who goes on calling costs Redis nothing.
 */
#include "cache/throttle.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "cache/sliding_impl.h"
#include "cache/throttle_scripts_impl.h"

#define TELL_ROUNDS 8 /* pipelines of one throttle_share: 65,000 calls */

struct throttle {
	bool off, shared;
	struct sliding *logs;
	struct throttle_scripts scripts;
	struct sliding_news *news;               /* THROTTLE_TELL_MAX of them, for throttle_share; when shared */
	struct metric *refused[THROTTLE_SCOPES]; /* NULL: unlisted */
	struct metric *identities;
};

static void collect(void *arg)
{
	struct throttle *t = arg;
	struct throttle_stats stats;

	throttle_stats(t, &stats);
	metric_set(t->identities, (int64_t)stats.identities);
}

static void init_metrics(struct throttle *t, bool unlisted)
{
	static const char *const labels[] = {
#define X(name, label) "scope=\"" label "\"",
		THROTTLE_SCOPE_LIST(X)
#undef X
	};

	if (unlisted)
		return;
	for (int i = 0; i < THROTTLE_SCOPES; i++)
		t->refused[i] = metric_series(METRIC_THROTTLED, labels[i]);
	t->identities = metric_series(METRIC_THROTTLE_IDENTITIES, "");
	metrics_on_collect(collect, t);
}

struct throttle *throttle_create(const struct throttle_config *config)
{
	struct throttle *t = mem_alloc(sizeof(*t));

	if (!t)
		return NULL;
	t->off = config->off;
	t->shared = config->redis && redis_configured(config->redis, REDIS_CACHE);
	t->logs = sliding_create(config);
	if (t->shared) {
		throttle_scripts_init(&t->scripts, config);
		t->news = mem_array(THROTTLE_TELL_MAX, sizeof(*t->news));
	}
	if (!t->logs || (t->shared && !t->news)) {
		throttle_destroy(t);
		return NULL;
	}
	init_metrics(t, config->unlisted);
	return t;
}

void throttle_destroy(struct throttle *t)
{
	if (!t)
		return;
	metrics_off_collect(t);
	sliding_destroy(t->logs);
	free(t->news);
	free(t);
}

bool throttle_active(const struct throttle *t)
{
	return !t->off;
}

static void count_refusal(struct throttle *t, enum throttle_scope scope)
{
	if (t->refused[scope])
		metric_add(t->refused[scope], 1);
}

/* What one call draws on, as far as this memory accepts it. */
struct draw {
	struct throttle_claim claims[THROTTLE_MAX_CLAIMS];
	int64_t times_us[THROTTLE_MAX_CLAIMS];
	size_t n;
};

/* The longest wait of the claims that the memory refuses; the others are in *ret_draw. */
static int64_t draw_from_memory(struct throttle *t, bool untold, const struct throttle_claim *claims, size_t n, int64_t now_us,
                                struct draw *ret_draw)
{
	int64_t longest = 0, wait, time_us;

	ret_draw->n = 0;
	for (size_t i = 0; i < n && i < THROTTLE_MAX_CLAIMS; i++) {
		wait = sliding_take(t->logs, &claims[i], now_us, untold, &time_us);
		if (wait)
			count_refusal(t, claims[i].scope);
		longest = wait > longest ? wait : longest;
		if (time_us) {
			ret_draw->claims[ret_draw->n] = claims[i];
			ret_draw->times_us[ret_draw->n++] = time_us;
		}
	}
	return longest;
}

/* Redis is away: what it was to decide stands, and is told when it is back. */
static void keep_for_later(struct throttle *t, const struct draw *draw)
{
	for (size_t i = 0; i < draw->n; i++)
		sliding_set_untold(t->logs, &draw->claims[i], draw->times_us[i]);
	redis_report_fallback(t->scripts.redis, REDIS_CACHE, LOG_WARNING, "cache.fallback", "throttle", "key", draw->claims[0].ident);
}

/* The longest wait of the claims that Redis refuses. */
static int64_t draw_from_redis(struct throttle *t, struct redis_budget *budget, const struct draw *draw)
{
	struct throttle_answer answers[THROTTLE_MAX_CLAIMS];
	int64_t longest = 0, now_us;

	if (throttle_scripts_take(&t->scripts, budget, draw->claims, draw->times_us, draw->n, answers) < 0) {
		keep_for_later(t, draw);
		return 0;
	}
	now_us = clock_monotonic_us();
	for (size_t i = 0; i < draw->n; i++) {
		if (answers[i].wait_us > 0)
			sliding_block(t->logs, &draw->claims[i], now_us + answers[i].wait_us);
		if (answers[i].accepted)
			continue;
		sliding_undo(t->logs, &draw->claims[i], draw->times_us[i]);
		count_refusal(t, draw->claims[i].scope);
		longest = answers[i].wait_us > longest ? answers[i].wait_us : longest;
	}
	return longest;
}

static int64_t whole_seconds(int64_t wait_us)
{
	return (wait_us + US_PER_S - 1) / US_PER_S;
}

int64_t throttle_take(struct throttle *t, struct redis_budget *budget, enum throttle_reach reach, const struct throttle_claim *claims,
                      size_t n)
{
	struct draw draw;
	int64_t longest, deeper;

	if (t->off)
		return 0;
	longest = draw_from_memory(t, t->shared && reach == THROTTLE_MEMORY, claims, n, clock_monotonic_us(), &draw);
	if (t->shared && reach == THROTTLE_SHARED && draw.n) {
		deeper = draw_from_redis(t, budget, &draw);
		longest = deeper > longest ? deeper : longest;
	}
	return whole_seconds(longest);
}

/* ---- failed credentials ---- */

#define NAME_IDENT_SIZE 48

/* "name:" and half of a SHA-256, in hexadecimal: no name in Redis or in logs, and one length for all. */
static struct str name_ident(struct str username, char text[NAME_IDENT_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };
	size_t len = 5;

	EVP_Digest(username.s, username.len, digest, NULL, EVP_sha256(), NULL);
	memcpy(text, "name:", 6);
	for (int i = 0; i < 16; i++, len += 2)
		snprintf(text + len, 3, "%02x", digest[i]);
	return (struct str){ text, len };
}

static size_t credential_claims(struct str address, struct str username, char text[NAME_IDENT_SIZE], struct throttle_claim ret_claims[2])
{
	size_t n = 0;

	if (address.s)
		ret_claims[n++] = (struct throttle_claim){ THROTTLE_ANON, address };
	if (username.s)
		ret_claims[n++] = (struct throttle_claim){ THROTTLE_ANON, name_ident(username, text) };
	return n;
}

int64_t throttle_failed_credentials_check(struct throttle *t, struct str address, struct str username)
{
	struct throttle_claim claims[2];
	char text[NAME_IDENT_SIZE];
	size_t n = t->off ? 0 : credential_claims(address, username, text, claims);
	int64_t longest = 0, wait;

	for (size_t i = 0; i < n; i++) {
		wait = sliding_wait(t->logs, &claims[i], clock_monotonic_us());
		if (wait)
			count_refusal(t, THROTTLE_ANON);
		longest = wait > longest ? wait : longest;
	}
	return whole_seconds(longest);
}

int64_t throttle_failed_credentials_count(struct throttle *t, struct redis_budget *budget, struct str address, struct str username)
{
	struct throttle_claim claims[2];
	char text[NAME_IDENT_SIZE];
	size_t n = t->off ? 0 : credential_claims(address, username, text, claims);

	return n ? throttle_take(t, budget, THROTTLE_SHARED, claims, n) : 0;
}

/* ---- sharing ---- */

/* One pipeline; how many logs it told, negative when Redis is away. */
static int tell_some(struct throttle *t)
{
	int64_t waits_us[THROTTLE_TELL_MAX] = { 0 }, now_us = clock_monotonic_us();
	size_t n = sliding_collect(t->logs, now_us, t->news, THROTTLE_TELL_MAX);
	int r = n ? throttle_scripts_tell(&t->scripts, t->news, n, now_us, waits_us) : 0;

	if (r < 0)
		return r;
	now_us = clock_monotonic_us();
	for (size_t i = 0; i < n; i++) {
		sliding_set_told(t->logs, &t->news[i]);
		if (waits_us[i] > 0)
			sliding_block(t->logs, &t->news[i].claim, now_us + waits_us[i]);
	}
	return (int)n;
}

void throttle_share(void *arg)
{
	struct throttle *t = arg;

	if (!t->shared || t->off)
		return;
	for (int i = 0; i < TELL_ROUNDS && redis_usable(t->scripts.redis, REDIS_CACHE); i++)
		if (tell_some(t) <= 0)
			break;
}

void throttle_stats(struct throttle *t, struct throttle_stats *ret_stats)
{
	sliding_measure(t->logs, ret_stats);
}
