/*
 * Two lines, a header and claims, signed with the true key, so that what is behind the signature is reached; and the bytes
 * themselves as a token. What verifies is what it says; the bytes alone never verify: nobody can guess a signature.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "domain/token.h"
#include "tests/fuzz/fuzz.h"

static const struct str key = STR("a-key-of-the-fuzzer-0123456789-0123456789-0123456789");
static const struct instant now = { INT64_C(1772323200) * US_PER_S };

static struct str sign(struct str header, struct str claims, struct buf *b)
{
	unsigned char mac[32];
	unsigned n = 0;

	base64_add(b, BASE64_URL, header.s, header.len);
	buf_add_char(b, '.');
	base64_add(b, BASE64_URL, claims.s, claims.len);
	HMAC(EVP_sha256(), key.s, (int)key.len, (const unsigned char *)b->data, b->len, mac, &n);
	buf_add_char(b, '.');
	base64_add(b, BASE64_URL, mac, n);
	return buf_view(b);
}

static void check_signed(struct str text, struct arena *a)
{
	struct token token, other;
	int access = token_verify(key, text, TOKEN_ACCESS, now, a, &token);
	int refresh = token_verify(key, text, TOKEN_REFRESH, now, a, access == 0 ? &other : &token);

	FUZZ_CHECK(access == 0 || access == ERR_INVALID);
	FUZZ_CHECK(access == ERR_INVALID || refresh == ERR_INVALID);
	if (access < 0 && refresh < 0)
		return;
	FUZZ_CHECK(token.expires_at.us > now.us);
	FUZZ_CHECK(token.jti.s && str_valid_utf8(token.jti) && str_find(token.jti, '\0') < 0);
	FUZZ_CHECK(token.user_id == NULL_INT || (token.has_user && token.user_id >= 0));
	FUZZ_CHECK(token_verify(key, text, access == 0 ? TOKEN_ACCESS : TOKEN_REFRESH, token.expires_at, a, &other) == ERR_INVALID);
	FUZZ_CHECK(token_verify((struct str)STR("another key"), text, access == 0 ? TOKEN_ACCESS : TOKEN_REFRESH, now, a, &other) ==
	           ERR_INVALID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	struct str rest = { (const char *)data, size }, header = STR("");
	struct token token;
	struct arena a;

	arena_init(&a, 16 << 20);
	FUZZ_CHECK(token_verify(key, rest, TOKEN_ACCESS, now, &a, &token) == ERR_INVALID);
	str_split(&rest, '\n', &header);
	if (!rest.s)
		rest = (struct str)STR("");
	check_signed(sign(header, rest, &b), &a);
	arena_finish(&a);
	return 0;
}
