/*
 * The lines of routes.def as an array, and what is derived from it once: resources (the lines of one pattern) with their
 * Allow. Paths without parameters are found by bisection, the few patterns with parameters are tried in their order.
 */
#include "api/route.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/answers_impl.h"
#include "api/handlers_impl.h"

/* The vocabulary of routes.def. */
#define ACCESS(word) ACCESS_##word
#define PLACE(word)  PLACE_##word

static const char *its_key(struct request *req, const char *key)
{
	(void)req;
	return key;
}

#define CACHED(key, ttl, key_of) static const struct cached_policy policy_##key = { #key, ttl, key_of };
#include "api/cached.def"
#undef CACHED

#define policy_ptr_UNCACHED                       NULL
#define policy_ptr_projets_list                   &policy_projets_list
#define policy_ptr_educational_contents_published &policy_educational_contents_published

const struct fields NO_QUERY = { NULL, 0, 0 };
const struct fields NO_BODY = { NULL, 0, 0 };

static const struct route routes[] = {
#define RESOURCE(pattern, traits)
#define ROUTE(method, pattern, handler, access, place, cached, query, in, out) \
	{ METHOD_##method, pattern, handler, ACCESS_##access, PLACE_##place, policy_ptr_##cached, &query, &in, #handler, #in, OUT_##out },
#include "api/routes.def"
#undef ROUTE
#undef RESOURCE
};

static const struct trait_line {
	const char *pattern;
	unsigned traits;
} trait_lines[] = {
#define RESOURCE(pattern, traits) { pattern, traits },
#define ROUTE(method, pattern, handler, access, place, cached, query, in, out)
#include "api/routes.def"
#undef ROUTE
#undef RESOURCE
};

static struct resource resources[N_ELEMENTS(routes)];
static size_t n_resources;
static const struct resource *literals[N_ELEMENTS(routes)]; /* without parameters, sorted by pattern */
static size_t n_literals;
static const struct resource *patterns[N_ELEMENTS(routes)]; /* with parameters, in the table's order */
static size_t n_patterns;

static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER" };

const char *method_name(enum method m)
{
	return names[m];
}

static unsigned traits_of(const char *pattern)
{
	for (size_t i = 0; i < N_ELEMENTS(trait_lines); i++)
		if (strcmp(trait_lines[i].pattern, pattern) == 0)
			return trait_lines[i].traits;
	return TRAIT_NONE;
}

static void allow_add(struct resource *r, const char *name)
{
	size_t n = strlen(r->allow);

	snprintf(r->allow + n, sizeof(r->allow) - n, "%s%s", n ? ", " : "", name);
}

static void build_allow(struct resource *r)
{
	for (size_t i = 0; i < r->n; i++)
		allow_add(r, method_name(r->routes[i].method));
	if (resource_route(r, METHOD_GET) && !(r->traits & TRAIT_HIDES_HEAD))
		allow_add(r, "HEAD");
	if (!(r->traits & (TRAIT_PROBE | TRAIT_PLAIN)))
		allow_add(r, "OPTIONS");
}

static int by_pattern(const void *a, const void *b)
{
	const struct resource *const *x = a, *const *y = b;

	return strcmp((*x)->pattern, (*y)->pattern);
}

void routes_init(void)
{
	n_resources = n_literals = n_patterns = 0;
	for (size_t i = 0; i < N_ELEMENTS(routes);) {
		struct resource *r = &resources[n_resources++];

		*r = (struct resource){ .pattern = routes[i].pattern, .traits = traits_of(routes[i].pattern), .routes = &routes[i] };
		while (i < N_ELEMENTS(routes) && strcmp(routes[i].pattern, r->pattern) == 0)
			r->n++, i++;
		build_allow(r);
		if (strchr(r->pattern, '{'))
			patterns[n_patterns++] = r;
		else
			literals[n_literals++] = r;
	}
	qsort(literals, n_literals, sizeof(literals[0]), by_pattern);
}

static const struct resource *find_literal(struct str path)
{
	size_t low = 0, high = n_literals;

	while (low < high) {
		size_t mid = (low + high) / 2;
		size_t n = strlen(literals[mid]->pattern);
		int order = memcmp(literals[mid]->pattern, path.s, n < path.len ? n : path.len);

		if (order == 0 && n == path.len)
			return literals[mid];
		if (order < 0 || (order == 0 && n < path.len))
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* Whether a path segment fits what stands between the braces. */
static bool segment_fits(const char *kind, size_t kind_len, struct str segment)
{
	if (!segment.len)
		return false;
	if (kind_len == 3) { /* int: digits, as many as one likes; beyond 64 bits nothing is found */
		for (size_t i = 0; i < segment.len; i++)
			if (segment.s[i] < '0' || segment.s[i] > '9')
				return false;
		return true;
	}
	return kind_len == 4 || str_find(segment, '.') < 0; /* slug or path, or id */
}

static bool pattern_fits(const char *p, struct str path, struct str ret_params[2])
{
	size_t n_params = 0;

	while (*p) {
		if (*p == '{') {
			size_t kind_len = strcspn(p + 1, "}");
			ptrdiff_t slash = strncmp(p, "{path}", 6) == 0 ? -1 : str_find(path, '/');
			struct str segment = { path.s, slash < 0 ? path.len : (size_t)slash };

			if (n_params == 2 || !segment_fits(p + 1, kind_len, segment))
				return false;
			ret_params[n_params++] = segment;
			path.s += segment.len;
			path.len -= segment.len;
			p += kind_len + 2;
		} else {
			if (!path.len || *p != *path.s)
				return false;
			p++, path.s++, path.len--;
		}
	}
	return path.len == 0;
}

const struct resource *routes_find(struct str path, struct str ret_params[2])
{
	const struct resource *r = path.len ? find_literal(path) : NULL;

	for (size_t i = 0; !r && i < n_patterns; i++)
		if (pattern_fits(patterns[i]->pattern, path, ret_params))
			r = patterns[i];
	return r;
}

const struct route *resource_route(const struct resource *r, enum method method)
{
	if (method == METHOD_HEAD)
		method = METHOD_GET;
	for (size_t i = 0; i < r->n; i++)
		if (r->routes[i].method == method)
			return &r->routes[i];
	return NULL;
}

enum access resource_access(const struct resource *r, enum method method)
{
	const struct route *line = resource_route(r, method == METHOD_OPTIONS ? METHOD_GET : method);

	if (line)
		return line->access;
	if (r->traits & TRAIT_SIGNED_WRITES)
		return ACCESS_USER;
	line = resource_route(r, METHOD_GET);
	return line ? line->access : r->routes[0].access;
}

const struct route *routes_all(size_t *ret_n)
{
	*ret_n = N_ELEMENTS(routes);
	return routes;
}

const struct resource *resources_all(size_t *ret_n)
{
	*ret_n = n_resources;
	return resources;
}

bool route_is_built(const struct route *r)
{
	return r->handler != not_built;
}

const char *request_route_label(const struct request *req)
{
	return req->route ? req->route->pattern : "none";
}

static const char *const place_names[] = { "in place", "executor", "password" };

void routes_print(struct buf *b)
{
	for (size_t i = 0; i < N_ELEMENTS(routes); i++) {
		const struct route *r = &routes[i];

		buf_addf(b, "%-7s %-40s %-11s %-9s %s%s\n", method_name(r->method), r->pattern, access_name(r->access),
		         place_names[r->place], r->cached ? r->cached->key : "-", route_is_built(r) ? "" : " (later)");
	}
}
