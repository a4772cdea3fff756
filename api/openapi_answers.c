/*
 * What an operation answers: the shape of its line, the statuses that http.md 6 gives every route of its kind, and those
 * that api/openapi.def adds. A standard status is a reference to a component; with an alternative it is written out.
 */
#include "api/openapi_impl.h"

#include <stdio.h>

#include "api/answers_impl.h"
#include "api/handlers_impl.h"

static const struct field detail_list[] = { SHAPE("detail", TEXT) };
const struct fields detail_shape = SHAPES(detail_list);
static const struct field error_list[] = { SHAPE("error", TEXT) };
const struct fields error_shape = SHAPES(error_list);

bool openapi_is_of(const struct route *r, enum method method, const char *pattern)
{
	return r->method == method && strcmp(r->pattern, pattern) == 0;
}

static const struct extra {
	enum method method;
	const char *pattern;
	int status;
	struct answer answer;
} extras[] = {
#define SUMMARY(method, pattern, text)
#define ANSWERS(method, pattern, status, out) { METHOD_##method, pattern, status, OUT_##out },
#include "api/openapi.def"
#undef ANSWERS
#undef SUMMARY
};

void openapi_component_name(const char *table, const char *suffix, char ret_name[80])
{
	size_t len = strlen(table), n = 0;
	bool capital = true;

	if (len > 7 && strcmp(table + len - 7, "_fields") == 0)
		len -= 7;
	else if (len > 6 && strcmp(table + len - 6, "_shape") == 0)
		len -= 6;
	for (size_t i = 0; i < len && n < 60; i++) {
		if (table[i] != '_')
			ret_name[n++] = (char)(capital && table[i] >= 'a' && table[i] <= 'z' ? table[i] - 'a' + 'A' : table[i]);
		capital = table[i] == '_';
	}
	snprintf(ret_name + n, 80 - n, "%s", suffix);
}

json_t *openapi_reference(const char *kind, const char *name)
{
	return json_pack("{s:o}", "$ref", json_sprintf("#/components/%s/%s", kind, name));
}

/* A reference to the schema of an answer. */
static json_t *answer_reference(json_t *schemas, const char *table, const struct fields *fields)
{
	char name[80];

	openapi_component_name(table, "", name);
	if (!json_object_get(schemas, name) && json_object_set_new(schemas, name, openapi_answer_schema(fields)) < 0)
		return NULL;
	return openapi_reference("schemas", name);
}

/* JSON here means: without U+0000 in a text, which PostgreSQL cannot store; in names json_in.c replaces it. */
json_t *openapi_common_schemas(void)
{
	static const char text[] =
	        "{\"Detail\":{\"type\":\"object\",\"required\":[\"detail\"],\"properties\":{\"detail\":{\"type\":\"string\"}},"
	        "\"additionalProperties\":false},"
	        "\"Error\":{\"type\":\"object\",\"required\":[\"error\"],\"properties\":{\"error\":{\"type\":\"string\"}},"
	        "\"additionalProperties\":false},"
	        "\"Refusal\":{\"type\":\"object\",\"required\":[\"detail\"],\"properties\":{\"detail\":{\"type\":\"string\"},"
	        "\"code\":{\"type\":\"string\"},\"messages\":{\"type\":\"array\",\"items\":{\"type\":\"object\"}}},"
	        "\"additionalProperties\":false},"
	        "\"AdminRefusal\":{\"type\":\"object\",\"required\":[\"ok\",\"error\"],\"properties\":{\"ok\":{\"const\":false},"
	        "\"error\":{\"type\":\"string\"}},\"additionalProperties\":false},"
	        "\"Failure\":{\"type\":\"object\",\"required\":[\"detail\",\"request_id\"],\"properties\":{\"detail\":{\"type\":\"string\"}"
	        ","
	        "\"request_id\":{\"type\":\"string\"}},\"additionalProperties\":false},"
	        "\"FieldErrors\":{\"type\":\"object\",\"minProperties\":1,"
	        "\"description\":\"Les erreurs de chaque champ ; celles d'une règle sur plusieurs champs sous « non_field_errors ».\","
	        "\"additionalProperties\":{\"anyOf\":["
	        "{\"type\":\"array\",\"items\":{\"type\":\"string\"}},{\"type\":\"array\",\"items\":{\"type\":\"object\"}},"
	        "{\"$ref\":\"#/components/schemas/FieldErrors\"}]}},"
	        "\"JsonValue\":{\"anyOf\":[{\"type\":[\"boolean\",\"number\"]},{\"$ref\":\"#/components/schemas/JsonText\"},"
	        "{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/JsonOrNull\"}},"
	        "{\"type\":\"object\","
	        "\"additionalProperties\":{\"$ref\":\"#/components/schemas/JsonOrNull\"}}]},"
	        "\"JsonOrNull\":{\"anyOf\":[{\"type\":\"null\"},{\"$ref\":\"#/components/schemas/JsonValue\"}]},"
	        "\"JsonText\":{\"type\":\"string\",\"pattern\":\"^[^\\\\x00]*$\"}}";

	return json_loadb(text, sizeof(text) - 1, 0, NULL);
}

