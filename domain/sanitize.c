#include "domain/sanitize.h"

#include "base/cleanup.h"

/* What stands for a byte that HTML gives a meaning to; NULL: the byte itself. */
static const char *entity_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#x27;";
	default:
		return NULL;
	}
}

static bool stays(struct str character, enum sanitize_kind kind)
{
	unsigned char c = (unsigned char)character.s[0];

	if (c == '\n' || c == '\r' || c == '\t')
		return kind == SANITIZE_TEXT;
	if (character.len == 2 && c == 0xc2)
		return (unsigned char)character.s[1] > 0x9f;
	return c >= 0x20 && c != 0x7f;
}

/* Cuts the next character off a text; false at its end. */
static bool next_character(struct str *rest, struct str *ret_character)
{
	size_t n = 1;

	if (!rest->len)
		return false;
	while (n < rest->len && ((unsigned char)rest->s[n] & 0xc0) == 0x80)
		n++;
	*ret_character = (struct str){ rest->s, n };
	*rest = (struct str){ rest->s + n, rest->len - n };
	return true;
}

/* What a character becomes, and how many characters that is; empty when it goes. */
static struct str made_harmless(struct str character, enum sanitize_kind kind, size_t *ret_chars)
{
	const char *entity = entity_of(character.s[0]);

	if (entity)
		character = str_of(entity);
	else if (!stays(character, kind))
		character.len = 0;
	*ret_chars = entity ? character.len : character.len > 0;
	return character;
}

static void add(struct buf *b, struct str text, enum sanitize_kind kind, size_t max_chars)
{
	struct str character, out;
	size_t chars = 0, n;

	while (next_character(&text, &character)) {
		out = made_harmless(character, kind, &n);
		if (max_chars && chars + n > max_chars)
			return;
		chars += n;
		buf_add_str(b, out);
	}
}

void sanitize_add(struct buf *b, struct str text, enum sanitize_kind kind)
{
	add(b, text, kind, 0);
}

int sanitize_text(struct arena *arena, struct str text, enum sanitize_kind kind, size_t max_chars, struct str *ret_text)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct str result;

	add(&b, text, kind, max_chars);
	if (b.failed)
		return ERR_NOMEM;
	result = arena_str(arena, b.len ? str_trim_unicode(buf_view(&b)) : (struct str)STR(""));
	if (!result.s)
		return ERR_NOMEM;
	*ret_text = result;
	return 0;
}

/* ---- back ---- */

static const char meaning[] = "&<>\"'";

/* The character whose entity the text begins with, and how long that is; 0: none. */
static char entity_at(struct str text, size_t *ret_bytes)
{
	for (size_t i = 0; meaning[i]; i++) {
		const char *entity = entity_of(meaning[i]);

		if (str_starts(text, entity)) {
			*ret_bytes = strlen(entity);
			return meaning[i];
		}
	}
	return 0;
}

void sanitize_undo(struct buf *b, struct str text)
{
	while (text.len) {
		size_t bytes = 1;
		char c = *text.s == '&' ? entity_at(text, &bytes) : 0;

		buf_add_char(b, c ? c : *text.s);
		text = (struct str){ text.s + bytes, text.len - bytes };
	}
}
