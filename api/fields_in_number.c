/* Readers of the kinds that are numbers, instants and booleans: http.md 4. */
#include <stdio.h>

#include "api/fields_in_impl.h"
#include "api/json_in.h"
#include "base/clock.h"

#define NUMBER_TEXT_MAX  1000                        /* characters */
#define FIRST_INSTANT_US INT64_C(-62135596800000000) /* 0001-01-01T00:00:00 */
#define LAST_INSTANT_US  INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999 */

bool scalar_text(const json_t *value, char space[40], struct str *ret_text)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		*ret_text = (struct str){ json_string_value(value), json_string_length(value) };
		return true;
	case JSON_INTEGER:
		*ret_text = (struct str){ space, (size_t)snprintf(space, 40, "%lld", (long long)json_integer_value(value)) };
		return true;
	case JSON_REAL:
		*ret_text = (struct str){ space, json_real_text(json_real_value(value), space) };
		return true;
	default:
		return false;
	}
}

/* Whether the text is one of the words, all small, all capital, or with a capital first. */
static bool is_word(struct str text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(words[i]), capitals = 0;
		bool first_is_capital;

		if (!str_equal_nocase(text, (struct str){ words[i], len }))
			continue;
		for (size_t k = 0; k < len; k++)
			capitals += text.s[k] != words[i][k];
		first_is_capital = text.s[0] != words[i][0];
		return capitals == 0 || capitals == len || (capitals == 1 && first_is_capital);
	}
	return false;
}

bool read_bool(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	static const char *const yes[] = { "true", "t", "yes", "y", "on", "1" };
	static const char *const no[] = { "false", "f", "no", "n", "off", "0" };
	double number = json_number_value(value);
	struct str text = { json_string_value(value), json_string_length(value) };

	(void)f;
	if (json_is_boolean(value))
		*(bool *)member = json_is_true(value);
	else if (json_is_number(value) && (number == 0 || number == 1))
		*(bool *)member = number == 1;
	else if (text.s && is_word(text, yes, N_ELEMENTS(yes)))
		*(bool *)member = true;
	else if (text.s && is_word(text, no, N_ELEMENTS(no)))
		*(bool *)member = false;
	else
		return refuse(r, "Doit être un booléen valide.");
	return true;
}

/* "5.", "5.0", "5.000": the point and zeros after it say nothing. */
static struct str without_zero_fraction(struct str text)
{
	ptrdiff_t point = str_find(text, '.');

	if (point < 0)
		return text;
	for (size_t i = (size_t)point + 1; i < text.len; i++)
		if (text.s[i] != '0')
			return text;
	return (struct str){ text.s, (size_t)point };
}

bool scalar_int(const json_t *value, int64_t *ret_number)
{
	char space[40];
	struct str text;

	if (!value || !scalar_text(value, space, &text) || text.len > NUMBER_TEXT_MAX)
		return false;
	text = without_zero_fraction(str_trim_unicode(text));
	if (!str_is_whole_number(text))
		return false;
	if (!str_to_int(text, ret_number))
		*ret_number = *text.s == '-' ? -INT64_MAX : INT64_MAX;
	return true;
}

static bool check_range(struct reading *r, int64_t value, int64_t min, int64_t max)
{
	if (value < min)
		return refuse(r, "Assurez-vous que cette valeur est supérieure ou égale à %lld.", (long long)min);
	if (value > max)
		return refuse(r, "Assurez-vous que cette valeur est inférieure ou égale à %lld.", (long long)max);
	return true;
}

bool read_int(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	bool limited = f->min || f->max;
	char space[40];
	struct str text;
	int64_t number;

	if (!scalar_text(value, space, &text))
		return refuse(r, "Un nombre entier valide est requis.");
	if (text.len > NUMBER_TEXT_MAX)
		return refuse(r, "Chaîne de caractères trop longue.");
	text = without_zero_fraction(str_trim_unicode(text));
	if (!str_is_whole_number(text))
		return refuse(r, "Un nombre entier valide est requis.");
	if (!str_to_int(text, &number))
		return refuse(r, "Ce nombre est trop grand.");
	if (limited && !check_range(r, number, f->min, f->max))
		return false;
	*(int64_t *)member = number;
	return true;
}

bool read_float(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	char space[40];
	struct str text;
	double number;

	(void)f;
	if (!scalar_text(value, space, &text) || !str_to_double(str_trim_unicode(text), &number) || !isfinite(number))
		return refuse(r, "Un nombre valide est requis.");
	*(double *)member = number;
	return true;
}

/* A decimal as its digits, without leading zeros, and the power of ten of the last one: Python's Decimal.as_tuple(). */
struct digits {
	bool negative;
	char text[24];
	int n; /* 1.. ; more than text holds are counted only */
	int64_t exponent;
};

static void add_digit(struct digits *d, char c)
{
	if (d->n == 1 && d->text[0] == '0')
		d->n = 0;
	if (d->n < (int)sizeof(d->text))
		d->text[d->n] = c;
	d->n++;
}

static bool read_digits(struct str text, struct digits *ret_digits)
{
	struct digits d = { .negative = text.len && *text.s == '-' };
	size_t i = d.negative || (text.len && *text.s == '+');
	double checked;

	if (!str_to_double(text, &checked))
		return false;
	for (bool fraction = false; i < text.len && str_lower(text.s[i]) != 'e'; i++) {
		if (text.s[i] == '.') {
			fraction = true;
			continue;
		}
		add_digit(&d, text.s[i]);
		d.exponent -= fraction;
	}
	if (i < text.len) {
		int64_t power;

		if (!str_to_int((struct str){ text.s + i + 1, text.len - i - 1 }, &power) || power > 100000 || power < -100000)
			return false;
		d.exponent += power;
	}
	*ret_digits = d;
	return true;
}

