/*
 * The text forms of values: what PostgreSQL sends for each kind, what SQLite stores where its type is text, and back. Reading
 * is exact or ERR_CORRUPT: a decimal becomes hundredths without passing through binary fractions, a time microseconds.
 */
#include "db/value_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define MAX_DIGITS 80

void value_set_null(enum kind kind, void *member)
{
	switch (kind) {
	case KIND_BOOL:
		*(bool *)member = false;
		break;
	case KIND_INT:
		*(int64_t *)member = NULL_INT;
		break;
	case KIND_FLOAT:
		*(double *)member = NULL_FLOAT;
		break;
	case KIND_DECIMAL:
		*(struct decimal *)member = NULL_DECIMAL;
		break;
	case KIND_TIME:
		*(struct instant *)member = NULL_TIME;
		break;
	case KIND_TEXT:
		*(struct str *)member = (struct str){ NULL, 0 };
		break;
	case KIND_JSON:
		*(struct json_text *)member = (struct json_text){ { NULL, 0 } };
		break;
	case KIND_COUNT:
		break;
	}
}

bool value_is_null(const struct db_param *p)
{
	switch (p->kind) {
	case KIND_INT:
	case KIND_DECIMAL:
	case KIND_TIME:
		return p->i == NULL_INT;
	case KIND_FLOAT:
		return isnan(p->f);
	case KIND_TEXT:
	case KIND_JSON:
		return !p->s.s;
	default:
		return false;
	}
}

int value_arena_error(const struct arena *arena, size_t n)
{
	/* The arena rounds up to its alignment. */
	return arena->used_bytes + n + sizeof(max_align_t) > arena->limit_bytes ? ERR_LIMIT : ERR_NOMEM;
}

int value_copy(struct arena *arena, const void *bytes, size_t n, struct str *ret_copy)
{
	char *copy = arena_strndup(arena, bytes, n);

	if (!copy)
		return value_arena_error(arena, n + 1);
	*ret_copy = (struct str){ copy, n };
	return 0;
}

static bool parse_bool(struct str s, bool *ret_value)
{
	if (!str_is(s, "t") && !str_is(s, "f") && !str_is(s, "1") && !str_is(s, "0"))
		return false;
	*ret_value = *s.s == 't' || *s.s == '1';
	return true;
}

static bool parse_float(struct str s, double *ret_value)
{
	if (str_is(s, "NaN") || str_is(s, "Infinity") || str_is(s, "-Infinity")) {
		*ret_value = strtod(s.s, NULL);
		return true;
	}
	return str_to_double(s, ret_value);
}

int value_from_text(enum kind kind, struct str s, struct arena *arena, void *member)
{
	bool good = false;

	switch (kind) {
	case KIND_BOOL:
		good = parse_bool(s, member);
		break;
	case KIND_INT:
		good = str_to_int(s, member);
		break;
	case KIND_FLOAT:
		good = parse_float(s, member);
		break;
	case KIND_DECIMAL:
		good = value_parse_decimal(s, &((struct decimal *)member)->cents);
		break;
	case KIND_TIME:
		good = clock_parse(s, member);
		break;
	case KIND_TEXT:
		return value_copy(arena, s.s, s.len, member);
	case KIND_JSON:
		return value_copy(arena, s.s, s.len, &((struct json_text *)member)->text);
	case KIND_COUNT:
		break;
	}
	return good ? 0 : ERR_CORRUPT;
}

/* A number taken apart: 0.d1d2d3… × 10^point. */
struct digits {
	bool negative;
	int n, point;
	char digit[MAX_DIGITS];
};

static bool add_digit(struct digits *d, char c, bool before_point)
{
	if (d->n == 0 && c == '0') {
		d->point -= !before_point;
		return true;
	}
	if (d->n == MAX_DIGITS)
		return false;
	d->digit[d->n++] = (char)(c - '0');
	d->point += before_point;
	return true;
}

static bool read_exponent(struct str s, struct digits *d)
{
	int64_t exponent;

	if (!str_to_int(s, &exponent) || exponent < -1000 || exponent > 1000)
		return false;
	d->point += (int)exponent;
	return true;
}

static bool read_digits(struct str s, struct digits *d)
{
	bool before_point = true, any = false;
	size_t i = 0;

	*d = (struct digits){ .negative = s.len && s.s[0] == '-' };
	if (s.len && (s.s[0] == '-' || s.s[0] == '+'))
		i++;
	for (; i < s.len; i++) {
		char c = s.s[i];

		if (c >= '0' && c <= '9') {
			any = true;
			if (!add_digit(d, c, before_point))
				return false;
		} else if (c == '.' && before_point) {
			before_point = false;
		} else {
			return any && (c == 'e' || c == 'E') && read_exponent((struct str){ s.s + i + 1, s.len - i - 1 }, d);
		}
	}
	return any;
}

/* -1, 0, 1: what is cut off after the first `from` digits is below, at, or above one half of a unit. */
static int compare_rest_with_half(const struct digits *d, int from)
{
	if (from < 0 || from >= d->n)
		return -1;
	if (d->digit[from] != 5)
		return d->digit[from] < 5 ? -1 : 1;
	for (int i = from + 1; i < d->n; i++)
		if (d->digit[i])
			return 1;
	return 0;
}

bool value_parse_decimal(struct str text, int64_t *ret_cents)
{
	struct digits d;
	int64_t cents = 0;
	int keep, half;

	if (!text.s || !read_digits(text, &d))
		return false;
	keep = d.n ? d.point + 2 : 0;
	for (int i = 0; i < keep; i++)
		if (__builtin_mul_overflow(cents, 10, &cents) || __builtin_add_overflow(cents, i < d.n ? d.digit[i] : 0, &cents))
			return false;
	half = compare_rest_with_half(&d, keep);
	if (half > 0 || (half == 0 && cents % 2))
		cents++;
	if (cents < 0)
		return false;
	*ret_cents = d.negative ? -cents : cents;
	return true;
}

bool value_decimal_from_double(double value, int64_t *ret_cents)
{
	double hundredths = value * 100, nearest = nearbyint(hundredths);
	char text[40];
	int n;

	if (!isfinite(value))
		return false;
	/* The usual case, a stored amount of two places: the product misses an integer by a few units in the last place. */
	if (fabs(nearest) < 1e15 && fabs(hundredths - nearest) < 1e-3) {
		*ret_cents = (int64_t)nearest;
		return true;
	}
	n = snprintf(text, sizeof(text), "%.14e", value);
	return value_parse_decimal((struct str){ text, (size_t)n }, ret_cents);
}

size_t value_format_decimal(int64_t cents, char ret_text[VALUE_DECIMAL_SIZE])
{
	uint64_t magnitude = cents < 0 ? -(uint64_t)cents : (uint64_t)cents;

	return (size_t)snprintf(ret_text, VALUE_DECIMAL_SIZE, "%s%" PRIu64 ".%02" PRIu64, cents < 0 ? "-" : "", magnitude / 100,
	                        magnitude % 100);
}
