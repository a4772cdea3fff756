#include "api/csv.h"

#include <inttypes.h>
#include <jansson.h>

#include "base/clock.h"

static bool is_formula(struct str text)
{
	return text.len && memchr("=+-@\t\r", text.s[0], 6);
}

static bool needs_quotes(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (memchr(",\"\r\n", text.s[i], 4))
			return true;
	return false;
}

static void add_text(struct buf *b, struct str text)
{
	bool quoted = needs_quotes(text);

	if (quoted)
		buf_add_char(b, '"');
	if (is_formula(text))
		buf_add_char(b, '\'');
	for (size_t i = 0; i < text.len; i++) {
		if (text.s[i] == '"')
			buf_add_char(b, '"');
		buf_add_char(b, text.s[i]);
	}
	if (quoted)
		buf_add_char(b, '"');
}

static void add_int(struct buf *b, int64_t value)
{
	if (value != NULL_INT)
		buf_addf(b, "%" PRId64, value);
}

static void add_time(struct buf *b, struct instant t)
{
	char text[CLOCK_ISO_SIZE];

	if (t.us != NULL_TIME.us)
		buf_add(b, text, clock_format_iso(t, text));
}

/* The texts of a JSON list, joined by commas. */
static void add_list(struct buf *b, struct json_text json)
{
	struct buf joined CLEANUP(buf_finish) = BUF_EMPTY;
	json_t *list CLEANUP(json_decrefp) = json_loadb(json.text.s ? json.text.s : "", json.text.len, JSON_ALLOW_NUL, NULL);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);

		if (i)
			buf_add_char(&joined, ',');
		buf_add(&joined, json_string_value(item), json_string_length(item));
	}
	add_text(b, buf_view(&joined));
	b->failed |= joined.failed;
}

static void add_value(struct buf *b, const struct field *f, const void *member)
{
	switch (f->kind) {
	case FIELD_INT:
	case FIELD_REFERENCE:
		add_int(b, *(const int64_t *)member);
		break;
	case FIELD_TIME:
		add_time(b, *(const struct instant *)member);
		break;
	case FIELD_TEXT:
	case FIELD_SLUG:
	case FIELD_CHOICE:
	case FIELD_EMAIL:
	case FIELD_URL:
		add_text(b, *(const struct str *)member);
		break;
	case FIELD_JSON:
		add_list(b, *(const struct json_text *)member);
		break;
	default:
		break;
	}
}

void csv_add_names(struct buf *b, const struct fields *fields)
{
	for (size_t i = 0; i < fields->n; i++) {
		if (i)
			buf_add_char(b, ',');
		add_text(b, str_of(fields->list[i].name));
	}
	buf_add_text(b, "\r\n");
}

void csv_add_row(struct buf *b, const struct fields *fields, const void *row)
{
	for (size_t i = 0; i < fields->n; i++) {
		if (i)
			buf_add_char(b, ',');
		add_value(b, &fields->list[i], (const char *)row + fields->list[i].offset);
	}
	buf_add_text(b, "\r\n");
}
