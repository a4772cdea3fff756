/*
 * Three base64url texts with two dots. Writing is a matter of order: the claims stand as Django's do. Reading trusts
 * nothing: the algorithm of the header is compared with the one we have, the signature is checked before the payload is
 * parsed, and each claim must have the JSON type that it should have.
 */
#include "domain/token.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/json_out.h"
#include "base/random.h"

#define SIGNATURE_BYTES 32
#define LAST_SECOND     INT64_C(253402300799) /* 9999-12-31T23:59:59 */

static const char header_text[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";

static EVP_MAC *hmac; /* fetched once, never freed: fetching takes longer than a signature */

static void fetch_hmac(void)
{
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

static int sign(struct str key, struct str text, unsigned char ret_signature[SIGNATURE_BYTES])
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static char digest[] = "SHA256";
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end() };
	EVP_MAC_CTX *ctx;
	size_t n = 0;
	bool good;

	pthread_once(&once, fetch_hmac);
	ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	good = ctx && EVP_MAC_init(ctx, (const unsigned char *)key.s, key.len, params) &&
	       EVP_MAC_update(ctx, (const unsigned char *)text.s, text.len) && EVP_MAC_final(ctx, ret_signature, &n, SIGNATURE_BYTES) &&
	       n == SIGNATURE_BYTES;
	EVP_MAC_CTX_free(ctx);
	return good ? 0 : ERR_INTERNAL;
}

/* ---- writing ---- */

static const char *type_name(enum token_type type)
{
	return type == TOKEN_ACCESS ? "access" : "refresh";
}

static int write_token(struct str key, struct str claims, struct arena *a, struct str *ret_text)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	unsigned char signature[SIGNATURE_BYTES];
	int r;

	base64_add(&b, BASE64_URL, header_text, sizeof(header_text) - 1);
	buf_add_char(&b, '.');
	base64_add(&b, BASE64_URL, claims.s, claims.len);
	if (b.failed)
		return ERR_NOMEM;
	r = sign(key, buf_view(&b), signature);
	if (r < 0)
		return r;
	buf_add_char(&b, '.');
	base64_add(&b, BASE64_URL, signature, sizeof(signature));
	*ret_text = b.failed ? (struct str){ NULL, 0 } : arena_str(a, buf_view(&b));
	return ret_text->s ? 0 : ERR_NOMEM;
}

int token_issue(struct str key, enum token_type type, int64_t user_id, struct instant now, int64_t lifetime_s, struct arena *a,
                struct token *ret_token)
{
	int64_t issued_s = now.us / US_PER_S, expires_s = issued_s + lifetime_s;
	struct token token = { .expires_at = { expires_s * US_PER_S }, .has_user = true, .user_id = user_id };
	char jti[UUID_HEX_SIZE];
	char *claims;
	int r = random_uuid_hex(jti);

	if (r < 0)
		return r;
	claims = arena_printf(a, "{\"token_type\":\"%s\",\"exp\":%lld,\"iat\":%lld,\"jti\":\"%s\",\"user_id\":\"%lld\"}", type_name(type),
	                      (long long)expires_s, (long long)issued_s, jti, (long long)user_id);
	token.jti = arena_str(a, str_of(jti));
	if (!claims || !token.jti.s)
		return ERR_NOMEM;
	r = write_token(key, str_of(claims), a, &token.text);
	if (r == 0)
		*ret_token = token;
	return r;
}

/* ---- reading ---- */

static void json_release(json_t **json)
{
	json_decref(*json);
}

