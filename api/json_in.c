/*
 * The pass knows just enough of JSON: strings, numbers, and which container it is in. It never decides that a text is
 * well formed; what it does not understand it leaves as it is, for jansson to refuse.
 */
#include "api/json_in.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/json_out.h"

#define TOO_DEEP  "Le JSON est imbriqué trop profondément."
#define TOO_MANY  "Le JSON contient trop de valeurs."
#define MALFORMED "Le corps n'est pas du JSON valide."

struct scan {
	const char *p, *end;
	const char *kept; /* what is before it has been copied to out */
	struct buf *out;
	bool in_object[JSON_MAX_DEPTH + 1]; /* by depth; 0 is outside of everything */
	size_t depth, values;
	bool name_next;  /* a string that begins here is a member's name */
	const char *why; /* NULL until a limit is passed */
};

/* Replaces the n bytes at `at` by text. */
static void replace(struct scan *s, const char *at, size_t n, const char *text)
{
	buf_add(s->out, s->kept, (size_t)(at - s->kept));
	buf_add_text(s->out, text);
	s->kept = at + n;
}

/* The code unit of \uXXXX at p, or -1. */
static int unit_at(const struct scan *s, const char *p)
{
	int value = 0;

	if (s->end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		char c = str_lower(p[i]);

		if (str_is_digit(c))
			value = value * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + (c - 'a' + 10);
		else
			return -1;
	}
	return value;
}

