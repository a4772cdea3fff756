/* JSON values as YAML 1.2, in its block style. Pure; any thread. */
#ifndef API_OPENAPI_YAML_IMPL_H
#define API_OPENAPI_YAML_IMPL_H

#include <jansson.h>

#include "base/buf.h"

/* Appends an object or an array, each member on a line of its own. */
void yaml_write(struct buf *, const json_t *);

#endif
