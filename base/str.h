/*
 * Text with a length: a borrowed view of bytes, usually UTF-8, and the small operations that every layer needs.
 *
 * A struct str owns nothing: it is valid as long as what it points into. .s == NULL means "no value" (SQL null, JSON
 * null, absent header); an empty text has .s != NULL and .len == 0. It need not be NUL-terminated. Any thread.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct arena;

struct str {
	const char *s; /* NULL = no value */
	size_t len;    /* bytes */
};

/* A str of a string literal; usable in static initialisers. */
#define STR(literal)                              \
	{                                         \
		("" literal), sizeof(literal) - 1 \
	}

/* For printf: format "%.*s", argument STR_ARG(s). */
#define STR_ARG(x) (int)(x).len, (x).s ? (x).s : ""

/* A str over a NUL-terminated string; NULL gives no value. */
static inline struct str str_of(const char *s)
{
	return (struct str){ s, s ? strlen(s) : 0 };
}

/* The same bytes; two absent values are equal, an absent and an empty one are not. */
static inline bool str_equal(struct str a, struct str b)
{
	if (!a.s || !b.s)
		return !a.s && !b.s;
	return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

/* Equal to a NUL-terminated string. */
static inline bool str_is(struct str a, const char *b)
{
	return a.s && strlen(b) == a.len && memcmp(a.s, b, a.len) == 0;
}

/* ASCII letters and digits, whatever the locale; bytes of other characters are neither. */
static inline bool str_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool str_is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* An ASCII capital as its small letter, any other byte as it is. */
static inline char str_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Equal but for the case of ASCII letters. */
bool str_equal_nocase(struct str a, struct str b);

/* Begins with prefix. */
bool str_starts(struct str s, const char *prefix);

/* Without ASCII white space (space, tab, CR, LF, VT, FF) at both ends. */
struct str str_trim(struct str s);

/* Without Unicode white space at both ends, as Python's str.strip() sees it; s must be valid UTF-8. */
struct str str_trim_unicode(struct str s);

/*
 * Cuts the next piece of *rest up to a separator; true while there was one. "a,,b" gives "a", "", "b"; an absent
 * text gives nothing.
 */
bool str_split(struct str *rest, char separator, struct str *ret_piece);

/* Position of the first byte c, or -1. */
ptrdiff_t str_find(struct str s, char c);

/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). */
bool str_valid_utf8(struct str s);

/* The number of code points of valid UTF-8. */
size_t str_count_chars(struct str s);

/* Decimal digits only, at most INT64_MAX; false leaves *ret_value as it was. */
bool str_to_uint(struct str s, int64_t *ret_value);

/* As str_to_uint with an optional sign. */
bool str_to_int(struct str s, int64_t *ret_value);

/* Whether the text is an integer of any length: an optional sign and decimal digits. */
bool str_is_whole_number(struct str s);

/* A plain decimal or exponent number (strtod's syntax without hex, inf, nan, spaces). */
bool str_to_double(struct str s, double *ret_value);

/*
 * Percent-decodes into the arena; plus_is_space: '+' becomes a space (forms and queries). A '%' that two hex digits
 * do not follow stays as it is (as browsers and Django do). .s is NULL when memory is exhausted.
 */
struct str str_percent_decode(struct arena *, struct str s, bool plus_is_space);

/* Equal in constant time for equal lengths: for secrets. */
bool str_equal_secret(struct str a, struct str b);

#endif
