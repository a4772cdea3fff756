/* What a Redis, or something that took its place, may answer: the first byte says in pieces of what size it comes. */
#include "base/error.h"
#include "resilience/reply_reader_impl.h"
#include "tests/fuzz/fuzz.h"

static volatile char sink;
static size_t elements; /* of the reply that is being walked */

static void walk(const struct redis_reply *r, int depth)
{
	size_t n = redis_reply_size(r);
	struct str text = redis_reply_text(r);

	FUZZ_CHECK(depth <= REPLY_MAX_DEPTH);
	FUZZ_CHECK(text.len <= REPLY_MAX_BYTES);
	FUZZ_CHECK(redis_reply_type(r) == REDIS_REPLY_IS_LIST || n == 0);
	FUZZ_CHECK(redis_reply_type(r) == REDIS_REPLY_IS_INT || redis_reply_int(r) == 0);
	for (size_t i = 0; i < text.len; i++)
		sink = text.s[i]; /* each byte is there to be read */
	FUZZ_CHECK((elements += n) <= REPLY_MAX_ELEMENTS);
	FUZZ_CHECK(redis_reply_at(r, n) == NULL);
	for (size_t i = 0; i < n; i++)
		walk(redis_reply_at(r, i), depth + 1);
}

/* How many replies came out; -1 when the reader refused. */
static int read_in_pieces(const char *bytes, size_t n, size_t piece)
{
	struct reply_reader reader = { 0 };
	struct error err = { 0 };
	int replies = 0, r = reply_reader_init(&reader);

	for (size_t at = 0; at < n && r >= 0; at += piece) {
		struct redis_reply *reply = NULL;

		r = reply_reader_feed(&reader, bytes + at, n - at < piece ? n - at : piece, &err);
		while (r >= 0 && (r = reply_reader_next(&reader, &reply, &err)) > 0) {
			elements = 0;
			walk(reply, 0);
			redis_replies_free(&reply, 1);
			replies++;
		}
	}
	if (r < 0) {
		FUZZ_CHECK(err.code == r && err.text[0] != '\0');
		FUZZ_CHECK(r == ERR_CORRUPT || r == ERR_LIMIT);
		replies = -1;
	} else {
		FUZZ_CHECK(reply_reader_empty(&reader) == reply_reader_between(&reader)); /* all that is whole was handed out */
	}
	reply_reader_finish(&reader);
	return replies;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;

	if (size < 2)
		return 0;
	FUZZ_CHECK(read_in_pieces(bytes, size - 1, size - 1) == read_in_pieces(bytes, size - 1, (size_t)data[0] + 1));
	return 0;
}
