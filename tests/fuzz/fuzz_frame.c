/*
 * Frames of a client: a head must be read the same however its bytes are cut, and what is accepted is checked in another way;
 * text that comes in pieces is judged as the whole of it is.
 */
#include "realtime/frame.h"
#include "tests/fuzz/fuzz.h"

static void check_head(const unsigned char *bytes, size_t n)
{
	struct frame_head head, again;
	int length = frame_read_head(bytes, n, &head);

	for (size_t i = 0; i < n && i < FRAME_HEAD_MAX; i++) {
		int sooner = frame_read_head(bytes, i, &again);

		FUZZ_CHECK(sooner == 0 || sooner == length);
	}
	FUZZ_CHECK(length != 0 || n < FRAME_HEAD_MAX);
	if (length <= 0)
		return;
	FUZZ_CHECK((size_t)length <= n && length <= FRAME_HEAD_MAX && head.bytes <= INT64_MAX);
	FUZZ_CHECK(length == (head.bytes < 126 ? 6 : head.bytes < 65536 ? 8 : 14));
	FUZZ_CHECK(head.opcode < FRAME_CLOSE || (head.fin && head.bytes <= FRAME_CONTROL_MAX));
	FUZZ_CHECK(memcmp(head.mask, bytes + length - 4, 4) == 0);
}

static void check_text(const char *bytes, size_t n)
{
	struct frame_text check = { 0 };
	size_t cut = n ? (unsigned char)bytes[0] % n : 0;
	bool good = frame_text_add(&check, bytes, cut) && frame_text_add(&check, bytes + cut, n - cut) && !check.missing;

	FUZZ_CHECK(good == str_valid_utf8((struct str){ bytes, n }));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	const char *text = (const char *)bytes;
	enum close_cause cause = frame_judge_close((struct str){ text, n });

	check_head(bytes, n);
	check_text(text, n);
	FUZZ_CHECK(cause == CLOSE_CLIENT || cause == CLOSE_PROTOCOL || cause == CLOSE_NOT_UTF8);
	return 0;
}
