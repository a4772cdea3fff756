/*
 * The route table, compiled from api/routes.def. Immutable; any thread.
 */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/access.h"
#include "api/fields.h"
#include "api/request.h"

enum route_place { PLACE_IN_PLACE, PLACE_SLOW, PLACE_PASSWORD };

/* What sets a resource apart from an ordinary API view; bits. The meaning is in routes.def. */
enum resource_traits {
	TRAIT_NONE = 0,
	TRAIT_PROBE = 1,
	TRAIT_PLAIN = 2,
	TRAIT_HIDES_HEAD = 4,
	TRAIT_SIGNED_WRITES = 8,
	TRAIT_NO_CREDENTIALS = 16,
	TRAIT_MEASURES = 32,
	TRAIT_YAML = 64,
	TRAIT_UPLOADS = 128,
	TRAIT_LATE_BODY = 256
};

struct cached_policy {
	const char *key;
	int64_t ttl_s;
	const char *(*key_of)(struct request *, const char *key); /* NULL: this request is not */
};

/* What a route answers when all is well. */
enum answer_shape { ANSWER_NOTHING, ANSWER_OBJECT, ANSWER_MANY, ANSWER_PAGE, ANSWER_MANY_OR_PAGE, ANSWER_EMPTY, ANSWER_TEXT };

struct answer {
	enum answer_shape shape;
	int status;                  /* 0: NOTHING */
	const struct fields *fields; /* OBJECT, MANY, PAGE, MANY_OR_PAGE */
	const char *name;            /* of the fields */
	const char *media_type;      /* TEXT */
};

struct route {
	enum method method;
	const char *pattern;
	void (*handler)(struct request *);
	enum access access;
	enum route_place place;
	const struct cached_policy *cached; /* NULL = not cached */
	const struct fields *query;         /* its parameters; n is 0 when it has none */
	const struct fields *in;            /* the fields of its body; n is 0 when it reads none */
	const char *name, *in_name;         /* of the handler, and of the table in */
	struct answer out;
};

/* All lines of one pattern. */
struct resource {
	const char *pattern;
	unsigned traits;
	const struct route *routes; /* n consecutive lines */
	size_t n;
	char allow[64]; /* the value of the Allow header */
};

/* Builds what is derived from the table; once, before any other function. */
void routes_init(void);

/* The resource of a decoded path; *ret_params gets up to two parameters (views into path). NULL when there is none. */
const struct resource *routes_find(struct str path, struct str ret_params[2]);

/* The line for a method (HEAD is GET's); NULL when the resource has none. */
const struct route *resource_route(const struct resource *, enum method);

/*
 * What a caller must be for a method of a resource, one that has no line included: that of its line; else, as the view
 * that it stands for, of its GET, or of its first line (http.md 1.5).
 */
enum access resource_access(const struct resource *, enum method);

/* All lines, for walking. */
const struct route *routes_all(size_t *ret_n);
const struct resource *resources_all(size_t *ret_n);

/* A handler that no milestone has built yet. */
bool route_is_built(const struct route *);

/* Appends the table as text, for `egoejo routes`. */
void routes_print(struct buf *);

/* "GET", …; "OTHER" for METHOD_OTHER. */
const char *method_name(enum method);

#endif
