/*
 * The dead letters: messages that no worker can understand or that ended their workers too often, kept in Redis with the reason
 * (tasks.md 7.4, 8; list celery:dead). For people: `egoejo tasks`. Errors as redis_call.
 */
#ifndef TASKS_DEAD_H
#define TASKS_DEAD_H

#include <jansson.h>

#include "base/str.h"
#include "resilience/redis.h"

/*
 * All of them, the newest first: an array (the caller's) of {"reason", "queue", "at", "item"}, with "id" and "task" of those items that
 * have them. ERR_NOMEM.
 */
int dead_letters_read(struct redis *, json_t **ret_letters);

/*
 * Pushes the letter of this id onto its queue again, as if it had never been delivered, and takes it out. ERR_NOT_FOUND; ERR_INVALID:
 * it is no message, for a worker it would be dead again.
 */
int dead_letters_send_again(struct redis *, struct str id, struct error *err);

/* Takes away all; *ret_n how many. */
int dead_letters_purge(struct redis *, int64_t *ret_n);

#endif
