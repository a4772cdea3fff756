/* The claims of this process, in memory. Private to cache/. */
#ifndef CACHE_CLAIM_IMPL_H
#define CACHE_CLAIM_IMPL_H

#include "cache/claim.h"

struct claims;

struct claims *claims_create(void);
void claims_destroy(struct claims *);

/* As cache_claim and cache_claim_release, here alone. until_us and now_us are monotonic. */
bool claims_take(struct claims *, struct str key, struct str holder, int64_t now_us, int64_t until_us);
void claims_release(struct claims *, struct str key, struct str holder);

#endif
