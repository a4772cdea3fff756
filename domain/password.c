/*
 * Two families of hashes. Argon2 is libargon2's, through its context rather than its encoded texts: the parameters of
 * a stored hash are checked before memory is given to them, and the lanes of one computation run one after the other, so
 * that the number of threads that hash bounds the cores that are busy. PBKDF2 is OpenSSL's.
 */
#include "domain/password.h"

#include <argon2.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/random.h"

/* What is written. */
#define MEMORY_KIB   102400
#define PASSES       2
#define LANES        8
#define SALT_LETTERS 22 /* letters and digits: 131 bits */
#define DIGEST_BYTES 32

/* What is computed at most for a hash that the database holds. */
#define MAX_MEMORY_KIB     (1 << 20)
#define MAX_MEMORY_PASSES  (8 * (int64_t)MAX_MEMORY_KIB) /* memory × passes */
#define MAX_LANES          255
#define MAX_ITERATIONS     10000000
#define MAX_PART           128 /* characters of a salt or a digest */
#define MAX_DIGEST_BYTES   64
#define UNUSABLE_LETTERS   40
#define PREFIX_OF_ARGON2   "argon2$"
#define MAX_DECODED(chars) BASE64_DECODED_MAX(chars)

struct argon2_hash {
	argon2_type type;
	int64_t version, memory_kib, passes, lanes;
	unsigned char salt[MAX_DECODED(MAX_PART + 3)], digest[MAX_DECODED(MAX_PART + 3)];
	size_t salt_bytes, digest_bytes;
};

/* ---- Argon2 ---- */

static int take_memory(uint8_t **memory, size_t n)
{
	*memory = mem_alloc(n);
	return *memory ? ARGON2_OK : ARGON2_MEMORY_ALLOCATION_ERROR;
}

static void give_memory(uint8_t *memory, size_t n)
{
	free(memory);
}

static void *bytes_of(struct str s)
{
	return (void *)(uintptr_t)s.s; /* libargon2 takes pointers to non-const and only reads */
}

/* The digest of the password with the parameters and the salt of h, h->digest_bytes of it. ERR_INVALID: impossible parameters. */
static int compute_argon2(struct str password, struct argon2_hash *h, unsigned char *ret_digest)
{
	argon2_context c = {
		.out = ret_digest,
		.outlen = (uint32_t)h->digest_bytes,
		.pwd = bytes_of(password),
		.pwdlen = (uint32_t)password.len,
		.salt = h->salt,
		.saltlen = (uint32_t)h->salt_bytes,
		.t_cost = (uint32_t)h->passes,
		.m_cost = (uint32_t)h->memory_kib,
		.lanes = (uint32_t)h->lanes,
		.threads = 1,
		.version = (uint32_t)h->version,
		.allocate_cbk = take_memory,
		.free_cbk = give_memory,
	};
	int r = argon2_ctx(&c, h->type);

	if (r == ARGON2_OK)
		return 0;
	return r == ARGON2_MEMORY_ALLOCATION_ERROR ? ERR_NOMEM : ERR_INVALID;
}

static bool read_variant(struct str name, argon2_type *ret_type)
{
	static const argon2_type types[] = { Argon2_id, Argon2_i, Argon2_d };

	for (size_t i = 0; i < N_ELEMENTS(types); i++) {
		if (str_is(name, argon2_type2string(types[i], 0))) {
			*ret_type = types[i];
			return true;
		}
	}
	return false;
}

/* "m=102400" by its letter. */
static bool read_parameter(struct str text, const char *name, int64_t *ret_value)
{
	size_t n = strlen(name);

	return str_starts(text, name) && str_to_uint((struct str){ text.s + n, text.len - n }, ret_value) && *ret_value > 0;
}

/* "m=102400,t=2,p=8" */
static bool read_costs(struct str text, struct argon2_hash *h)
{
	struct str memory, passes, lanes, none;

	return str_split(&text, ',', &memory) && str_split(&text, ',', &passes) && str_split(&text, ',', &lanes) &&
	       !str_split(&text, ',', &none) && read_parameter(memory, "m=", &h->memory_kib) && read_parameter(passes, "t=", &h->passes) &&
	       read_parameter(lanes, "p=", &h->lanes);
}

/* Base64 without its padding, as the PHC format has it. */
static bool read_unpadded(struct str text, unsigned char *ret_bytes, size_t *ret_n)
{
	char padded[MAX_PART + 3];
	size_t n = text.len;

	if (!n || n > MAX_PART)
		return false;
	memcpy(padded, text.s, n);
	while (n % 4)
		padded[n++] = '=';
	return base64_decode((struct str){ padded, n }, BASE64, ret_bytes, ret_n);
}

/* "argon2$argon2id$v=19$m=102400,t=2,p=8$SALT$DIGEST"; without v= it is version 16. */
static bool read_argon2(struct str hash, struct argon2_hash *h)
{
	struct str algorithm, variant, costs, salt, digest, none;

	h->version = ARGON2_VERSION_10;
	if (!str_split(&hash, '$', &algorithm) || !str_is(algorithm, "argon2") || !str_split(&hash, '$', &variant) ||
	    !read_variant(variant, &h->type) || !str_split(&hash, '$', &costs))
		return false;
	if (read_parameter(costs, "v=", &h->version) && !str_split(&hash, '$', &costs))
		return false;
	if (h->version != ARGON2_VERSION_10 && h->version != ARGON2_VERSION_13)
		return false;
	return read_costs(costs, h) && str_split(&hash, '$', &salt) && str_split(&hash, '$', &digest) && !str_split(&hash, '$', &none) &&
	       read_unpadded(salt, h->salt, &h->salt_bytes) && read_unpadded(digest, h->digest, &h->digest_bytes) &&
	       h->digest_bytes <= MAX_DIGEST_BYTES;
}

