/*
 * What throttles mean for a request: which allowances it draws on, and the answer 429. Source: http.md 8; accounts.md 9, D2.
 * The thread that serves the request.
 */
#ifndef API_THROTTLING_H
#define API_THROTTLING_H

#include "api/request.h"

/*
 * The gate: an anonymous call draws on `anon` and `user` of its address, a signed-in one on `user` of its account, one of a
 * resource with TRAIT_MEASURES on `metrics` of its address alone. False: 429 has been answered. from_memory: the answer
 * will come from memory, so Redis is not asked now.
 */
bool throttle_or_reply(struct request *, bool from_memory);

/*
 * Failed credentials (cache/throttle.h). Before a password is verified: false when the address or the name has no
 * attempts left, 429 has been answered. address, username: absent ones do not count.
 */
bool throttle_credentials_or_reply(struct request *, struct str address, struct str username);

/* After they turned out to be wrong: false when they were too many, 429 has been answered; true: the caller answers. */
bool throttle_failure_or_reply(struct request *, struct str address, struct str username);

#endif
