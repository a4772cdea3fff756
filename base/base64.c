#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

static char digit_of(unsigned value, enum base64_form form)
{
	if (value < 62)
		return digits[value];
	if (form == BASE64)
		return value == 62 ? '+' : '/';
	return value == 62 ? '-' : '_';
}

static int value_of(char c, enum base64_form form)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (str_is_digit(c))
		return c - '0' + 52;
	if (c == digit_of(62, form))
		return 62;
	return c == digit_of(63, form) ? 63 : -1;
}

void base64_add(struct buf *b, enum base64_form form, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i < 3 ? n - i : 3;
		unsigned group = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);

		for (size_t k = 0; k <= left; k++)
			buf_add_char(b, digit_of(group >> (18 - 6 * k) & 63, form));
		for (size_t k = left; form == BASE64 && k < 3; k++)
			buf_add_char(b, '=');
	}
}

/* Cuts the padding off; false when it is not what the length asks for. */
static bool cut_padding(struct str *text, enum base64_form form)
{
	size_t padding = 0;

	while (padding < 2 && text->len && text->s[text->len - 1] == '=') {
		text->len--;
		padding++;
	}
	if (text->len % 4 == 1)
		return false;
	return (form == BASE64_URL && padding == 0) || (text->len + padding) % 4 == 0;
}

bool base64_decode(struct str text, enum base64_form form, void *ret_bytes, size_t *ret_n)
{
	unsigned char *out = ret_bytes;
	unsigned bits = 0, group = 0;
	size_t n = 0;

	if (!text.s || !cut_padding(&text, form))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		int value = value_of(text.s[i], form);

		if (value < 0)
			return false;
		group = (group << 6 | (unsigned)value) & 0xffffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (unsigned char)(group >> bits);
		}
	}
	if (group & ((1u << bits) - 1))
		return false;
	*ret_n = n;
	return true;
}
