#include "api/ready.h"

#include <brotli/decode.h>
#include <pthread.h>
#include <zlib.h>

#include "base/blob.h"
#include "base/fault.h"
#include "tests/unit/api/fixture.h"

/* Text that shrinks well. */
static struct ready *make(size_t n)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct blob *body CLEANUP(blob_unrefp) = NULL;
	struct ready *ready;

	for (int i = 0; b.len < n; i++)
		buf_addf(&b, "{\"id\":%d,\"titre\":\"Jardin\"}", i);
	body = blob_create(b.data ? b.data : "", n);
	ready = ready_create(body);
	assert_non_null(ready);
	return ready;
}

/* Bytes without a pattern. */
static struct ready *make_noise(size_t n)
{
	struct blob *body CLEANUP(blob_unrefp) = NULL;
	unsigned char *bytes = malloc(n);
	uint64_t x = 88172645463325252;
	struct ready *ready;

	for (size_t i = 0; i < n; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		bytes[i] = (unsigned char)(x >> 32);
	}
	body = blob_create(bytes, n);
	free(bytes);
	ready = ready_create(body);
	assert_non_null(ready);
	return ready;
}

static void drop(struct ready *ready)
{
	cache_object_unref(&ready->object);
}

static void assert_gzip_of(struct str coded, struct str body)
{
	unsigned char *out = malloc(body.len + 1);
	z_stream z = { 0 };

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)coded.s;
	z.avail_in = (unsigned)coded.len;
	z.next_out = out;
	z.avail_out = (unsigned)body.len + 1;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	assert_true(str_equal((struct str){ (char *)out, z.total_out }, body));
	inflateEnd(&z);
	free(out);
}

static void assert_brotli_of(struct str coded, struct str body)
{
	unsigned char *out = malloc(body.len + 1);
	size_t n = body.len + 1;

	assert_int_equal(BrotliDecoderDecompress(coded.len, (const uint8_t *)coded.s, &n, out), BROTLI_DECODER_RESULT_SUCCESS);
	assert_true(str_equal((struct str){ (char *)out, n }, body));
	free(out);
}

static void test_ready__keeps_the_body(void **state)
{
	struct ready *ready = make(500);
	enum coding coding = CODING_IDENTITY;

	(void)state;
	assert_ptr_equal(ready_body(ready, &coding).s, ready->body->data);
	assert_int_equal(ready_body(ready, &coding).len, 500);
	assert_true(ready->object.bytes >= 500);
	drop(ready);
}

static void test_ready__the_etag_is_weak_and_says_what_the_body_is(void **state)
{
	struct ready *a = make(500), *b = make(500), *c = make(501);

	(void)state;
	assert_int_equal(strlen(a->etag), 36);
	assert_memory_equal(a->etag, "W/\"", 3);
	assert_int_equal(a->etag[35], '"');
	assert_int_equal(strspn(a->etag + 3, "0123456789abcdef"), 32);
	assert_string_equal(a->etag, b->etag);
	assert_string_not_equal(a->etag, c->etag);
	drop(a), drop(b), drop(c);
}

static bool matches(const struct ready *ready, const char *format)
{
	char header[200];

	snprintf(header, sizeof(header), format, ready->etag);
	return ready_matches(ready, str_of(header));
}

static void test_ready__if_none_match(void **state)
{
	struct ready *ready = make(500);
	char strong[48];

	(void)state;
	assert_true(matches(ready, "%s"));
	assert_true(matches(ready, " %s "));
	assert_true(matches(ready, "\"a\", %s"));
	assert_true(matches(ready, "%s,W/\"b\""));
	assert_true(matches(ready, "*%.0s"));
	snprintf(strong, sizeof(strong), "%s", ready->etag + 2);
	assert_true(ready_matches(ready, str_of(strong))); /* weak comparison */
	assert_false(matches(ready, "x%s"));
	assert_false(matches(ready, "%.35s"));
	assert_false(matches(ready, "w/\"%.0s\""));
	assert_false(matches(ready, "%.0s"));
	assert_false(ready_matches(ready, TEXT("W/\"00000000000000000000000000000000\"")));
	assert_false(ready_matches(ready, TEXT("W/")));
	assert_false(ready_matches(ready, TEXT("\"*\"")));
	assert_false(ready_matches(ready, NOTHING));
	drop(ready);
}

