/*
 * /api/docs/: Swagger UI over /api/schema/ when its files were built in (meson option swagger_ui), else a plain list of the
 * operations; and /api/docs/realtime/, which shows the document of the WebSockets. Pure; any thread.
 */
#ifndef API_DOCS_IMPL_H
#define API_DOCS_IMPL_H

#include <jansson.h>

#include "api/openapi.h"
#include "api/request.h"

/* Makes what is served from the document. False without memory: what was made is in *ret_docs, the caller's. */
bool docs_make(const json_t *document, struct ready *ret_docs[DOCS]);

/* The page of the WebSockets, made from their document. NULL without memory. */
struct ready *docs_realtime_page(const json_t *asyncapi);

/* Appends text as HTML, for an element's content. NULL is fine. */
void docs_add_html(struct buf *, const char *text);

/* Answers with it, or 404 for NULL. */
void docs_show(struct request *, struct ready *, const char *media_type);

/* A ready response of these bytes; NULL without memory, or when they are absent. */
struct ready *docs_ready(struct str bytes);

/* A file of Swagger UI: its script, style or license; absent when it was not built in. docs_files.c, or docs_no_files.c. */
struct str docs_embedded(enum docs_file);

#endif
