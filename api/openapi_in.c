/*
 * What a body or a query may hold, as JSON Schema: neither more nor less than the readers of api/fields_in*.c take, as far
 * as a schema can say it. So a number may be a text, white space round a text does not count, and a boolean has many
 * spellings. What no schema can say: that an id exists, that rules over several fields hold.
 */
#include "api/form_in.h"
#include "api/json_in.h"
#include "api/openapi_impl.h"

/* Another way to say the same value, after the first. */
static int append(json_t *alternatives, json_t *schema)
{
	return json_array_append_new(alternatives, schema);
}

static json_t *decimal_number(const struct field *f)
{
	int whole = (f->digits ? f->digits : 18) - 2;
	double limit = 1;

	while (whole-- > 0 && limit < 1e15) /* beyond, a double has no hundredths */
		limit *= 10;
	return json_pack("{s:s, s:f, s:f, s:f}", "type", "number", "multipleOf", 0.01, "minimum",
	                 f->max ? (double)f->min / 100 : -limit + 1, "maximum", f->max ? (double)f->max / 100 : limit - 1);
}

/* The numbers that a text field takes, as their text: where the limit is short, whole ones that surely fit. */
static json_t *number_as_text(const struct field *f)
{
	int64_t limit = 1;

	if (!f->max_chars || f->max_chars >= 40)
		return json_pack("{s:s}", "type", "number");
	for (uint32_t i = 2; i < f->max_chars && i < 17; i++)
		limit *= 10;
	return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)-limit, "maximum", (json_int_t)limit);
}

/* How the value may be written in JSON besides as a text. */
static int append_json_values(json_t *list, const struct field *f)
{
	switch (f->kind) {
	case FIELD_BOOL:
		return append(list, json_pack("{s:s}", "type", "boolean")) + append(list, json_pack("{s:[i,i]}", "enum", 0, 1));
	case FIELD_INT:
		return append(list, json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)openapi_least(f), "maximum",
		                              (json_int_t)openapi_greatest(f)));
	case FIELD_REFERENCE:
		return append(list, json_pack("{s:s, s:i}", "type", "integer", "minimum", 1));
	case FIELD_FLOAT:
		return append(list, json_pack("{s:s}", "type", "number"));
	case FIELD_DECIMAL:
		return append(list, decimal_number(f));
	case FIELD_TEXT:
		return f->pattern ? 0 : append(list, number_as_text(f));
	case FIELD_SLUG:
		return append(list, json_pack("{s:s}", "type", "integer"));
	default:
		return 0;
	}
}

static json_t *object_schema(const struct fields *fields, enum openapi_carrier carrier, bool partial);

static json_t *list_schema(const struct field *f)
{
	json_t *schema = json_pack("{s:s, s:o, s:I}", "type", "array", "items", object_schema(f->of, CARRIER_JSON, false), "minItems",
	                           (json_int_t)f->min);

	if (f->max && json_object_set_new(schema, "maxItems", json_integer(f->max)) < 0) {
		json_decref(schema);
		return NULL;
	}
	return schema;
}

/* Any JSON but null, and without U+0000 in a text or a name: openapi.c has the two schemas. */
static json_t *any_json(void)
{
	return json_pack("{s:s}", "$ref", "#/components/schemas/JsonValue");
}

static json_t *each_schema(const struct field *f);

/* What REFERENCES holds. */
static const struct field one_reference = { .kind = FIELD_REFERENCE };

static json_t *ids_schema(json_t *items, int64_t most)
{
	return json_pack("{s:s, s:o, s:I}", "type", "array", "items", items, "maxItems", (json_int_t)most);
}

/* The most that one field may have of the fields of a form: the others need some. */
static int64_t most_of_form(const struct field *f)
{
	return f->max && f->max < FORM_MAX_FIELDS / 2 ? f->max : FORM_MAX_FIELDS / 2;
}

/* The one schema for a value that is no text. */
static json_t *structure_schema(const struct field *f)
{
	switch (f->kind) {
	case FIELD_JSON:
		return any_json();
	case FIELD_ROWS:
		return list_schema(f);
	case FIELD_REFERENCES:
		return ids_schema(each_schema(&one_reference), f->max ? f->max : JSON_MAX_VALUES);
	case FIELD_OBJECT:
		return object_schema(f->of, CARRIER_JSON, false);
	case FIELD_LIST:
		return json_pack("{s:s, s:o}", "type", "array", "items", each_schema(f->each));
	case FIELD_MAP:
		return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", each_schema(f->each));
	default: /* FILE: a link is no upload */
		return NULL;
	}
}

static bool is_structure(enum field_kind kind)
{
	return kind == FIELD_JSON || kind == FIELD_ROWS || kind == FIELD_REFERENCES || kind == FIELD_OBJECT || kind == FIELD_LIST ||
	       kind == FIELD_MAP || kind == FIELD_FILE;
}

static bool takes_null(const struct field *f)
{
	return f->flags & FIELD_NULLABLE && ((f->kind != FIELD_BOOL && f->kind != FIELD_OBJECT) || f->by_hand);
}

/* {"anyOf": list}, or the only one; takes the list. */
static json_t *any_of(json_t *list)
{
	json_t *only = json_array_size(list) == 1 ? json_incref(json_array_get(list, 0)) : NULL;

	if (json_array_size(list) == 0) {
		json_decref(list);
		return json_false();
	}
	if (!only)
		return json_pack("{s:o}", "anyOf", list);
	json_decref(list);
	return only;
}

