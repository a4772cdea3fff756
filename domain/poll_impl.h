/* Polls: what reading (poll.c), managing (poll_write.c) and voting (poll_vote.c) share. */
#ifndef DOMAIN_POLL_IMPL_H
#define DOMAIN_POLL_IMPL_H

#include "base/buf.h"
#include "domain/poll.h"

/* As poll_find, in a closure, without the counts: the row stays as it is until the commit. */
int poll_lock(struct db_conn *, struct arena *, int64_t id, struct poll *ret_poll);

/* In SQL, the numbers of a JSON array that is a parameter. */
#define IDS_SQLITE(parameter)     "(SELECT value FROM json_each(" parameter "))"
#define IDS_POSTGRESQL(parameter) "(SELECT CAST(jsonb_array_elements_text(" parameter ") AS bigint))"

/* Appends such an array; the numbers are `step` bytes from one another. */
void poll_add_ids(struct buf *, const int64_t *first, size_t n, size_t step);

#define POLL_TARGET "poll" /* of audit entries */

#endif
