/*
 * What Redis is asked about sliding logs: two scripts, each atomic there. A log is a sorted set: member = who accepted the
 * call and when by his clock (so telling it twice changes nothing), score = when by Redis' own clock, so that the clocks of
 * processes need not agree. Any thread.
 */
#ifndef CACHE_THROTTLE_SCRIPTS_IMPL_H
#define CACHE_THROTTLE_SCRIPTS_IMPL_H

#include "cache/sliding_impl.h"

struct throttle_scripts {
	struct redis *redis; /* borrowed */
	struct setting_rate rates[THROTTLE_SCOPES];
	char take_sha[41], tell_sha[41];
};

void throttle_scripts_init(struct throttle_scripts *, const struct throttle_config *);

struct throttle_answer {
	bool accepted;
	int64_t wait_us; /* 0, or how long no further call will be accepted */
};

/*
 * Asks for a call with n claims (their times_us as in memory). 0 and an answer for each; negative: Redis is away (then
 * whether it has heard is unknown) or would not run the script.
 */
int throttle_scripts_take(struct throttle_scripts *, struct redis_budget *, const struct throttle_claim *claims, const int64_t *times_us,
                          size_t n, struct throttle_answer *ret_answers);

#define THROTTLE_TELL_MAX 16 /* logs of one pipeline */

/* Tells the news of n logs, in one pipeline; *ret_waits_us as in throttle_answer. Errors as above. */
int throttle_scripts_tell(struct throttle_scripts *, const struct sliding_news *news, size_t n, int64_t now_us, int64_t *ret_waits_us);

#endif
