#include "api/charset.h"

#include "base/cleanup.h"

/* Appends a code point as UTF-8; returns the new length. */
static size_t put(char *out, size_t n, uint32_t c)
{
	if (c < 0x80) {
		out[n++] = (char)c;
	} else if (c < 0x800) {
		out[n++] = (char)(0xc0 | c >> 6);
		out[n++] = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		out[n++] = (char)(0xe0 | c >> 12);
		out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		out[n++] = (char)(0x80 | (c & 0x3f));
	} else {
		out[n++] = (char)(0xf0 | c >> 18);
		out[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		out[n++] = (char)(0x80 | (c & 0x3f));
	}
	return n;
}

static int from_utf8(struct str bytes, struct arena *a, struct str *ret_text)
{
	(void)a;
	*ret_text = bytes;
	return 0;
}

static int from_ascii(struct str bytes, struct arena *a, struct str *ret_text)
{
	for (size_t i = 0; i < bytes.len; i++)
		if ((unsigned char)bytes.s[i] >= 0x80)
			return ERR_INVALID;
	return from_utf8(bytes, a, ret_text);
}

static int from_latin1(struct str bytes, struct arena *a, struct str *ret_text)
{
	char *out = arena_alloc(a, bytes.len * 2 + 1);
	size_t n = 0;

	if (!out)
		return ERR_NOMEM;
	for (size_t i = 0; i < bytes.len; i++)
		n = put(out, n, (unsigned char)bytes.s[i]);
	*ret_text = (struct str){ out, n };
	return 0;
}

static uint32_t unit_at(const unsigned char *p, bool big)
{
	return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static int from_utf16(struct str bytes, bool big, struct arena *a, struct str *ret_text)
{
	const unsigned char *p = (const unsigned char *)bytes.s, *end = p + bytes.len;
	char *out = arena_alloc(a, bytes.len / 2 * 3 + 1);
	size_t n = 0;

	if (!out)
		return ERR_NOMEM;
	if (bytes.len % 2)
		return ERR_INVALID;
	for (; p < end; p += 2) {
		uint32_t c = unit_at(p, big), low;

		if (c >= 0xdc00 && c < 0xe000)
			return ERR_INVALID;
		if (c >= 0xd800 && c < 0xdc00) {
			low = end - p >= 4 ? unit_at(p + 2, big) : 0;
			if (low < 0xdc00 || low >= 0xe000)
				return ERR_INVALID;
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			p += 2;
		}
		n = put(out, n, c);
	}
	*ret_text = (struct str){ out, n };
	return 0;
}

static int from_utf16_little(struct str bytes, struct arena *a, struct str *ret_text)
{
	return from_utf16(bytes, false, a, ret_text);
}

static int from_utf16_big(struct str bytes, struct arena *a, struct str *ret_text)
{
	return from_utf16(bytes, true, a, ret_text);
}

static int from_utf16_marked(struct str bytes, struct arena *a, struct str *ret_text)
{
	bool big = bytes.len >= 2 && memcmp(bytes.s, "\xfe\xff", 2) == 0;
	bool marked = big || (bytes.len >= 2 && memcmp(bytes.s, "\xff\xfe", 2) == 0);

	if (marked)
		bytes = (struct str){ bytes.s + 2, bytes.len - 2 };
	return from_utf16(bytes, big, a, ret_text);
}

static const struct encoding {
	const char *name;
	int (*decode)(struct str bytes, struct arena *, struct str *ret_text);
} encodings[] = {
	{ "us-ascii", from_ascii },        { "ascii", from_ascii },        { "iso-8859-1", from_latin1 },   { "iso8859-1", from_latin1 },
	{ "latin-1", from_latin1 },        { "latin1", from_latin1 },      { "utf-16", from_utf16_marked }, { "utf16", from_utf16_marked },
	{ "utf-16le", from_utf16_little }, { "utf-16be", from_utf16_big },
};

int charset_to_utf8(struct str charset, struct str bytes, struct arena *a, struct str *ret_text)
{
	for (size_t i = 0; charset.s && i < N_ELEMENTS(encodings); i++)
		if (str_equal_nocase(charset, str_of(encodings[i].name)))
			return encodings[i].decode(bytes, a, ret_text);
	return from_utf8(bytes, a, ret_text);
}
