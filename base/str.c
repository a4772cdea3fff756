/*
 * Nothing here allocates, but for str_percent_decode in its arena, and nothing depends on the locale: bytes above 127 are
 * neither letters nor spaces unless the function says Unicode.
 */
#include "base/str.h"

#include <stdlib.h>

#include "base/arena.h"

bool str_equal_nocase(struct str a, struct str b)
{
	if (!a.s || !b.s)
		return !a.s && !b.s;
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (str_lower(a.s[i]) != str_lower(b.s[i]))
			return false;
	return true;
}

bool str_starts(struct str s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.s && s.len >= n && memcmp(s.s, prefix, n) == 0;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
	while (s.len && is_space(s.s[0]))
		s.s++, s.len--;
	while (s.len && is_space(s.s[s.len - 1]))
		s.len--;
	return s;
}

/* Length of the white space code point at p (n bytes left), 0 when there is none. */
static size_t unicode_space_at(const unsigned char *p, size_t n)
{
	if (is_space((char)p[0]) || (p[0] >= 0x1c && p[0] <= 0x1f))
		return 1;
	if (n >= 2 && p[0] == 0xc2 && (p[1] == 0x85 || p[1] == 0xa0))
		return 2;
	if (n < 3)
		return 0;
	if (p[0] == 0xe1 && p[1] == 0x9a && p[2] == 0x80) /* U+1680 */
		return 3;
	if (p[0] == 0xe2 && p[1] == 0x80 && ((p[2] >= 0x80 && p[2] <= 0x8a) || p[2] == 0xa8 || p[2] == 0xa9 || p[2] == 0xaf))
		return 3;                                 /* U+2000-200A, 2028, 2029, 202F */
	if (p[0] == 0xe2 && p[1] == 0x81 && p[2] == 0x9f) /* U+205F */
		return 3;
	if (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80) /* U+3000 */
		return 3;
	return 0;
}

struct str str_trim_unicode(struct str s)
{
	size_t n;

	while (s.len && (n = unicode_space_at((const unsigned char *)s.s, s.len)))
		s.s += n, s.len -= n;
	while (s.len) {
		size_t back = 1;

		while (back < s.len && back < 4 && ((unsigned char)s.s[s.len - back] & 0xc0) == 0x80)
			back++;
		if (unicode_space_at((const unsigned char *)s.s + s.len - back, back) != back)
			break;
		s.len -= back;
	}
	return s;
}

bool str_split(struct str *rest, char separator, struct str *ret_piece)
{
	ptrdiff_t at;

	if (!rest->s)
		return false;
	at = str_find(*rest, separator);
	if (at < 0) {
		*ret_piece = *rest;
		*rest = (struct str){ NULL, 0 };
		return true;
	}
	*ret_piece = (struct str){ rest->s, (size_t)at };
	rest->s += at + 1;
	rest->len -= (size_t)at + 1;
	return true;
}

ptrdiff_t str_find(struct str s, char c)
{
	const char *at = s.len ? memchr(s.s, c, s.len) : NULL;

	return at ? at - s.s : -1;
}

/* Bytes of the well-formed UTF-8 sequence at p, 0 when malformed (RFC 3629 section 4). */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t need;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		need = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		need = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		need = 4;
	else
		return 0;
	if (n < need)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

bool str_valid_utf8(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.s;

	for (size_t i = 0, n; i < s.len; i += n) {
		n = utf8_sequence(p + i, s.len - i);
		if (!n)
			return false;
	}
	return true;
}

size_t str_count_chars(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.s[i] & 0xc0) != 0x80;
	return n;
}

bool str_to_uint(struct str s, int64_t *ret_value)
{
	int64_t value = 0;

	if (!s.len)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!str_is_digit(s.s[i]))
			return false;
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, s.s[i] - '0', &value))
			return false;
	}
	*ret_value = value;
	return true;
}

bool str_to_int(struct str s, int64_t *ret_value)
{
	bool negative = s.len && s.s[0] == '-';
	int64_t value;

	if (s.len && (s.s[0] == '-' || s.s[0] == '+'))
		s.s++, s.len--;
	if (!str_to_uint(s, &value))
		return false;
	*ret_value = negative ? -value : value;
	return true;
}

static size_t count_digits(struct str s, size_t from)
{
	size_t n = 0;

	while (from + n < s.len && str_is_digit(s.s[from + n]))
		n++;
	return n;
}

bool str_is_whole_number(struct str s)
{
	size_t sign = s.len && (s.s[0] == '-' || s.s[0] == '+');

	return s.len > sign && count_digits(s, sign) == s.len - sign;
}

/* [sign] digits [. digits] [e [sign] digits], at least one digit before the exponent */
static bool is_number(struct str s)
{
	size_t i = 0, digits, more;

	if (i < s.len && (s.s[i] == '-' || s.s[i] == '+'))
		i++;
	digits = count_digits(s, i);
	i += digits;
	if (i < s.len && s.s[i] == '.') {
		more = count_digits(s, ++i);
		i += more;
		digits += more;
	}
	if (!digits)
		return false;
	if (i < s.len && str_lower(s.s[i]) == 'e') {
		i++;
		if (i < s.len && (s.s[i] == '-' || s.s[i] == '+'))
			i++;
		more = count_digits(s, i);
		if (!more)
			return false;
		i += more;
	}
	return i == s.len;
}

bool str_to_double(struct str s, double *ret_value)
{
	char text[400];

	if (!is_number(s) || s.len >= sizeof(text))
		return false;
	memcpy(text, s.s, s.len);
	text[s.len] = '\0';
	*ret_value = strtod(text, NULL);
	return true;
}

static int hex_value(char c)
{
	if (str_is_digit(c))
		return c - '0';
	c = str_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct str str_percent_decode(struct arena *a, struct str s, bool plus_is_space)
{
	char *out = arena_alloc(a, s.len + 1);
	size_t n = 0;

	if (!out)
		return (struct str){ NULL, 0 };
	for (size_t i = 0; i < s.len; i++) {
		char c = s.s[i];

		if (c == '%' && s.len - i > 2 && hex_value(s.s[i + 1]) >= 0 && hex_value(s.s[i + 2]) >= 0) {
			c = (char)(hex_value(s.s[i + 1]) * 16 + hex_value(s.s[i + 2]));
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		out[n++] = c;
	}
	out[n] = '\0';
	return (struct str){ out, n };
}

bool str_equal_secret(struct str a, struct str b)
{
	unsigned char differs = 0;

	if (!a.s || !b.s || a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		differs |= (unsigned char)((unsigned char)a.s[i] ^ (unsigned char)b.s[i]);
	return differs == 0;
}