/* The statuses that http.md 6 gives routes, each a component. */
static const struct standard {
	int status;
	const char *name, *meaning, *schema;
	bool retry_after;
} standards[] = {
	{ 400, "BadRequest", "Requête mal formée.", "Detail", false },
	{ 401, "AdminTokenRefused", "Le secret d'administration manque ou est faux.", "AdminRefusal", false },
	{ 403, "Forbidden", "Informations d'authentification absentes, fausses ou insuffisantes.", "Refusal", false },
	{ 404, "NotFound", "Introuvable.", "Detail", false },
	{ 406, "NotAcceptable", "L'en-tête « Accept » ne peut être satisfait.", "Detail", false },
	{ 413, "TooLarge", "Corps de requête trop volumineux.", "Detail", false },
	{ 415, "UnsupportedMediaType", "Type de média non pris en charge.", "Detail", false },
	{ 429, "TooManyRequests", "Trop de requêtes.", "Detail", true },
	{ 500, "InternalError", "Erreur interne.", "Failure", false },
	{ 503, "Unavailable", "Service momentanément indisponible.", "Detail", true },
};

static const char *meaning_of(int status)
{
	for (size_t i = 0; i < N_ELEMENTS(standards); i++)
		if (standards[i].status == status && status != 401)
			return standards[i].meaning;
	return status < 300    ? "Succès."
	       : status == 401 ? "Identifiants refusés."
	       : status == 409 ? "Conflit avec l'état actuel."
	                       : "Refus.";
}

static json_t *json_content(json_t *schema)
{
	return json_pack("{s:{s:o}}", "application/json", "schema", schema);
}

json_t *openapi_standard_responses(void)
{
	json_t *responses = json_object();

	for (size_t i = 0; i < N_ELEMENTS(standards); i++) {
		const struct standard *s = &standards[i];
		json_t *response = json_pack("{s:s, s:o}", "description", s->meaning, "content",
		                             json_content(openapi_reference("schemas", s->schema)));

		if (s->retry_after)
			json_object_set_new(response, "headers",
			                    json_pack("{s:{s:b, s:s, s:{s:s, s:i}}}", "Retry-After", "required", 1, "description",
			                              "Secondes à attendre.", "schema", "type", "integer", "minimum", 1));
		if (json_object_set_new(responses, s->name, response) < 0) {
			json_decref(responses);
			return NULL;
		}
	}
	return responses;
}

static json_t *page_schema(json_t *item)
{
	return json_pack("{s:s, s:[s,s,s,s], s:{s:{s:s, s:i}, s:{s:[s,s], s:s}, s:{s:[s,s], s:s}, s:{s:s, s:o}}, s:b}", "type", "object",
	                 "required", "count", "next", "previous", "results", "properties", "count", "type", "integer", "minimum", 0, "next",
	                 "type", "string", "null", "format", "uri", "previous", "type", "string", "null", "format", "uri", "results",
	                 "type", "array", "items", item, "additionalProperties", 0);
}

static json_t *many_schema(json_t *item)
{
	return json_pack("{s:s, s:o}", "type", "array", "items", item);
}

/* The JSON of an answer; not for EMPTY and TEXT. */
static json_t *answer_schema(json_t *schemas, const struct answer *a)
{
	switch (a->shape) {
	case ANSWER_OBJECT:
		return answer_reference(schemas, a->name, a->fields);
	case ANSWER_MANY:
		return many_schema(answer_reference(schemas, a->name, a->fields));
	case ANSWER_PAGE:
		return page_schema(answer_reference(schemas, a->name, a->fields));
	case ANSWER_MANY_OR_PAGE:
		return json_pack("{s:[o, o]}", "anyOf", many_schema(answer_reference(schemas, a->name, a->fields)),
		                 page_schema(answer_reference(schemas, a->name, a->fields)));
	default:
		return json_object();
	}
}