static void test_ready__gzip_and_brotli_decode_to_the_body(void **state)
{
	static const size_t sizes[] = { 200, 1000, 100000, 3000000 };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		struct ready *ready = make(sizes[i]);
		enum coding coding = CODING_GZIP;
		struct str coded = ready_body(ready, &coding);

		assert_int_equal(coding, CODING_GZIP);
		assert_true(coded.len < sizes[i]);
		assert_gzip_of(coded, blob_view(ready->body));
		coding = CODING_BROTLI;
		coded = ready_body(ready, &coding);
		assert_int_equal(coding, CODING_BROTLI);
		assert_true(coded.len < sizes[i]);
		assert_brotli_of(coded, blob_view(ready->body));
		drop(ready);
	}
}

static void test_ready__a_coded_form_is_made_once(void **state)
{
	struct ready *ready = make(5000);
	enum coding coding = CODING_BROTLI;
	const char *first = ready_body(ready, &coding).s;

	(void)state;
	assert_ptr_equal(ready_body(ready, &coding).s, first);
	drop(ready);
}

static void test_ready__small_bodies_are_not_coded(void **state)
{
	static const size_t sizes[] = { 0, 1, 199 };

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		struct ready *ready = make(sizes[i]);
		enum coding coding = CODING_GZIP;

		assert_ptr_equal(ready_body(ready, &coding).s, ready->body->data);
		assert_int_equal(coding, CODING_IDENTITY);
		drop(ready);
	}
}

static void test_ready__what_does_not_shrink_is_not_coded(void **state)
{
	struct ready *ready = make_noise(4000);

	(void)state;
	for (enum coding wanted = CODING_GZIP; wanted < CODINGS; wanted++) {
		enum coding coding = wanted;

		assert_ptr_equal(ready_body(ready, &coding).s, ready->body->data);
		assert_int_equal(coding, CODING_IDENTITY);
		coding = wanted; /* remembered */
		assert_ptr_equal(ready_body(ready, &coding).s, ready->body->data);
		assert_int_equal(coding, CODING_IDENTITY);
	}
	drop(ready);
}

static void test_ready__without_memory_the_body_is_sent_as_it_is(void **state)
{
	struct ready *ready = make(5000);
	struct blob *body = blob_create("x", 1);
	enum coding coding = CODING_GZIP;

	(void)state;
	fault_arm(FAULT_ALLOC, 1, /* repeat: */ true);
	assert_ptr_equal(ready_body(ready, &coding).s, ready->body->data);
	assert_null(ready_create(body));
	fault_disarm_all();
	assert_int_equal(coding, CODING_IDENTITY);
	blob_unref(body);
	drop(ready);
}

static void *ask_for_codings(void *arg)
{
	struct ready *ready = arg;

	for (int i = 0; i < 200; i++) {
		enum coding coding = i % 2 ? CODING_GZIP : CODING_BROTLI;
		struct str coded = ready_body(ready, &coding);

		if (i < 2 && coding == CODING_GZIP)
			assert_gzip_of(coded, blob_view(ready->body));
	}
	cache_object_unref(&ready->object);
	return NULL;
}

static void test_ready__threads_share_one(void **state)
{
	pthread_t threads[8];

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct ready *ready = make(20000);

		for (size_t i = 0; i < N_ELEMENTS(threads); i++) {
			cache_object_ref(&ready->object);
			assert_int_equal(pthread_create(&threads[i], NULL, ask_for_codings, ready), 0);
		}
		drop(ready);
		for (size_t i = 0; i < N_ELEMENTS(threads); i++)
			pthread_join(threads[i], NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ready__keeps_the_body),
		cmocka_unit_test(test_ready__the_etag_is_weak_and_says_what_the_body_is),
		cmocka_unit_test(test_ready__if_none_match),
		cmocka_unit_test(test_ready__gzip_and_brotli_decode_to_the_body),
		cmocka_unit_test(test_ready__a_coded_form_is_made_once),
		cmocka_unit_test(test_ready__small_bodies_are_not_coded),
		cmocka_unit_test(test_ready__what_does_not_shrink_is_not_coded),
		cmocka_unit_test(test_ready__without_memory_the_body_is_sent_as_it_is),
		cmocka_unit_test(test_ready__threads_share_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