static bool is_high(int unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(int unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* Steps over an escape; rewrites it when it is half of a pair, or a NUL in a name. */
static void scan_escape(struct scan *s, bool is_name)
{
	int unit = unit_at(s, s->p);

	if (unit < 0) {
		s->p += s->end - s->p < 2 ? 1 : 2;
		return;
	}
	if (is_high(unit) && is_low(unit_at(s, s->p + 6))) {
		s->p += 12;
		return;
	}
	if (is_high(unit) || is_low(unit) || (is_name && unit == 0))
		replace(s, s->p, 6, is_name ? "\\ufffd" : "\\u0000");
	s->p += 6;
}

static void scan_string(struct scan *s)
{
	bool is_name = s->name_next;

	s->p++;
	while (s->p < s->end && *s->p != '"') {
		if (*s->p == '\\')
			scan_escape(s, is_name);
		else
			s->p++;
	}
	if (s->p < s->end)
		s->p++;
	s->name_next = false;
	s->values++;
}

static const char *skip_digits(const char *p, const char *end)
{
	while (p < end && str_is_digit(*p))
		p++;
	return p;
}

/* Whether the token is a number of the grammar (RFC 8259 6); *ret_integer: without point and exponent. */
static bool is_json_number(struct str token, bool *ret_integer)
{
	const char *p = token.s, *end = token.s + token.len, *from;

	*ret_integer = true;
	if (p < end && *p == '-')
		p++;
	from = p;
	p = skip_digits(p, end);
	if (p == from || (*from == '0' && p - from > 1))
		return false;
	if (p < end && *p == '.') {
		*ret_integer = false;
		from = ++p;
		p = skip_digits(p, end);
		if (p == from)
			return false;
	}
	if (p < end && (*p == 'e' || *p == 'E')) {
		*ret_integer = false;
		if (++p < end && (*p == '+' || *p == '-'))
			p++;
		from = p;
		p = skip_digits(p, end);
		if (p == from)
			return false;
	}
	return p == end;
}

/* INT64_MIN does not fit: it is our mark of "no value". */
static bool fits(struct str number, bool integer)
{
	int64_t whole;
	double real;

	return integer ? str_to_int(number, &whole) : str_to_double(number, &real) && isfinite(real);
}

static void scan_number(struct scan *s)
{
	const char *from = s->p;
	struct str token;
	bool integer;

	while (s->p < s->end && (str_is_digit(*s->p) || strchr("+-.eE", *s->p)) && *s->p)
		s->p++;
	token = (struct str){ from, (size_t)(s->p - from) };
	s->values++;
	if (s->name_next || !is_json_number(token, &integer) || fits(token, integer))
		return;
	replace(s, from, 0, "\"");
	buf_add_str(s->out, token);
	buf_add_char(s->out, '"');
	s->kept = s->p;
}

static void open_container(struct scan *s, bool object)
{
	s->p++;
	s->values++;
	if (s->depth == JSON_MAX_DEPTH) {
		s->why = TOO_DEEP;
		return;
	}
	s->in_object[++s->depth] = object;
	s->name_next = object;
}

static void close_container(struct scan *s)
{
	s->p++;
	if (s->depth)
		s->depth--;
	s->name_next = false;
}

static void scan_one(struct scan *s)
{
	switch (*s->p) {
	case '"':
		scan_string(s);
		break;
	case '{':
	case '[':
		open_container(s, *s->p == '{');
		break;
	case '}':
	case ']':
		close_container(s);
		break;
	case ',':
		s->name_next = s->in_object[s->depth];
		s->p++;
		break;
	default:
		if (*s->p == '-' || str_is_digit(*s->p))
			scan_number(s);
		else
			s->p++;
	}
}

int json_prepare(struct str bytes, struct buf *space, struct str *ret_text, const char **ret_why)
{
	struct scan s = { .p = bytes.s, .end = bytes.s + bytes.len, .kept = bytes.s, .out = space };

	while (s.p < s.end && !s.why) {
		scan_one(&s);
		if (s.values > JSON_MAX_VALUES)
			s.why = TOO_MANY;
	}
	if (s.why) {
		*ret_why = s.why;
		return ERR_INVALID;
	}
	*ret_text = bytes;
	if (s.kept == bytes.s)
		return 0;
	buf_add(space, s.kept, (size_t)(s.end - s.kept));
	*ret_text = buf_view(space);
	return space->failed ? ERR_NOMEM : 0;
}

int json_read(struct str bytes, json_t **ret_root, const char **ret_why)
{
	struct buf space CLEANUP(buf_finish) = BUF_EMPTY;
	struct str text;
	json_error_t error;
	json_t *root;
	int r;

	if (!bytes.len) {
		*ret_why = MALFORMED;
		return ERR_INVALID;
	}
	r = json_prepare(bytes, &space, &text, ret_why);
	if (r < 0)
		return r;
	root = json_loadb(text.s, text.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	if (root) {
		*ret_root = root;
		return 0;
	}
	if (json_error_code(&error) == json_error_out_of_memory)
		return ERR_NOMEM;
	*ret_why = MALFORMED;
	return ERR_INVALID;
}

static struct str string_of(const json_t *json)
{
	return (struct str){ json_string_value(json), json_string_length(json) };
}

static void write_object(struct buf *b, const json_t *object)
{
	const char *name, *separator = "{";
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		buf_add_text(b, separator);
		json_add_text(b, name);
		buf_add_char(b, ':');
		json_write(b, value);
		separator = ",";
	}
	buf_add_text(b, *separator == '{' ? "{}" : "}");
}

static void write_array(struct buf *b, const json_t *array)
{
	size_t n = json_array_size(array);

	buf_add_char(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(b, ',');
		json_write(b, json_array_get(array, i));
	}
	buf_add_char(b, ']');
}

void json_write(struct buf *b, const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		write_object(b, json);
		break;
	case JSON_ARRAY:
		write_array(b, json);
		break;
	case JSON_STRING:
		json_add_str(b, string_of(json));
		break;
	case JSON_INTEGER:
		json_add_int(b, json_integer_value(json));
		break;
	case JSON_REAL:
		json_add_float(b, json_real_value(json));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		json_add_bool(b, json_is_true(json));
		break;
	case JSON_NULL:
		buf_add_text(b, "null");
		break;
	}
}

bool json_has_nul(const json_t *json)
{
	const char *name;
	json_t *value;
	size_t n = json_array_size(json);

	if (json_is_string(json))
		return str_find(string_of(json), '\0') >= 0;
	for (size_t i = 0; i < n; i++)
		if (json_has_nul(json_array_get(json, i)))
			return true;
	json_object_foreach((json_t *)(uintptr_t)json, name, value)
	{
		if (json_has_nul(value))
			return true;
	}
	return false;
}

size_t json_real_text(double value, char ret_text[40])
{
	int n = 0;

	if (value == floor(value) && fabs(value) < 1e16)
		return (size_t)snprintf(ret_text, 40, "%.1f", value);
	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(ret_text, 40, "%.*g", digits, value);
		if (strtod(ret_text, NULL) == value)
			break;
	}
	return (size_t)n;
}

static bool is_short_text(const json_t *value, size_t max_chars)
{
	struct str text = { json_string_value(value), json_string_length(value) };

	return text.s && str_count_chars(text) <= max_chars && str_find(text, '\0') < 0;
}

int json_check_texts(struct str json, size_t max, size_t max_chars)
{
	json_t *list CLEANUP(json_decrefp) = NULL;
	const char *why;
	int r = json_read(json, &list, &why);

	if (r < 0)
		return r;
	if (!json_is_array(list) || json_array_size(list) > max)
		return ERR_INVALID;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!is_short_text(json_array_get(list, i), max_chars))
			return ERR_INVALID;
	return 0;
}
