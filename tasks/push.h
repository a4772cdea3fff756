/*
 * Pushing: many envelopes in one step onto a queue in kombu's layout (tasks.md 7.1, 7.3), through the breaker of the usage `tasks`.
 */
#ifndef TASKS_PUSH_H
#define TASKS_PUSH_H

#include "resilience/redis.h"

#define PUSH_KEY_SIZE 128 /* of a list's or a binding's name */

/*
 * Pushes n finished envelopes of one priority onto a queue, in their order, in one step: bindings first (tasks.md 7.3), then one LPUSH.
 * 0; ERR_UNAVAILABLE; ERR_TIMEOUT: whether Redis took them is unknown, all or none; ERR_INVALID: a queue name that is too long;
 * ERR_INTERNAL: Redis refused, the keys are not what they ought to be. Budget may be NULL.
 */
int push_envelopes(struct redis *, struct redis_budget *, const char *queue, int priority, const struct str *envelopes, size_t n);

/* The list of a queue for messages of this priority: queue, or queue⧟3, ⧟6, ⧟9. ERR_INVALID: it does not fit. */
int push_list_name(const char *queue, int priority, char ret_key[PUSH_KEY_SIZE]);

#endif
