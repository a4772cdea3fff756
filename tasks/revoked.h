/*
 * Ids of revoked tasks: the last 50,000 of the last 3 hours (tasks.md 7.7). Any thread.
 */
#ifndef TASKS_REVOKED_H
#define TASKS_REVOKED_H

#include <jansson.h>
#include <stdbool.h>

#include "base/str.h"

#define REVOKED_MAX 50000

struct revoked;

/* An empty one; NULL without memory. */
struct revoked *revoked_create(void);

/* Frees; NULL is fine. */
void revoked_destroy(struct revoked *);

/* Remembers an id; the oldest leaves when there are too many. False without memory. */
bool revoked_add(struct revoked *, struct str id);

/* Whether it is remembered. */
bool revoked_has(struct revoked *, struct str id);

/* All of them, a new list of texts; NULL without memory. */
json_t *revoked_list(struct revoked *);

#endif
