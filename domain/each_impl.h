/* Going through many rows by their id, some at a time: memory does not grow with their number. */
#ifndef DOMAIN_EACH_IMPL_H
#define DOMAIN_EACH_IMPL_H

#include "db/db.h"

struct id_row {
	int64_t id;
};
extern const struct db_row id_row;

#define EACH_PART " AND id > $1 ORDER BY id LIMIT 500" /* what ends the statement: the next rows */

/*
 * In a closure: fn(db, id, arg) for each row of a statement over id_row that ends with EACH_PART; *ret_count is how many. Ends with
 * fn's first error, else those of db_select.
 */
int each_id(struct db_conn *, const struct db_statement *, int (*fn)(struct db_conn *, int64_t id, void *arg), void *arg,
            int64_t *ret_count);

#endif