/* The written parameters, without salt. */
static struct argon2_hash written(void)
{
	return (struct argon2_hash){
		.type = Argon2_id,
		.version = ARGON2_VERSION_13,
		.memory_kib = MEMORY_KIB,
		.passes = PASSES,
		.lanes = LANES,
		.digest_bytes = DIGEST_BYTES,
	};
}

static int verify_argon2(struct str password, struct str hash)
{
	unsigned char digest[MAX_DIGEST_BYTES];
	struct argon2_hash h = { 0 };
	int r;

	if (!read_argon2(hash, &h))
		return ERR_INVALID;
	if (h.memory_kib > MAX_MEMORY_KIB || h.passes > MAX_MEMORY_PASSES / h.memory_kib || h.lanes > MAX_LANES)
		return ERR_LIMIT;
	r = compute_argon2(password, &h, digest);
	if (r == 0)
		r = CRYPTO_memcmp(digest, h.digest, h.digest_bytes) == 0;
	OPENSSL_cleanse(digest, sizeof(digest));
	return r;
}

static void add_unpadded(struct buf *b, const void *bytes, size_t n)
{
	base64_add(b, BASE64, bytes, n);
	while (b->len && b->data[b->len - 1] == '=')
		b->len--;
}

/* The text of a hash; false without memory. */
static bool write_argon2(const struct argon2_hash *h, char ret_hash[PASSWORD_HASH_SIZE])
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	buf_addf(&b, PREFIX_OF_ARGON2 "%s$v=%lld$m=%lld,t=%lld,p=%lld$", argon2_type2string(h->type, 0), (long long)h->version,
	         (long long)h->memory_kib, (long long)h->passes, (long long)h->lanes);
	add_unpadded(&b, h->salt, h->salt_bytes);
	buf_add_char(&b, '$');
	add_unpadded(&b, h->digest, h->digest_bytes);
	if (b.failed || b.len >= PASSWORD_HASH_SIZE)
		return false;
	memcpy(ret_hash, b.data, b.len);
	ret_hash[b.len] = '\0';
	return true;
}

int password_hash(struct str password, char ret_hash[PASSWORD_HASH_SIZE])
{
	struct argon2_hash h = written();
	char salt[SALT_LETTERS + 1];
	int r = random_letters(salt, SALT_LETTERS);

	if (r < 0)
		return r;
	h.salt_bytes = SALT_LETTERS;
	memcpy(h.salt, salt, SALT_LETTERS);
	r = compute_argon2(password, &h, h.digest);
	if (r == 0 && !write_argon2(&h, ret_hash))
		r = ERR_NOMEM;
	OPENSSL_cleanse(&h, sizeof(h));
	return r == ERR_INVALID ? ERR_INTERNAL : r;
}

int password_unusable(char ret_hash[PASSWORD_HASH_SIZE])
{
	ret_hash[0] = '!';
	return random_letters(ret_hash + 1, UNUSABLE_LETTERS);
}

void password_spend(struct str password)
{
	struct argon2_hash h = written();

	h.salt_bytes = SALT_LETTERS;
	compute_argon2(password, &h, h.digest);
	OPENSSL_cleanse(&h, sizeof(h));
}

/* ---- PBKDF2 ---- */

/* "pbkdf2_sha256$ITERATIONS$SALT$DIGEST": the salt is its own characters, the digest padded base64. */
static int verify_pbkdf2(struct str password, struct str hash, const EVP_MD *md)
{
	unsigned char digest[EVP_MAX_MD_SIZE], stored[MAX_DECODED(MAX_PART)];
	struct str algorithm, iterations, salt, text, none;
	int64_t n;
	size_t stored_bytes;
	int r = ERR_INTERNAL, bytes = EVP_MD_get_size(md);

	if (!str_split(&hash, '$', &algorithm) || !str_split(&hash, '$', &iterations) || !str_split(&hash, '$', &salt) ||
	    !str_split(&hash, '$', &text) || str_split(&hash, '$', &none))
		return ERR_INVALID;
	if (!str_to_uint(iterations, &n) || n < 1 || text.len > MAX_PART || salt.len > MAX_PART ||
	    !base64_decode(text, BASE64, stored, &stored_bytes) || stored_bytes != (size_t)bytes)
		return ERR_INVALID;
	if (n > MAX_ITERATIONS)
		return ERR_LIMIT;
	if (PKCS5_PBKDF2_HMAC(password.s, (int)password.len, (const unsigned char *)salt.s, (int)salt.len, (int)n, md, bytes, digest))
		r = CRYPTO_memcmp(digest, stored, stored_bytes) == 0;
	OPENSSL_cleanse(digest, sizeof(digest));
	return r;
}

/* ---- any hash ---- */

int password_verify(struct str password, struct str hash)
{
	int r = ERR_INVALID;

	if (str_starts(hash, PREFIX_OF_ARGON2))
		r = verify_argon2(password, hash);
	else if (str_starts(hash, "pbkdf2_sha256$"))
		r = verify_pbkdf2(password, hash, EVP_sha256());
	else if (str_starts(hash, "pbkdf2_sha1$"))
		r = verify_pbkdf2(password, hash, EVP_sha1());
	if (r != ERR_INVALID && r != ERR_LIMIT)
		return r;
	password_spend(password);
	return r == ERR_INVALID ? 0 : r;
}

bool password_is_outdated(struct str hash)
{
	struct argon2_hash now = written(), h = { 0 };

	return !read_argon2(hash, &h) || h.type != now.type || h.version != now.version || h.memory_kib != now.memory_kib ||
	       h.passes != now.passes || h.lanes != now.lanes || h.digest_bytes != now.digest_bytes || h.salt_bytes < SALT_LETTERS;
}