/* Another media type beside those that are there. */
static int add_text_content(json_t *response, const char *media_type)
{
	json_t *media = strncmp(media_type, "text/", 5) == 0 ? json_pack("{s:{s:s}}", "schema", "type", "string") : json_object();
	json_t *content = json_object_get(response, "content");

	if (content)
		return json_object_set_new(content, media_type, media);
	return json_object_set_new(response, "content", json_pack("{s:o}", media_type, media));
}

/* Adds one shape to what a status answers: the first one as it is, more as alternatives. */
static int add_answer(json_t *responses, json_t *schemas, int status, const struct answer *a)
{
	char key[8];
	json_t *response, *schema, *have;

	snprintf(key, sizeof(key), "%d", status);
	response = json_object_get(responses, key);
	if (!response) {
		response = json_pack("{s:s}", "description", meaning_of(status));
		if (json_object_set_new(responses, key, response) < 0)
			return -1;
	}
	if (a->shape == ANSWER_EMPTY)
		return 0;
	if (a->shape == ANSWER_TEXT)
		return add_text_content(response, a->media_type);
	schema = answer_schema(schemas, a);
	have = json_object_get(json_object_get(json_object_get(response, "content"), "application/json"), "schema");
	if (have && json_object_get(have, "anyOf") && json_object_size(have) == 1)
		return json_array_append_new(json_object_get(have, "anyOf"), schema);
	if (have)
		schema = json_pack("{s:[O, o]}", "anyOf", have, schema);
	return json_object_set_new(response, "content", json_content(schema));
}

/* Whether the status is one that http.md gives the route. */
static bool applies(const struct route *r, unsigned traits, int status)
{
	bool is_api = !(traits & (TRAIT_PLAIN | TRAIT_PROBE));

	switch (status) {
	case 400: /* the host, the path, the query, the body */
	case 500:
	case 503:
		return true;
	case 401:
		return r->access == ACCESS_ADMIN_TOKEN;
	case 403:
		return is_api && !(traits & TRAIT_NO_CREDENTIALS) && r->access != ACCESS_ADMIN_TOKEN;
	case 404:
		return strchr(r->pattern, '{') || r->out.shape == ANSWER_PAGE || r->out.shape == ANSWER_MANY_OR_PAGE;
	case 413:
		return r->method != METHOD_GET;
	case 415:
		return r->in->n; /* what reads no body does not mind its type */
	default:
		return is_api;
	}
}

/* Another shape of a status that is a component: then it is written out. */
static bool has_extra(const struct route *r, int status)
{
	for (size_t i = 0; i < N_ELEMENTS(extras); i++)
		if (openapi_is_of(r, extras[i].method, extras[i].pattern) && extras[i].status == status)
			return true;
	return status == 400 && (r->in->n || r->query->n);
}

static int add_standard(json_t *responses, json_t *schemas, const struct route *r, const struct standard *s)
{
	static const struct answer detail = OUT_DETAIL;
	char key[8];
	json_t *response;
	int result;

	snprintf(key, sizeof(key), "%d", s->status);
	if (!has_extra(r, s->status))
		return json_object_set_new(responses, key, openapi_reference("responses", s->name));
	result = add_answer(responses, schemas, s->status, &detail);
	response = json_object_get(responses, key);
	if (s->status != 400)
		return result + json_object_set_new(response, "content", json_content(openapi_reference("schemas", s->schema)));
	if (!r->in->n && !r->query->n)
		return result;
	return json_object_set_new(response, "content",
	                           json_content(json_pack("{s:[o, o]}", "anyOf", openapi_reference("schemas", "Detail"),
	                                                  openapi_reference("schemas", "FieldErrors"))));
}

json_t *openapi_responses(json_t *schemas, const struct route *r, unsigned traits)
{
	json_t *responses = json_object();
	int result = add_answer(responses, schemas, r->out.status, &r->out);

	if (r->cached)
		result += json_object_set_new(responses, "304", json_pack("{s:s}", "description", "Inchangé depuis l'ETag donné."));
	for (size_t i = 0; i < N_ELEMENTS(standards); i++)
		if (applies(r, traits, standards[i].status))
			result += add_standard(responses, schemas, r, &standards[i]);
	for (size_t i = 0; i < N_ELEMENTS(extras); i++)
		if (openapi_is_of(r, extras[i].method, extras[i].pattern))
			result += add_answer(responses, schemas, extras[i].status, &extras[i].answer);
	if (result == 0)
		return responses;
	json_decref(responses);
	return NULL;
}