/* The digits before and after the point, counted as Django counts them. */
static void count_digits(const struct digits *d, int64_t *ret_total, int64_t *ret_whole, int64_t *ret_decimals)
{
	if (d->exponent >= 0) {
		*ret_total = *ret_whole = d->n + d->exponent;
		*ret_decimals = 0;
	} else if (d->n > -d->exponent) {
		*ret_total = d->n;
		*ret_whole = d->n + d->exponent;
		*ret_decimals = -d->exponent;
	} else {
		*ret_total = *ret_decimals = -d->exponent;
		*ret_whole = 0;
	}
}

static bool check_digits(struct reading *r, const struct digits *d, int max_digits)
{
	int64_t total, whole, decimals;

	count_digits(d, &total, &whole, &decimals);
	if (total > max_digits)
		return refuse(r, "Assurez-vous qu'il n'y a pas plus de %d chiffres au total.", max_digits);
	if (decimals > 2)
		return refuse(r, "Assurez-vous qu'il n'y a pas plus de 2 chiffres après la virgule.");
	if (whole > max_digits - 2)
		return refuse(r, "Assurez-vous qu'il n'y a pas plus de %d chiffres avant la virgule.", max_digits - 2);
	return true;
}

/* For digits that check_digits let pass: fewer than 10^18 cents. */
static int64_t cents_of(const struct digits *d)
{
	int64_t cents = 0;

	for (int i = 0; i < d->n; i++)
		cents = cents * 10 + (d->text[i] - '0');
	for (int64_t e = d->exponent; e > -2; e--)
		cents *= 10;
	return d->negative ? -cents : cents;
}

bool read_decimal(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	int max_digits = f->digits ? f->digits : 18;
	char space[40];
	struct str text;
	struct digits digits;
	int64_t cents;

	if (!scalar_text(value, space, &text))
		return refuse(r, "Un nombre valide est requis.");
	text = str_trim_unicode(text);
	if (text.len > NUMBER_TEXT_MAX)
		return refuse(r, "Chaîne de caractères trop longue.");
	if (!read_digits(text, &digits))
		return refuse(r, "Un nombre valide est requis.");
	if (!check_digits(r, &digits, max_digits))
		return false;
	cents = cents_of(&digits);
	if (f->max && (cents < f->min || cents > f->max))
		return refuse(r, "Assurez-vous que cette valeur est comprise entre %.2f et %.2f.", (double)f->min / 100,
		              (double)f->max / 100);
	*(struct decimal *)member = (struct decimal){ cents };
	return true;
}

bool read_time(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	struct str text = { json_string_value(value), json_string_length(value) };
	struct instant t;

	(void)f;
	if (!text.s || !clock_parse(text, &t) || t.us < FIRST_INSTANT_US || t.us > LAST_INSTANT_US)
		return refuse(r, "La date et l'heure n'ont pas le format attendu : AAAA-MM-JJThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z].");
	*(struct instant *)member = t;
	return true;
}

bool read_date(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	struct str text = { json_string_value(value), json_string_length(value) };

	(void)f;
	if (text.len != sizeof("2026-01-05") - 1 || !clock_parse(text, member))
		return refuse(r, "La date n'a pas le format attendu : AAAA-MM-JJ.");
	return true;
}

static bool refuse_unknown(struct reading *r, struct str id)
{
	return refuse(r, "L'objet n° %.*s n'existe pas.", id.len > 40 ? 40 : (int)id.len, id.s);
}

/* An id as text, and as the number that it is; beyond 64 bits, where no row has one, that is null. */
static bool read_id(struct reading *r, const json_t *value, char space[40], struct str *ret_text, int64_t *ret_id)
{
	if (!scalar_text(value, space, ret_text))
		return refuse(r, "Type incorrect : un identifiant était attendu.");
	*ret_text = str_trim_unicode(*ret_text);
	if (json_is_real(value))
		*ret_text = without_zero_fraction(*ret_text);
	if (!str_is_whole_number(*ret_text))
		return refuse(r, "Type incorrect : un identifiant était attendu.");
	if (!str_to_int(*ret_text, ret_id))
		*ret_id = NULL_INT;
	return true;
}

bool read_reference(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	char space[40];
	struct str text = { 0 };
	int64_t id = NULL_INT;
	int known;

	if (!read_id(r, value, space, &text, &id))
		return false;
	known = id == NULL_INT ? ERR_NOT_FOUND : f->known && r->in->db ? f->known(r->in->db, id) : 0;
	if (known == ERR_NOT_FOUND)
		return refuse_unknown(r, text);
	if (known < 0)
		return give_up(r, known);
	*(int64_t *)member = id;
	return true;
}

bool read_references(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	size_t n = json_array_size(value);
	int64_t *ids = arena_alloc(r->in->arena, n * sizeof(*ids) + 1);
	char space[40];
	struct str text = { 0 };

	if (!json_is_array(value))
		return refuse(r, "Une liste d'identifiants était attendue.");
	if (f->max && (int64_t)n > f->max)
		return refuse(r, "Cette liste ne peut compter plus de %lld éléments.", (long long)f->max);
	if (!ids)
		return give_up(r, ERR_NOMEM);
	for (size_t i = 0; i < n; i++) {
		if (!read_id(r, json_array_get(value, i), space, &text, &ids[i]))
			return false;
		if (ids[i] == NULL_INT)
			return refuse_unknown(r, text);
	}
	*(struct db_rows *)member = (struct db_rows){ ids, n };
	return true;
}
