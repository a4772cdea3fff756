/*
 * A request head: the verdict must not depend on how the bytes were cut, and what is accepted must be free of all that
 * two parsers read differently, checked here in another way than head.c does.
 */
#include "api/head.h"
#include "tests/fuzz/fuzz.h"

#define LIMIT 2048

static enum head_state scan_in_pieces(struct head *h, const char *bytes, size_t n, size_t piece)
{
	enum head_state state = HEAD_PARTIAL;

	head_init(h, LIMIT);
	for (size_t at = piece; state == HEAD_PARTIAL; at += piece) {
		state = head_scan(h, bytes, at < n ? at : n);
		if (at >= n)
			break;
	}
	return state;
}

static size_t count_lines(const char *bytes, size_t n, const char *prefix)
{
	size_t found = 0;

	for (size_t i = 1; i < n; i++)
		if (bytes[i - 1] == '\n' && n - i > strlen(prefix) && strncasecmp(bytes + i, prefix, strlen(prefix)) == 0)
			found++;
	return found;
}

/* The bytes of an accepted head. */
static void check_accepted(const struct head *h, const char *bytes)
{
	size_t n = h->at;

	FUZZ_CHECK(n <= LIMIT && n >= sizeof("A / HTTP/1.0\r\n\r\n") - 1);
	FUZZ_CHECK(memcmp(bytes + n - 4, "\r\n\r\n", 4) == 0);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];

		FUZZ_CHECK(c >= 0x20 || c == '\t' || c == '\r' || c == '\n');
		FUZZ_CHECK(c != '\n' || (i > 0 && bytes[i - 1] == '\r'));
		FUZZ_CHECK(c != '\r' || bytes[i + 1] == '\n');
		FUZZ_CHECK(c != '\n' || i + 1 == n || (bytes[i + 1] != ' ' && bytes[i + 1] != '\t'));
	}
	FUZZ_CHECK(count_lines(bytes, n, "host:") <= 1);
	FUZZ_CHECK(count_lines(bytes, n, "content-length:") + count_lines(bytes, n, "transfer-encoding:") <= 1);
	FUZZ_CHECK(h->method_at + h->method_len + 1 == h->target_at && h->target_at + h->target_len < n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;
	struct head whole, pieces;
	enum head_state state;

	if (size < 2)
		return 0;
	size--;
	state = scan_in_pieces(&whole, bytes, size, size);
	FUZZ_CHECK(scan_in_pieces(&pieces, bytes, size, data[0] % 16 + 1) == state);
	FUZZ_CHECK(pieces.verdict.status == whole.verdict.status);
	FUZZ_CHECK((state == HEAD_BAD) == (whole.verdict.status >= 400) && (state == HEAD_BAD) == (whole.verdict.detail != NULL));
	if (state == HEAD_WHOLE) {
		FUZZ_CHECK(pieces.at == whole.at);
		check_accepted(&whole, bytes);
	}
	return 0;
}
