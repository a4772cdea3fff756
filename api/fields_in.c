/*
 * One walk over a table. Each field is looked up in the body, a null is settled here, and anything else goes to the
 * reader of its kind; what a reader refuses becomes a member of the errors. Objects and lists of objects within a body
 * are the same walk again, with a refusal of their own.
 */
#include "api/fields_in_impl.h"

#include <stdio.h>

#include "api/json_in.h"

#define NOT_AN_OBJECT "{\"non_field_errors\":[\"Données non valides : un objet était attendu.\"]}"

bool refuse(struct reading *r, const char *format, ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (r->refusal.len)
		r->refusal.data[r->refusal.len - 1] = ','; /* the bracket that closed the list */
	else
		buf_add_char(&r->refusal, '[');
	json_add_text(&r->refusal, text);
	buf_add_char(&r->refusal, ']');
	return false;
}

bool give_up(struct reading *r, int error)
{
	r->error = error;
	return false;
}

static const kind_reader readers[] = {
	[FIELD_BOOL] = read_bool,           [FIELD_INT] = read_int,
	[FIELD_FLOAT] = read_float,         [FIELD_DECIMAL] = read_decimal,
	[FIELD_TIME] = read_time,           [FIELD_DATE] = read_date,
	[FIELD_TEXT] = read_text,           [FIELD_SLUG] = read_slug,
	[FIELD_JSON] = read_json,           [FIELD_CHOICE] = read_choice,
	[FIELD_EMAIL] = read_email,         [FIELD_URL] = read_url,
	[FIELD_FILE] = read_file,           [FIELD_ROWS] = read_rows,
	[FIELD_REFERENCE] = read_reference, [FIELD_REFERENCES] = read_references,
	[FIELD_OBJECT] = read_object,
};

static void store_null(const struct field *f, void *member)
{
	switch (f->kind) {
	case FIELD_INT:
	case FIELD_REFERENCE:
		*(int64_t *)member = NULL_INT;
		break;
	case FIELD_FLOAT:
		*(double *)member = NULL_FLOAT;
		break;
	case FIELD_DECIMAL:
		*(struct decimal *)member = NULL_DECIMAL;
		break;
	case FIELD_TIME:
	case FIELD_DATE:
		*(struct instant *)member = NULL_TIME;
		break;
	case FIELD_ROWS:
	case FIELD_REFERENCES:
		*(struct db_rows *)member = (struct db_rows){ NULL, 0 };
		break;
	case FIELD_JSON:
		*(struct json_text *)member = (struct json_text){ { NULL, 0 } };
		break;
	case FIELD_TEXT:
	case FIELD_SLUG:
	case FIELD_CHOICE:
	case FIELD_EMAIL:
	case FIELD_URL:
	case FIELD_FILE:
		*(struct str *)member = (struct str){ NULL, 0 };
		break;
	case FIELD_BOOL:
	case FIELD_OBJECT:
	case FIELD_LITERAL:
	case FIELD_LIST:
	case FIELD_MAP:
		break; /* they have no null: has_null */
	}
}

static bool has_null(const struct field *f)
{
	return f->flags & FIELD_NULLABLE && f->kind != FIELD_BOOL && f->kind != FIELD_OBJECT;
}

/* Null, and what counts as null: an empty text for a reference, a blank one for a decimal that may be null. */
static bool is_null(const struct field *f, const json_t *value)
{
	struct str text = { json_string_value(value), json_string_length(value) };

	if (!text.s)
		return json_is_null(value);
	if (f->kind == FIELD_DECIMAL)
		return has_null(f) && str_trim_unicode(text).len == 0;
	return f->kind == FIELD_REFERENCE && text.len == 0;
}

/* What a field's own rule has to say, a line each. */
static bool refuse_lines(struct reading *r, struct str lines)
{
	struct str line;
	char separator = '[';

	while (str_split(&lines, '\n', &line)) {
		buf_add_char(&r->refusal, separator);
		json_add_str(&r->refusal, line);
		separator = ',';
	}
	buf_add_char(&r->refusal, ']');
	return false;
}

static bool read_given(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	const char *message;
	int error = 0;

	if (!readers[f->kind](r, f, value, member))
		return false;
	message = f->check ? f->check(r->in, member, &error) : NULL;
	if (error < 0)
		return give_up(r, error);
	return !message || refuse_lines(r, str_of(message));
}

static bool read_value(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	if (f->kind != FIELD_FILE && body_upload(r->in->body, value))
		return refuse(r, "Ce champ n'accepte pas de fichier.");
	if (!is_null(f, value))
		return read_given(r, f, value, member);
	if (!has_null(f))
		return refuse(r, "Ce champ ne peut être nul.");
	store_null(f, member);
	return true;
}

/*
 * A form has no null and no false: an empty text and an absent name stand for them (http.md 4). Where the text is JSON
 * itself, "null" does, and an empty one is read like any other.
 */
static const json_t *form_value(const struct reading *r, const struct field *f, const json_t *body)
{
	const json_t *list = json_object_get(body, f->name);
	const json_t *last = json_array_get(list, json_array_size(list) - 1);
	bool empty = json_is_string(last) && json_string_length(last) == 0;

	if (!list)
		return f->kind == FIELD_BOOL && !r->in->partial ? json_false() : NULL;
	if (f->kind == FIELD_REFERENCES)
		return list;
	if (!empty || f->flags & FIELD_BLANK || f->kind == FIELD_JSON)
		return last;
	if (has_null(f))
		return json_null();
	return f->flags & FIELD_REQUIRED ? last : NULL;
}

static const json_t *find_value(const struct reading *r, const struct field *f, const json_t *body)
{
	return r->in->body->is_form ? form_value(r, f, body) : json_object_get(body, f->name);
}

