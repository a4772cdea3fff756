/*
 * Media types: what Accept asks for and what Content-Type says (RFC 9110 sections 8.3 and 12.5.1). Pure; any thread.
 */
#ifndef API_MEDIA_TYPE_IMPL_H
#define API_MEDIA_TYPE_IMPL_H

#include <stdbool.h>

#include "base/str.h"

enum body_kind { BODY_JSON, BODY_FORM, BODY_MULTIPART, BODY_OTHER };

/* What a Content-Type value names; parameters and case do not matter; absent is BODY_OTHER. */
enum body_kind body_kind(struct str content_type);

/* The value of a parameter of a media type, without its quotes (a quoted pair is not undone); absent when there is none. */
struct str media_type_parameter(struct str content_type, const char *name);

/* Whether Accept lets JSON be answered: absent, or a list with JSON, a range that holds it, or HTML (a browser gets JSON). */
bool accepts_json(struct str accept);

/* Whether an Accept value names YAML (application/yaml, application/vnd.oai.openapi …) and does not name JSON. */
bool prefers_yaml(struct str accept);

/* Whether an Accept value prefers plain text to JSON: it names text/plain and neither JSON nor a range that holds it. */
bool accepts_only_text(struct str accept);

#endif
