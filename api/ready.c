#include "api/ready.h"

#include <brotli/encode.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "api/conditional.h"
#include "base/mem.h"

#define SMALLEST_CODED_BYTES 200 /* below this a coding saves nothing on the wire */
#define GZIP_LEVEL           6
#define BROTLI_LEVEL         5

static void ready_destroy(struct cache_object *object)
{
	struct ready *ready = (struct ready *)object;

	for (int i = 0; i < CODINGS; i++)
		blob_unref(atomic_load(&ready->coded[i]));
	blob_unref(ready->body);
	free(ready);
}

struct ready *ready_create(struct blob *body)
{
	struct ready *ready = mem_alloc(sizeof(*ready));
	unsigned char digest[SHA256_DIGEST_LENGTH];

	if (!ready)
		return NULL;
	atomic_init(&ready->object.refs, 1);
	ready->object.bytes = sizeof(*ready) + body->len * 2; /* the coded forms, once made, weigh less than the body */
	ready->object.destroy = ready_destroy;
	ready->body = blob_ref(body);
	SHA256((const unsigned char *)body->data, body->len, digest);
	snprintf(ready->etag, sizeof(ready->etag), "W/\"");
	for (size_t i = 0; i < 16; i++)
		snprintf(ready->etag + 3 + 2 * i, 3, "%02x", digest[i]);
	ready->etag[35] = '"';
	ready->etag[36] = '\0';
	return ready;
}

static struct blob *gzip(const struct blob *body)
{
	z_stream z = { 0 };
	struct blob *out = NULL;
	char *space = mem_realloc(NULL, body->len);

	if (!space || deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(space);
		return NULL;
	}
	z.next_in = (unsigned char *)(uintptr_t)body->data;
	z.avail_in = (unsigned)body->len;
	z.next_out = (unsigned char *)space;
	z.avail_out = (unsigned)body->len; /* what does not shrink is not worth coding */
	if (deflate(&z, Z_FINISH) == Z_STREAM_END)
		out = blob_create(space, z.total_out);
	deflateEnd(&z);
	free(space);
	return out;
}

static struct blob *brotli(const struct blob *body)
{
	size_t n = body->len;
	char *space = mem_realloc(NULL, n);
	struct blob *out = NULL;

	if (space && BrotliEncoderCompress(BROTLI_LEVEL, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, body->len, (const uint8_t *)body->data,
	                                   &n, (uint8_t *)space))
		out = blob_create(space, n);
	free(space);
	return out;
}

/* The coded form, made by the first who asks; two who ask at once both make it, and one form stays. */
static struct blob *coded_form(struct ready *ready, enum coding coding)
{
	struct blob *have = atomic_load_explicit(&ready->coded[coding], memory_order_acquire);
	struct blob *made;

	if (have)
		return have;
	made = coding == CODING_GZIP ? gzip(ready->body) : brotli(ready->body);
	if (!made)
		made = blob_ref(ready->body); /* cannot be coded: remembered as itself */
	if (atomic_compare_exchange_strong(&ready->coded[coding], &have, made))
		return made;
	blob_unref(made);
	return have;
}

struct str ready_body(struct ready *ready, enum coding *coding)
{
	struct blob *form;

	if (*coding == CODING_IDENTITY || ready->body->len < SMALLEST_CODED_BYTES) {
		*coding = CODING_IDENTITY;
		return blob_view(ready->body);
	}
	form = coded_form(ready, *coding);
	if (form == ready->body)
		*coding = CODING_IDENTITY;
	return blob_view(form);
}

bool ready_matches(const struct ready *ready, struct str if_none_match)
{
	return etag_is_named(if_none_match, str_of(ready->etag));
}
