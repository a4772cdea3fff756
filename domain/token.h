/*
 * JSON Web Tokens (RFC 7519) as simplejwt writes and reads them: HS256 alone, keyed with DJANGO_SECRET_KEY. A token of
 * either program is one of the other's. Source: accounts.md 3.2. Pure; any thread; texts live in the arena.
 *
 * Why not libjwt: it sorts the claims that it writes and judges the typ of the header; here the order is part of the
 * contract, and typ is ignored. Parsing is jansson's, HMAC-SHA-256 and the comparison are OpenSSL's.
 */
#ifndef DOMAIN_TOKEN_H
#define DOMAIN_TOKEN_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/kinds.h"

enum token_type { TOKEN_ACCESS, TOKEN_REFRESH };

struct token {
	struct str text; /* complete, encoded */
	struct str jti;  /* 32 lower-case hexadecimal digits in those that we write */
	struct instant expires_at;
	bool has_user;   /* there is a user_id claim … */
	int64_t user_id; /* … and it is this id; NULL_INT when it is no id */
};

/* Writes a token with a new jti, valid from now for so many seconds. ERR_NOMEM, ERR_IO (no random bytes), ERR_INTERNAL. */
int token_issue(struct str key, enum token_type, int64_t user_id, struct instant now, int64_t lifetime_s, struct arena *,
                struct token *ret_token);

/*
 * Judges a token by rules 1 to 5 of accounts.md 3.2 and reads its claims. ERR_INVALID: it is not a valid token of this
 * type now (never a word on why). ERR_NOMEM, ERR_INTERNAL. Whether its user exists, and whether a refresh token has been
 * used, is the caller's to ask.
 */
int token_verify(struct str key, struct str text, enum token_type, struct instant now, struct arena *, struct token *ret_token);

#endif
