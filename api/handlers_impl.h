/*
 * The handlers and the field tables that api/routes.def names, declared from the table itself, and the predicates of
 * api/cached.def.
 * A handler: parse, one domain call, reply; it holds no SQL, no check of who calls, no cache call.
 */
#ifndef API_HANDLERS_IMPL_H
#define API_HANDLERS_IMPL_H

#include "api/fields.h"
#include "api/request.h"

/* The answers of the column out: each names its table, or has none. */
#define DECLARE_OBJECT(table)       extern const struct fields table;
#define DECLARE_CREATED(table)      extern const struct fields table;
#define DECLARE_ACCEPTED(table)     extern const struct fields table;
#define DECLARE_MANY(table)         extern const struct fields table;
#define DECLARE_PAGE(table)         extern const struct fields table;
#define DECLARE_MANY_OR_PAGE(table) extern const struct fields table;
#define DECLARE_DETAIL
#define DECLARE_ERROR
#define DECLARE_EMPTY
#define DECLARE_TEXT(media_type)
#define DECLARE_NOTHING

#define RESOURCE(pattern, traits)
#define ROUTE(method, pattern, handler, access, place, cached, query, in, out) \
	void handler(struct request *req);                                     \
	extern const struct fields query, in;                                  \
	DECLARE_##out
#include "api/routes.def"
#undef ROUTE
#undef RESOURCE

#define SUMMARY(method, pattern, text)
#define ANSWERS(method, pattern, status, out) DECLARE_##out
#include "api/openapi.def"
#undef ANSWERS
#undef SUMMARY

/* {"detail"} and {"error"} of http.md 6. */
extern const struct fields detail_shape, error_shape;

/*
 * The keys of api/cached.def: under which key the answer to this request is shared, NULL when it is not. key is the line's
 * own; another one lives as long as the request.
 */
const char *contents_key(struct request *, const char *key);

/* Appends what the charter has found as a JSON list: [{"field","pattern","snippet"}]; "field" where there is one. */
struct charter_hit;
void charter_add_hits(struct buf *, const struct charter_hit *, size_t n);

#endif
