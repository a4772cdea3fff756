/*
 * The JSON of what live events carry (domain/live.h), for who sends it without a request: the same fields as the routes answer.
 */
#ifndef API_LIVE_JSON_H
#define API_LIVE_JSON_H

#include "base/buf.h"

struct chat_message;
struct poll;

/* Appends the Message of realtime.md 2; the prefix is scheme://host of the attachment's URL. */
void chat_message_render(const struct chat_message *, struct str origin_prefix, struct buf *);

/* Appends the Poll of realtime.md 5. */
void poll_render(const struct poll *, struct buf *);

#endif
