/*
 * The protocol of the WebSockets as a document: AsyncAPI 3.0, made from realtime/messages.def, realtime/closes.def and the
 * settings in force. Source: realtime.md 7. Pure; any thread.
 */
#ifndef REALTIME_PROTOCOL_H
#define REALTIME_PROTOCOL_H

#include <jansson.h>

#include "base/settings.h"

/*
 * The document, a new reference; NULL without memory. Beside what AsyncAPI has there are "x-closes": [{"code", "reason", "meaning"}]
 * and "x-limits": [{"setting", "value", "meaning"}].
 */
json_t *protocol_describe(const struct settings *);

#endif
