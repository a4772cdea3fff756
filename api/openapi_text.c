/*
 * Values as texts: what JSON strings, forms and queries may hold for each kind, as patterns. They are ECMA 262, of the part
 * that Python and Rust read in the same way.
 */
#include "api/openapi_impl.h"

#include <stdio.h>

#define WHITE FIELD_WHITE
#define PAD   "[" WHITE "]*"

/* A day that exists: of months of 31 days, of 30, of February, and the 29th of leap years; from the year 1000 on. */
#define DAY                                                                                                                            \
	"(?:[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|" \
	"2[0-8]))|(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29)"
#define TIME_OF_DAY "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\\.[0-9]+)?)?"
#define OFFSET      "(?:[Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?"
#define INSTANT     "^" DAY "(?:[T ]" TIME_OF_DAY OFFSET ")?$"

#define NUMBER "^" PAD "[+-]?(?:[0-9]{1,15}(?:\\.[0-9]{0,15})?|\\.[0-9]{1,15})(?:[eE][+-]?[0-9]{1,2})?" PAD "$"

#define LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define OCTET "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define IPV4  OCTET "(?:\\." OCTET "){3}"
#define EMAIL                                                                                                                \
	"^" PAD "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:(?:" LABEL "\\.)+[A-Za-z]{2,63}|" \
	"[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]|\\[" IPV4 "\\])" PAD "$"
#define URL                                                                                                              \
	"^" PAD "(?:[Hh][Tt][Tt][Pp][Ss]?|[Ff][Tt][Pp][Ss]?)://(?:[A-Za-z0-9._~-]+(?::[A-Za-z0-9._~-]*)?@)?(?:(?:" LABEL \
	"\\.)+[A-Za-z]{2,63}\\.?|[Ll][Oo][Cc][Aa][Ll][Hh][Oo][Ss][Tt]|" IPV4 ")(?::[0-9]{1,5})?(?:[/?#][^\\x00" WHITE "]*)?" PAD "$"

/* JSON as a text of a form: scalars, and flat arrays of them. */
#define JSON_SCALAR "(?:null|true|false|-?(?:0|[1-9][0-9]{0,14})(?:\\.[0-9]{1,6})?|\"[^\"\\\\\\x00-\\x1f]*\")"
#define JSON_TEXT   "^[\\t\\n\\r ]*(?:" JSON_SCALAR "|\\[(?:" JSON_SCALAR "(?:," JSON_SCALAR ")*)?\\]|\\{\\})[\\t\\n\\r ]*$"

static json_t *text_of_pattern(const char *pattern)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", pattern);
}

/* The limit counts after trimming, so that it is part of the pattern. */
static json_t *free_text(const struct field *f)
{
	const char *blank = f->flags & FIELD_BLANK ? "?" : "";
	char pattern[600], inside[40] = "*";

	if (f->max_chars >= 2)
		snprintf(inside, sizeof(inside), "{0,%u}", f->max_chars - 2);
	if (f->max_chars == 1)
		snprintf(pattern, sizeof(pattern), "^" PAD "[^" WHITE "\\x00]%s" PAD "$", blank);
	else
		snprintf(pattern, sizeof(pattern), "^" PAD "(?:[^" WHITE "\\x00](?:[^\\x00]%s[^" WHITE "\\x00])?)%s" PAD "$", inside,
		         blank);
	return text_of_pattern(pattern);
}

static json_t *slug_text(const struct field *f)
{
	const char *blank = f->flags & FIELD_BLANK ? "0" : "1";
	char pattern[400], most[24] = "";

	if (f->max_chars)
		snprintf(most, sizeof(most), "%u", f->max_chars);
	snprintf(pattern, sizeof(pattern), "^" PAD "[A-Za-z0-9_-]{%s,%s}" PAD "$", blank, most);
	return text_of_pattern(pattern);
}

/* A text of a fixed form, and of a length that is checked after trimming: a padded one may be refused here too early. */
static json_t *formed_text(const struct field *f, const char *pattern)
{
	json_t *schema = text_of_pattern(pattern);

	if (f->max_chars && json_object_set_new(schema, "maxLength", json_integer(f->max_chars)) < 0) {
		json_decref(schema);
		return NULL;
	}
	if (!(f->flags & FIELD_BLANK))
		return schema;
	return json_pack("{s:[o, o]}", "anyOf", schema, text_of_pattern("^" PAD "$"));
}

int64_t openapi_greatest(const struct field *f)
{
	return f->min || f->max ? f->max : INT64_MAX;
}

int64_t openapi_least(const struct field *f)
{
	return f->min || f->max ? f->min : -INT64_MAX;
}

