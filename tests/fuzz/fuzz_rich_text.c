/*
 * Any bytes as rich text, and as plain text. Whatever comes: what is cleaned is clean, the second time too, and plain text
 * holds no character that HTML gives a meaning to.
 */
#include "domain/rich_text.h"
#include "domain/sanitize.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/rich_text.h"

static void check_rich(struct arena *arena, struct str text)
{
	struct str out, again;
	int r = rich_text_clean(arena, text, &out);

	FUZZ_CHECK(r == 0 || r == ERR_LIMIT || (r == ERR_INVALID && !str_valid_utf8(text)));
	if (r < 0)
		return;
	FUZZ_CHECK(rich_text_is_clean(out) && str_valid_utf8(out));
	if (rich_text_clean(arena, out, &again) == 0)
		FUZZ_CHECK(rich_text_is_clean(again));
}

static void check_plain(struct arena *arena, struct str text)
{
	struct str out;

	FUZZ_CHECK(sanitize_text(arena, text, SANITIZE_TEXT, 255, &out) == 0);
	FUZZ_CHECK(text_is_harmless(out) && str_valid_utf8(out) && str_count_chars(out) <= 255);
	FUZZ_CHECK(sanitize_text(arena, text, SANITIZE_LINE, 0, &out) == 0);
	FUZZ_CHECK(text_is_harmless(out) && str_find(out, '\n') < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { size ? (const char *)data : "", size };
	struct arena arena;

	arena_init(&arena, 64 * 1024 * 1024);
	check_rich(&arena, text);
	if (str_valid_utf8(text))
		check_plain(&arena, text);
	arena_finish(&arena);
	return 0;
}
