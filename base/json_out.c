/*
 * Text that is valid UTF-8, nearly all of it, is copied in runs between the characters that need an escape; only when
 * a check of the whole fails does the slow path look for what to replace.
 */
#include "base/json_out.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

static void add_escape(struct buf *b, unsigned char c)
{
	static const char letters[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\' };

	if (c < sizeof(letters) && letters[c]) {
		buf_add_char(b, '\\');
		buf_add_char(b, letters[c]);
	} else {
		buf_addf(b, "\\u%04x", c);
	}
}

/* The length of the run at the start of s that needs no escape. */
static size_t plain_run(struct str s)
{
	size_t i = 0;

	while (i < s.len && (unsigned char)s.s[i] >= 0x20 && s.s[i] != '"' && s.s[i] != '\\' && s.s[i] != 0x7f)
		i++;
	return i;
}

static void add_valid(struct buf *b, struct str s)
{
	while (s.len) {
		size_t run = plain_run(s);

		buf_add(b, s.s, run);
		s.s += run;
		s.len -= run;
		if (s.len) {
			add_escape(b, (unsigned char)s.s[0]);
			s.s++;
			s.len--;
		}
	}
}

/* Byte by byte: whatever is not part of valid UTF-8 becomes U+FFFD. */
static void add_repaired(struct buf *b, struct str s)
{
	while (s.len) {
		size_t n = 1;

		while (n < s.len && n < 4 && !str_valid_utf8((struct str){ s.s, n }))
			n++;
		if (str_valid_utf8((struct str){ s.s, n })) {
			add_valid(b, (struct str){ s.s, n });
		} else {
			buf_add_text(b, "\xef\xbf\xbd");
			n = 1;
		}
		s.s += n;
		s.len -= n;
	}
}

void json_add_str(struct buf *b, struct str s)
{
	if (!s.s) {
		buf_add_text(b, "null");
		return;
	}
	buf_add_char(b, '"');
	if (str_valid_utf8(s))
		add_valid(b, s);
	else
		add_repaired(b, s);
	buf_add_char(b, '"');
}

void json_add_text(struct buf *b, const char *s)
{
	json_add_str(b, str_of(s));
}

/* The digits of an absolute value, at least `least` of them, before end; returns where they begin. */
static char *put_digits(char *end, uint64_t value, int least)
{
	for (; value || least > 0; value /= 10, least--)
		*--end = (char)('0' + value % 10);
	return end;
}

static uint64_t magnitude(int64_t value)
{
	return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

void json_add_int(struct buf *b, int64_t value)
{
	char text[24], *end = text + sizeof(text), *p;

	if (value == NULL_INT) {
		buf_add_text(b, "null");
		return;
	}
	p = put_digits(end, magnitude(value), 1);
	if (value < 0)
		*--p = '-';
	buf_add(b, p, (size_t)(end - p));
}

/* Whole numbers below this are the same in %.15g, and cost no printf. */
#define WHOLE_MAX 1e15

void json_add_float(struct buf *b, double value)
{
	char text[40];

	if (!isfinite(value)) {
		buf_add_text(b, "null");
		return;
	}
	if (fabs(value) < WHOLE_MAX && value == (double)(int64_t)value && !(value == 0 && signbit(value))) {
		json_add_int(b, (int64_t)value);
		buf_add(b, ".0", 2);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	buf_add_text(b, text);
	if (!strpbrk(text, ".e"))
		buf_add_text(b, ".0");
}

void json_add_decimal(struct buf *b, struct decimal d)
{
	char text[32], *end = text + sizeof(text), *p = end;

	if (d.cents == NULL_DECIMAL.cents) {
		buf_add_text(b, "null");
		return;
	}
	*--p = '"';
	p = put_digits(p, magnitude(d.cents) % 100, 2);
	*--p = '.';
	p = put_digits(p, magnitude(d.cents) / 100, 1);
	if (d.cents < 0)
		*--p = '-';
	*--p = '"';
	buf_add(b, p, (size_t)(end - p));
}

void json_add_time(struct buf *b, struct instant t)
{
	char text[CLOCK_ISO_SIZE];

	if (t.us == NULL_TIME.us) {
		buf_add_text(b, "null");
		return;
	}
	buf_add_char(b, '"');
	buf_add(b, text, clock_format_iso(t, text));
	buf_add_char(b, '"');
}

void json_add_bool(struct buf *b, bool value)
{
	buf_add_text(b, value ? "true" : "false");
}

void json_add_json(struct buf *b, struct json_text json)
{
	if (json.text.s)
		buf_add_str(b, json.text);
	else
		buf_add_text(b, "null");
}

void json_add_key(struct buf *b, const char *name)
{
	buf_add_char(b, '"');
	buf_add_text(b, name);
	buf_add_text(b, "\":");
}

static void add_line(struct buf *b, size_t level)
{
	buf_add_char(b, '\n');
	for (size_t i = 0; i < level; i++)
		buf_add_text(b, "  ");
}

/* The index behind the closing quote of the string that begins at i. */
static size_t string_end(struct str json, size_t i)
{
	for (i++; i < json.len && json.s[i] != '"'; i++)
		if (json.s[i] == '\\')
			i++;
	return i < json.len ? i + 1 : json.len;
}

/* A bracket that opens; an empty pair is written at once. Returns the index behind what was taken. */
static size_t open_bracket(struct buf *b, struct str json, size_t i, size_t *level)
{
	size_t next = i + 1;

	while (next < json.len && strchr(" \t\r\n", json.s[next]))
		next++;
	buf_add_char(b, json.s[i]);
	if (next < json.len && (json.s[next] == ']' || json.s[next] == '}')) {
		buf_add_char(b, json.s[next]);
		return next + 1;
	}
	add_line(b, ++*level);
	return next;
}

void json_add_indented(struct buf *b, struct str json)
{
	size_t level = 0, i = 0;

	while (i < json.len) {
		char c = json.s[i];
		size_t end = c == '"' ? string_end(json, i) : i + 1;

		if (c == '[' || c == '{') {
			i = open_bracket(b, json, i, &level);
			continue;
		}
		if (c == ']' || c == '}')
			add_line(b, level -= level > 0);
		if (!strchr(" \t\r\n", c))
			buf_add(b, json.s + i, end - i);
		if (c == ',')
			add_line(b, level);
		if (c == ':')
			buf_add_char(b, ' ');
		i = end;
	}
}
