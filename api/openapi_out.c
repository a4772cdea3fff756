/* What an answer holds, as JSON Schema: what api/fields_out.c writes, or the SHAPE of what a handler writes by hand. */
#include "api/openapi_impl.h"

static json_t *value_schema(const struct field *f);

static json_t *text_schema(const char *format)
{
	return format ? json_pack("{s:s, s:s}", "type", "string", "format", format) : json_pack("{s:s}", "type", "string");
}

static json_t *choice_schema(const struct field *f)
{
	json_t *list = json_array();

	for (size_t i = 0; f->choices[i]; i++)
		json_array_append_new(list, json_string(f->choices[i]));
	if (f->flags & FIELD_BLANK)
		json_array_append_new(list, json_string(""));
	return json_pack("{s:s, s:o}", "type", "string", "enum", list);
}

static json_t *plain_schema(const struct field *f)
{
	switch (f->kind) {
	case FIELD_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case FIELD_INT:
	case FIELD_REFERENCE:
		return json_pack("{s:s}", "type", "integer");
	case FIELD_FLOAT:
		return json_pack("{s:s}", "type", "number");
	case FIELD_DECIMAL:
		return json_pack("{s:s, s:s}", "type", "string", "pattern", "^-?[0-9]+\\.[0-9]{2}$");
	case FIELD_TIME:
		return text_schema("date-time");
	case FIELD_DATE:
		return text_schema("date");
	case FIELD_CHOICE:
		return f->choices ? choice_schema(f) : text_schema(NULL);
	case FIELD_FILE:
		return text_schema("uri");
	case FIELD_TEXT:
	case FIELD_SLUG:
	case FIELD_EMAIL:
	case FIELD_URL:
		return text_schema(NULL); /* stored rows may be older than the rules for new ones */
	case FIELD_JSON:
		return json_object(); /* any */
	case FIELD_ROWS:
		return json_pack("{s:s, s:o}", "type", "array", "items", openapi_answer_schema(f->of));
	case FIELD_OBJECT:
		return openapi_answer_schema(f->of);
	case FIELD_LITERAL:
		return json_pack("{s:o}", "const", json_loads(f->literal, JSON_DECODE_ANY, NULL));
	case FIELD_REFERENCES:
		return json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "integer");
	case FIELD_LIST:
		return json_pack("{s:s, s:o}", "type", "array", "items", value_schema(f->each));
	case FIELD_MAP:
		return json_pack("{s:s, s:o}", "type", "object", "additionalProperties", value_schema(f->each));
	}
	return NULL;
}

static bool may_be_null(const struct field *f)
{
	return f->kind == FIELD_FILE || (f->flags & FIELD_NULLABLE && f->kind != FIELD_JSON);
}

/* "type": [type, "null"]; an enumeration names null too. */
static int add_null(json_t *schema)
{
	json_t *list = json_object_get(schema, "enum"), *type = json_object_get(schema, "type");

	if (list && json_array_append_new(list, json_null()) < 0)
		return -1;
	return json_object_set_new(schema, "type", json_pack("[O, s]", type, "null"));
}

static json_t *value_schema(const struct field *f)
{
	json_t *schema = plain_schema(f);
	int r = schema ? 0 : -1;

	if (r == 0 && may_be_null(f))
		r = add_null(schema);
	if (r == 0 && f->meaning)
		r = json_object_set_new(schema, "description", json_string(f->meaning));
	if (r == 0)
		return schema;
	json_decref(schema);
	return NULL;
}

json_t *openapi_answer_schema(const struct fields *fields)
{
	json_t *properties = json_object(), *required = json_array();
	int r = 0;

	for (size_t i = 0; i < fields->n; i++) {
		const struct field *f = &fields->list[i];

		r += json_object_set_new(properties, f->name, value_schema(f));
		if (!(f->flags & FIELD_OPTIONAL))
			r += json_array_append_new(required, json_string(f->name));
	}
	if (r < 0) {
		json_decref(properties);
		properties = NULL;
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "required", required, "properties", properties, "additionalProperties",
	                 0);
}
