#include "api/fields.h"

#include "base/clock.h"

#define MEDIA_PREFIX "/media/"

static bool is_path_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("/~!*()'-._", c);
}

void fields_write_file(struct buf *b, struct str path, struct str origin)
{
	if (!path.len) {
		buf_add_text(b, "null");
		return;
	}
	buf_add_char(b, '"');
	buf_add_str(b, origin);
	buf_add_text(b, MEDIA_PREFIX);
	for (size_t i = 0; i < path.len; i++) {
		unsigned char c = path.s[i] == '\\' ? '/' : (unsigned char)path.s[i];

		if (c && is_path_char(c))
			buf_add_char(b, (char)c);
		else
			buf_addf(b, "%%%02X", c);
	}
	buf_add_char(b, '"');
}

/* An instant as its day alone. */
static void write_date(struct buf *b, struct instant t)
{
	char text[CLOCK_ISO_SIZE];

	if (t.us == NULL_TIME.us) {
		buf_add_text(b, "null");
		return;
	}
	clock_format_iso(t, text);
	buf_addf(b, "\"%.10s\"", text);
}

/* A row that a left join did not find: it has no id. */
static bool is_nobody(const struct field *f, const void *row)
{
	const struct field *id = f->of->list;

	return (f->flags & FIELD_NULLABLE) && id->kind == FIELD_INT &&
	       *(const int64_t *)(const void *)((const char *)row + id->offset) == NULL_INT;
}

static void write_value(struct buf *b, const struct field *f, const void *row, struct str origin)
{
	const void *p = (const char *)row + f->offset;

	switch (f->kind) {
	case FIELD_BOOL:
		json_add_bool(b, *(const bool *)p);
		break;
	case FIELD_INT:
	case FIELD_REFERENCE:
		json_add_int(b, *(const int64_t *)p);
		break;
	case FIELD_FLOAT:
		json_add_float(b, *(const double *)p);
		break;
	case FIELD_DECIMAL:
		json_add_decimal(b, *(const struct decimal *)p);
		break;
	case FIELD_TIME:
		json_add_time(b, *(const struct instant *)p);
		break;
	case FIELD_DATE:
		write_date(b, *(const struct instant *)p);
		break;
	case FIELD_TEXT:
	case FIELD_SLUG:
	case FIELD_CHOICE:
	case FIELD_EMAIL:
	case FIELD_URL:
		json_add_str(b, *(const struct str *)p);
		break;
	case FIELD_FILE:
		fields_write_file(b, *(const struct str *)p, origin);
		break;
	case FIELD_JSON:
		json_add_json(b, *(const struct json_text *)p);
		break;
	case FIELD_ROWS:
		fields_write_rows(b, f->of, p, origin);
		break;
	case FIELD_OBJECT:
		if (is_nobody(f, p))
			buf_add_text(b, "null");
		else
			fields_write(b, f->of, p, origin);
		break;
	case FIELD_LITERAL:
		buf_add_text(b, f->literal);
		break;
	case FIELD_REFERENCES:
	case FIELD_LIST:
	case FIELD_MAP:
		break; /* only ever read, or described */
	}
}

void fields_write(struct buf *b, const struct fields *fields, const void *row, struct str origin)
{
	buf_add_char(b, '{');
	for (size_t i = 0; i < fields->n; i++) {
		if (i)
			buf_add_char(b, ',');
		json_add_key(b, fields->list[i].name);
		write_value(b, &fields->list[i], row, origin);
	}
	buf_add_char(b, '}');
}

void fields_write_rows(struct buf *b, const struct fields *fields, const struct db_rows *rows, struct str origin)
{
	buf_add_char(b, '[');
	for (size_t i = 0; i < rows->n; i++) {
		if (i)
			buf_add_char(b, ',');
		fields_write(b, fields, (const char *)rows->items + i * fields->size, origin);
	}
	buf_add_char(b, ']');
}
