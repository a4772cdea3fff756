/* What a client may send on one connection: the judgement must not depend on how it was cut, and never look back. */
#include "api/stream.h"
#include "tests/fuzz/fuzz.h"

#define LIMIT 1024

static void feed(struct stream *s, const char *bytes, size_t n, size_t piece)
{
	stream_init(s, LIMIT);
	for (size_t at = 0; at < n; at += piece) {
		uint64_t before = s->requests;
		bool bad = s->place == STREAM_BAD;

		stream_feed(s, bytes + at, n - at < piece ? n - at : piece);
		FUZZ_CHECK(s->requests >= before);
		FUZZ_CHECK(!bad || (s->place == STREAM_BAD && s->requests == before)); /* nothing is served behind a fault */
		FUZZ_CHECK(s->partial.len <= LIMIT + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;
	struct stream whole, pieces;

	if (size < 2)
		return 0;
	size--;
	feed(&whole, bytes, size, size);
	feed(&pieces, bytes, size, data[0] % 32 + 1);
	FUZZ_CHECK(whole.place == pieces.place && whole.requests == pieces.requests);
	FUZZ_CHECK(stream_verdict(&whole, whole.requests).status == stream_verdict(&pieces, pieces.requests).status);
	for (uint64_t i = 1; i < whole.requests; i++)
		FUZZ_CHECK(stream_verdict(&whole, i).status == 0);
	FUZZ_CHECK(stream_verdict(&whole, whole.requests + 1).status != 0);
	FUZZ_CHECK(whole.place != STREAM_BAD || whole.verdict.detail);
	stream_finish(&whole);
	stream_finish(&pieces);
	return 0;
}