/* Reads the field; false when it is absent and may be. */
static bool read_field(struct reading *r, const struct field *f, const json_t *body, void *row)
{
	const json_t *value = find_value(r, f, body);

	if (value)
		read_value(r, f, value, (char *)row + f->offset);
	else if (f->flags & FIELD_REQUIRED && !r->in->partial)
		refuse(r, "Ce champ est obligatoire.");
	return value != NULL;
}

/* Appends "name":refusal to the object of errors, which is left open. */
static void add_refusal(struct buf *errors, const struct field *f, struct buf *refusal)
{
	buf_add_char(errors, errors->len ? ',' : '{');
	json_add_key(errors, f->name);
	buf_add_str(errors, buf_view(refusal));
	errors->failed |= refusal->failed;
	buf_clear(refusal);
}

/* Reads an object into a row; *ret_errors stays empty, or gets the object of errors. */
static int read_members(const struct fields *fields, const struct fields_input *in, const json_t *body, void *row, struct buf *ret_errors,
                        uint64_t *ret_present)
{
	struct reading r = { .in = in, .refusal = BUF_EMPTY };
	uint64_t present = 0;

	for (size_t i = 0; i < fields->n && r.error == 0; i++) {
		const struct field *f = &fields->list[i];

		if (f->flags & FIELD_READ_ONLY || (f->flags & FIELD_STAFF && !in->staff) || f->by_hand || f->kind == FIELD_LITERAL)
			continue;
		if (read_field(&r, f, body, row))
			present |= UINT64_C(1) << i;
		if (r.refusal.len || r.refusal.failed)
			add_refusal(ret_errors, f, &r.refusal);
	}
	buf_finish(&r.refusal);
	if (ret_errors->len)
		buf_add_char(ret_errors, '}');
	if (r.error == 0 && ret_errors->failed)
		r.error = ERR_NOMEM;
	if (r.error == 0 && ret_errors->len)
		r.error = ERR_INVALID;
	if (r.error == 0 && ret_present)
		*ret_present = present;
	return r.error;
}

/* As read_members for any value: what is no object is refused as a whole. */
static int read_any(const struct fields *fields, const struct fields_input *in, const json_t *value, void *row, struct buf *ret_errors,
                    uint64_t *ret_present)
{
	if (json_is_object(value))
		return read_members(fields, in, value, row, ret_errors, ret_present);
	buf_add_text(ret_errors, NOT_AN_OBJECT);
	return ret_errors->failed ? ERR_NOMEM : ERR_INVALID;
}

int fields_read(const struct fields *fields, const struct fields_input *in, void *row, struct buf *ret_errors, uint64_t *ret_present)
{
	json_t *empty CLEANUP(json_decrefp) = NULL;

	buf_clear(ret_errors);
	if (in->body->root)
		return read_any(fields, in, in->body->root, row, ret_errors, ret_present);
	empty = json_object();
	return empty ? read_any(fields, in, empty, row, ret_errors, ret_present) : ERR_NOMEM;
}

bool read_object(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	int error = read_any(f->of, r->in, value, member, &r->refusal, NULL);

	return error == 0 || error == ERR_INVALID ? error == 0 : give_up(r, error);
}

/*
 * The elements one by one; the errors of all are a list of objects, {} for those that are fine. A list replaces what was
 * there, so that its elements are whole even in a partial body.
 */
static bool read_elements(struct reading *r, const struct field *f, const json_t *list, char *items)
{
	struct fields_input whole = *r->in;
	struct buf one CLEANUP(buf_finish) = BUF_EMPTY;
	struct buf all CLEANUP(buf_finish) = BUF_EMPTY;
	size_t n = json_array_size(list);
	bool fine = true;

	whole.partial = false;
	for (size_t i = 0; i < n; i++) {
		int error = read_any(f->of, &whole, json_array_get(list, i), items + i * f->of->size, &one, NULL);

		if (error < 0 && error != ERR_INVALID)
			return give_up(r, error);
		fine = fine && error == 0;
		buf_add_char(&all, i ? ',' : '[');
		buf_add_text(&all, one.len ? one.data : "{}");
		buf_clear(&one);
	}
	if (fine)
		return true;
	buf_add_str(&r->refusal, buf_view(&all));
	buf_add_char(&r->refusal, ']');
	r->refusal.failed |= all.failed;
	return false;
}

bool read_rows(struct reading *r, const struct field *f, const json_t *value, void *member)
{
	struct db_rows rows = { .n = json_array_size(value) };

	if (!json_is_array(value) || r->in->body->is_form)
		return refuse(r, "Une liste était attendue.");
	if ((int64_t)rows.n < f->min)
		return refuse(r, "Cette liste doit compter au moins %lld éléments.", (long long)f->min);
	if (f->max && (int64_t)rows.n > f->max)
		return refuse(r, "Cette liste ne peut compter plus de %lld éléments.", (long long)f->max);
	rows.items = arena_zalloc(r->in->arena, rows.n * f->of->size + 1);
	if (!rows.items)
		return give_up(r, ERR_NOMEM);
	if (!read_elements(r, f, value, rows.items))
		return false;
	*(struct db_rows *)member = rows;
	return true;
}

void fields_merge(const struct fields *fields, uint64_t present, void *to, const void *from)
{
	static const size_t sizes[] = {
#define X(name, type) [FIELD_##name] = sizeof(type),
		FIELD_KINDS(X)
#undef X
	};

	for (size_t i = 0; i < fields->n; i++) {
		const struct field *f = &fields->list[i];

		if (present & UINT64_C(1) << i)
			memcpy((char *)to + f->offset, (const char *)from + f->offset,
			       f->kind == FIELD_OBJECT ? f->of->size : sizes[f->kind]);
	}
}
