/*
 * The OpenAPI 3.1 document of the API, made from api/routes.def, api/openapi.def and the field tables that they name, and
 * the page that shows it. Lines that are not built, or that say NOTHING of their answer, are not in it. Any thread.
 */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include <jansson.h>

#include "api/ready.h"
#include "base/buf.h"

/* Appends the document as JSON, or as YAML. False without memory. */
bool openapi_write(struct buf *, bool as_yaml);

/* The files of /api/docs/: the page, and of Swagger UI, where it was built in, what the page asks for. */
enum docs_file { DOCS_PAGE, DOCS_START, DOCS_SCRIPT, DOCS_STYLE, DOCS_LICENSE, DOCS };

/* What is served, made once at start; immutable. */
struct openapi {
	struct ready *json, *yaml;
	struct ready *docs[DOCS];               /* NULL: not built in */
	struct ready *realtime, *realtime_page; /* NULL until openapi_add_realtime */
};

/* NULL without memory. */
struct openapi *openapi_create(void);
void openapi_destroy(struct openapi *);

/*
 * Adds what describes the WebSockets, which are not the API's own: an AsyncAPI document (realtime/protocol.h), and the page that is
 * made of it, /api/docs/realtime/. Once, before it is served. False without memory.
 */
bool openapi_add_realtime(struct openapi *, const json_t *asyncapi);

#endif
