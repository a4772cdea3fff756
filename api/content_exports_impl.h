/*
 * What an export is called and how much it holds, for content_exports.c and its test. Pure.
 */
#ifndef API_CONTENT_EXPORTS_IMPL_H
#define API_CONTENT_EXPORTS_IMPL_H

#include "base/arena.h"
#include "base/kinds.h"

/*
 * The value of Content-Disposition: contents_<status>_<YYYYMMDD>.<extension>; a status that is no plain word does not come
 * into it (content.md 11.12). NULL without memory.
 */
const char *export_disposition(struct arena *, struct str status, struct instant now, const char *extension);

/* ?limit= (absent: the default); false for what is no number from 0 on. */
bool export_read_limit(struct str text, int64_t *ret_limit);

#endif