/* The JSON object that a part holds, a new reference; NULL when it holds none. Integers beyond 64 bits are read as reals. */
static json_t *part_object(struct str part, struct arena *a)
{
	char *bytes = arena_alloc(a, BASE64_DECODED_MAX(part.len));
	json_t *json;
	size_t n;

	if (!bytes || !base64_decode(part, BASE64_URL, bytes, &n))
		return NULL;
	json = json_loadb(bytes, n, JSON_ALLOW_NUL, NULL);
	if (!json)
		json = json_loadb(bytes, n, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

/* Rule 1: the algorithm is ours, and nothing is critical that we would have to understand. */
static bool header_is_ours(struct str part, struct arena *a)
{
	CLEANUP(json_release) json_t *header = part_object(part, a);
	const json_t *alg = json_object_get(header, "alg");

	return json_is_string(alg) && str_is((struct str){ json_string_value(alg), json_string_length(alg) }, "HS256") &&
	       !json_object_get(header, "crit");
}

static bool signature_is_right(struct str key, struct str signed_part, struct str part, struct arena *a, int *ret_error)
{
	unsigned char right[SIGNATURE_BYTES];
	unsigned char *given = arena_alloc(a, BASE64_DECODED_MAX(part.len));
	size_t n;

	*ret_error = given ? sign(key, signed_part, right) : ERR_NOMEM;
	return *ret_error == 0 && base64_decode(part, BASE64_URL, given, &n) && n == SIGNATURE_BYTES && CRYPTO_memcmp(given, right, n) == 0;
}

/* Rules 3 and 4: a number of seconds, within the years that an instant has. */
static bool read_seconds(const json_t *value, double *ret_seconds)
{
	*ret_seconds = json_number_value(value);
	return json_is_number(value) && *ret_seconds >= -(double)LAST_SECOND && *ret_seconds <= (double)LAST_SECOND;
}

static bool is_past(const json_t *claim, double now)
{
	double seconds;

	return !claim || (read_seconds(claim, &seconds) && seconds <= now);
}

static bool times_are_right(const json_t *claims, struct instant now, struct instant *ret_expires_at)
{
	double now_s = (double)now.us / (double)US_PER_S, exp;
	const json_t *sub = json_object_get(claims, "sub");

	if (!read_seconds(json_object_get(claims, "exp"), &exp) || exp <= now_s)
		return false;
	*ret_expires_at = (struct instant){ (int64_t)(exp * (double)US_PER_S) };
	return is_past(json_object_get(claims, "nbf"), now_s) && is_past(json_object_get(claims, "iat"), now_s) &&
	       (!sub || json_is_string(sub));
}

static struct str text_of(const json_t *value)
{
	return (struct str){ json_string_value(value), json_string_length(value) };
}

static void read_user(const json_t *claims, struct token *token)
{
	const json_t *user = json_object_get(claims, "user_id");

	token->has_user = user != NULL;
	token->user_id = NULL_INT;
	if (json_is_integer(user) && json_integer_value(user) >= 0)
		token->user_id = json_integer_value(user);
	else if (json_is_string(user))
		str_to_uint(text_of(user), &token->user_id);
}

static int read_claims(struct str part, enum token_type type, struct instant now, struct arena *a, struct token *token)
{
	CLEANUP(json_release) json_t *claims = part_object(part, a);
	struct str jti = text_of(json_object_get(claims, "jti"));

	if (!claims || !times_are_right(claims, now, &token->expires_at))
		return ERR_INVALID;
	if (!jti.s || str_find(jti, '\0') >= 0 || !str_is(text_of(json_object_get(claims, "token_type")), type_name(type)))
		return ERR_INVALID;
	read_user(claims, token);
	token->jti = arena_str(a, jti);
	return token->jti.s ? 0 : ERR_NOMEM;
}

int token_verify(struct str key, struct str text, enum token_type type, struct instant now, struct arena *a, struct token *ret_token)
{
	struct str rest = text, header, payload, signature, none, signed_part;
	struct token token = { .text = text };
	int r;

	if (!str_split(&rest, '.', &header) || !str_split(&rest, '.', &payload) || !str_split(&rest, '.', &signature) ||
	    str_split(&rest, '.', &none) || !header.len || !payload.len || !signature.len)
		return ERR_INVALID;
	signed_part = (struct str){ text.s, header.len + 1 + payload.len };
	if (!header_is_ours(header, a))
		return ERR_INVALID;
	if (!signature_is_right(key, signed_part, signature, a, &r))
		return r < 0 ? r : ERR_INVALID;
	r = read_claims(payload, type, now, a, &token);
	if (r == 0)
		*ret_token = token;
	return r;
}
