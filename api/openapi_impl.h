/*
 * The parts of the OpenAPI document, which openapi.c puts together: JSON Schemas of field tables (openapi_in.c with
 * openapi_text.c, openapi_out.c), and what operations answer (openapi_answers.c). Each function that returns JSON returns a
 * new reference, NULL without memory; pure, any thread.
 */
#ifndef API_OPENAPI_IMPL_H
#define API_OPENAPI_IMPL_H

#include <jansson.h>

#include "api/route.h"

/* How a value arrives: as a JSON value, as a text of a form, or as a part of a multipart form. */
enum openapi_carrier { CARRIER_JSON, CARRIER_FORM, CARRIER_MULTIPART };

/* The object that fields_read accepts; partial: none of the fields is required. */
json_t *openapi_body_schema(const struct fields *, enum openapi_carrier, bool partial);

/* Whether a form can carry what the table requires: no list of objects is required. */
bool openapi_fits_form(const struct fields *);

/* Whether a field takes an upload. */
bool openapi_takes_files(const struct fields *);

/* A value of the kind given as a text, in JSON or in a form; false for the kinds that have no text. */
json_t *openapi_text_schema(const struct field *);

/* The limits of an INT. */
int64_t openapi_least(const struct field *);
int64_t openapi_greatest(const struct field *);

/* The value of a query parameter. */
json_t *openapi_parameter_schema(const struct field *);

/* The object that fields_write makes; nothing else is in it. */
json_t *openapi_answer_schema(const struct fields *);

/* "project_search_fields" → "ProjectSearch" and the suffix */
void openapi_component_name(const char *table, const char *suffix, char ret_name[80]);

/* {"$ref": "#/components/<kind>/<name>"} */
json_t *openapi_reference(const char *kind, const char *name);

/* The schemas that every document has, and the responses that are components. */
json_t *openapi_common_schemas(void);
json_t *openapi_standard_responses(void);

/* What the line answers, by status; schemas that it names are added to `schemas`. */
json_t *openapi_responses(json_t *schemas, const struct route *, unsigned traits);

/* Whether the line is the one of method and pattern. */
bool openapi_is_of(const struct route *, enum method, const char *pattern);

#endif