static json_t *json_value_schema(const struct field *f)
{
	json_t *list = json_array(), *structure;
	int r = 0;

	if (f->schema) {
		r = append(list, json_loads(f->schema, JSON_DECODE_ANY, NULL));
		if (f->pattern && !is_structure(f->kind))
			r += append(list, openapi_text_schema(f));
	} else if (is_structure(f->kind)) {
		structure = structure_schema(f);
		if (structure)
			r = append(list, structure);
	} else {
		r = append(list, openapi_text_schema(f)) + append_json_values(list, f);
	}
	if (takes_null(f))
		r += append(list, json_pack("{s:s}", "type", "null"));
	if (f->kind == FIELD_REFERENCE && takes_null(f))
		r += append(list, json_pack("{s:s}", "const", ""));
	if (r < 0) {
		json_decref(list);
		return NULL;
	}
	return any_of(list);
}

static json_t *each_schema(const struct field *f)
{
	return json_value_schema(f);
}

/* In a form an empty text is no value, where there need not be one, or null; but it is no JSON. */
static json_t *form_value_schema(const struct field *f, enum openapi_carrier carrier)
{
	bool may_be_empty =
	        !f->by_hand && f->kind != FIELD_JSON && !(f->flags & FIELD_BLANK) && (takes_null(f) || !(f->flags & FIELD_REQUIRED));
	json_t *schema;

	if (f->kind == FIELD_FILE && carrier == CARRIER_MULTIPART)
		schema = json_pack("{s:s, s:s}", "type", "string", "format", "binary");
	else if (f->kind == FIELD_REFERENCES)
		schema = ids_schema(openapi_text_schema(&one_reference), most_of_form(f));
	else if (f->kind == FIELD_LIST)
		schema = json_pack("{s:s, s:o}", "type", "array", "items", openapi_text_schema(f->each));
	else
		schema = openapi_text_schema(f);
	if (!may_be_empty || f->kind == FIELD_LIST || f->kind == FIELD_REFERENCES ||
	    (f->kind == FIELD_FILE && carrier == CARRIER_MULTIPART))
		return schema;
	if (json_is_false(schema))
		return json_pack("{s:s}", "const", "");
	return json_pack("{s:[o, {s:s}]}", "anyOf", schema, "const", "");
}

/* With its meaning, and whether it is ignored in the body of somebody who is no staff. */
static json_t *described(json_t *schema, const struct field *f)
{
	int r = 0;

	if (!json_is_object(schema) || (!f->meaning && !(f->flags & FIELD_STAFF)))
		return schema;
	if (f->meaning)
		r += json_object_set_new(schema, "description", json_string(f->meaning));
	if (f->flags & FIELD_STAFF)
		r += json_object_set_new(schema, "x-staff-only", json_true());
	if (r == 0)
		return schema;
	json_decref(schema);
	return NULL;
}

static json_t *object_schema(const struct fields *fields, enum openapi_carrier carrier, bool partial)
{
	json_t *properties = json_object(), *required = json_array();
	int r = 0;

	for (size_t i = 0; i < fields->n; i++) {
		const struct field *f = &fields->list[i];
		json_t *schema;

		if (f->flags & FIELD_READ_ONLY || f->kind == FIELD_LITERAL)
			continue;
		schema = carrier == CARRIER_JSON ? json_value_schema(f) : form_value_schema(f, carrier);
		r += json_object_set_new(properties, f->name, described(schema, f));
		if (f->flags & FIELD_REQUIRED && !partial)
			r += json_array_append_new(required, json_string(f->name));
	}
	if (r < 0) {
		json_decref(properties);
		properties = NULL;
	}
	if (json_array_size(required))
		return json_pack("{s:s, s:o, s:o}", "type", "object", "required", required, "properties", properties);
	json_decref(required);
	return json_pack("{s:s, s:o}", "type", "object", "properties", properties);
}

json_t *openapi_body_schema(const struct fields *fields, enum openapi_carrier carrier, bool partial)
{
	return object_schema(fields, carrier, partial);
}

bool openapi_fits_form(const struct fields *fields)
{
	for (size_t i = 0; i < fields->n; i++) {
		const struct field *f = &fields->list[i];

		if (f->flags & FIELD_REQUIRED && (f->kind == FIELD_ROWS || f->kind == FIELD_OBJECT || f->kind == FIELD_MAP))
			return false;
	}
	return true;
}

bool openapi_takes_files(const struct fields *fields)
{
	for (size_t i = 0; i < fields->n; i++)
		if (fields->list[i].kind == FIELD_FILE && !(fields->list[i].flags & FIELD_READ_ONLY))
			return true;
	return false;
}

/* A text that a handler looks for as it is: whatever a query can hold. */
static json_t *verbatim_text(const struct field *f)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", f->flags & FIELD_REQUIRED ? "^[^\\x00]+$" : "^[^\\x00]*$");
}

json_t *openapi_parameter_schema(const struct field *f)
{
	bool may_be_empty = !f->by_hand && !(f->flags & (FIELD_BLANK | FIELD_REQUIRED));
	json_t *list;

	if (f->kind == FIELD_TEXT && f->by_hand && !f->pattern)
		return described(verbatim_text(f), f);
	list = json_array();
	if (f->kind == FIELD_INT || f->kind == FIELD_FLOAT)
		append_json_values(list, f);
	if (append(list, openapi_text_schema(f)) < 0 || (may_be_empty && append(list, json_pack("{s:s}", "const", "")) < 0)) {
		json_decref(list);
		return NULL;
	}
	return described(any_of(list), f);
}