/* As many digits as surely stay within the limits. */
static int safe_digits(int64_t limit)
{
	int n = 0;

	for (int64_t power = 1; n < 18 && power <= limit / 10; power *= 10)
		n++;
	return n ? n : 1;
}

/* The texts of whole numbers: those of as many digits as fit on either side; 1 to 9 alone when fewer would do. */
static json_t *integer_text(const struct field *f)
{
	bool positive = f->kind == FIELD_REFERENCE || openapi_least(f) >= 0;
	int64_t limit = positive || openapi_greatest(f) < -openapi_least(f) ? openapi_greatest(f) : -openapi_least(f);
	const char *first = openapi_least(f) > 0 || f->kind == FIELD_REFERENCE ? "[1-9]" : "[0-9]";
	const char *fraction = f->kind == FIELD_REFERENCE ? "" : "(?:\\.0*)?";
	char pattern[400];

	snprintf(pattern, sizeof(pattern), "^" PAD "%s0*%s[0-9]{0,%d}%s" PAD "$", positive ? "\\+?" : "[+-]?", first,
	         safe_digits(limit) - 1, fraction);
	return text_of_pattern(pattern);
}

static json_t *decimal_text(const struct field *f)
{
	char pattern[400];

	snprintf(pattern, sizeof(pattern), "^" PAD "%s0*[0-9]{1,%d}(?:\\.[0-9]{0,2})?" PAD "$", f->max && f->min >= 0 ? "\\+?" : "[+-]?",
	         f->max ? safe_digits(f->max / 100) : (f->digits ? f->digits : 18) - 2);
	if (!(f->flags & FIELD_NULLABLE))
		return text_of_pattern(pattern);
	return json_pack("{s:[o, o]}", "anyOf", text_of_pattern(pattern), text_of_pattern("^" PAD "$")); /* a blank one is null */
}

static json_t *choices_of(const struct field *f)
{
	json_t *list = json_array();

	for (size_t i = 0; list && f->choices && f->choices[i]; i++)
		json_array_append_new(list, json_string(f->choices[i]));
	if (list && f->flags & FIELD_BLANK)
		json_array_append_new(list, json_string(""));
	return json_pack("{s:s, s:o}", "type", "string", "enum", list);
}

/* "yes", "Yes", "YES" */
static void append_spellings(json_t *list, const char *word)
{
	char text[8];
	size_t n = strlen(word);

	json_array_append_new(list, json_string(word));
	if (str_is_digit(*word))
		return;
	for (size_t capitals = 1; capitals <= n; capitals += n > 1 ? n - 1 : 1) {
		for (size_t i = 0; i <= n; i++)
			text[i] = (char)(i < capitals && word[i] ? word[i] - 'a' + 'A' : word[i]);
		json_array_append_new(list, json_string(text));
	}
}

static json_t *spellings_of_booleans(void)
{
	static const char *const words[] = { "true", "false", "t", "f", "yes", "no", "y", "n", "on", "off", "1", "0" };
	json_t *list = json_array();

	for (size_t i = 0; list && i < N_ELEMENTS(words); i++)
		append_spellings(list, words[i]);
	return json_pack("{s:s, s:o}", "type", "string", "enum", list);
}

json_t *openapi_text_schema(const struct field *f)
{
	if (f->pattern)
		return text_of_pattern(f->pattern);
	switch (f->kind) {
	case FIELD_BOOL:
		return spellings_of_booleans();
	case FIELD_INT:
	case FIELD_REFERENCE:
		return integer_text(f);
	case FIELD_FLOAT:
		return text_of_pattern(NUMBER);
	case FIELD_DECIMAL:
		return decimal_text(f);
	case FIELD_TIME:
		return text_of_pattern(INSTANT);
	case FIELD_DATE:
		return text_of_pattern("^" DAY "$");
	case FIELD_TEXT:
		return free_text(f);
	case FIELD_SLUG:
		return slug_text(f);
	case FIELD_EMAIL:
		return formed_text(f, EMAIL);
	case FIELD_URL:
		return formed_text(f, URL);
	case FIELD_CHOICE:
		return choices_of(f);
	case FIELD_JSON:
		if (!(f->flags & FIELD_NULLABLE))
			return json_pack("{s:s, s:s, s:s, s:{s:s}}", "type", "string", "contentMediaType", "application/json", "pattern",
			                 JSON_TEXT, "not", "pattern", "^[\\t\\n\\r ]*null[\\t\\n\\r ]*$");
		return json_pack("{s:s, s:s, s:s}", "type", "string", "contentMediaType", "application/json", "pattern", JSON_TEXT);
	default:
		return json_false(); /* a text is never that */
	}
}
