/*
 * The query of a target: name=value pairs, decoded, and the links that keep them. Pure; any thread.
 */
#ifndef API_QUERY_H
#define API_QUERY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

struct query_param {
	struct str name, value; /* decoded */
	size_t position;        /* in the text */
};

struct query {
	struct query_param *params; /* in the arena, in the order of the text */
	size_t n;
};

/*
 * Parses "a=1&b=%20": '+' is a space, a name without '=' has an empty value, empty pieces are dropped. ERR_INVALID for
 * what is not UTF-8 or has a NUL once decoded, ERR_NOMEM.
 */
int query_parse(struct str text, struct arena *, struct query *ret_query);

/* The last value of a name; absent when there is none. */
struct str query_get(const struct query *, const char *name);

/* The last value of a name, absent too when it is empty. */
struct str query_get_nonempty(const struct query *, const char *name);

/*
 * Appends the query of a link: all parameters but `replaced`, which is given `value` (absent: left out), sorted by name
 * (stable), percent-encoded as forms are, with its '?' unless empty (http.md 7).
 */
void query_add_link(struct buf *, const struct query *, struct arena *, const char *replaced, struct str value);

#endif
