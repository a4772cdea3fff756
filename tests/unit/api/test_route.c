#include "api/route.h"

#include "api/handlers_impl.h"
#include "tests/unit/api/fixture.h"

static int setup(void **state)
{
	(void)state;
	routes_init();
	return 0;
}

/* A path that fits a pattern: each {…} filled with a sample. */
static void sample_path(const char *pattern, char *path, size_t size)
{
	size_t n = 0;

	while (*pattern) {
		const char *sample = NULL;

		if (strncmp(pattern, "{int}", 5) == 0)
			sample = "42";
		else if (strncmp(pattern, "{id}", 4) == 0)
			sample = "some-id";
		else if (strncmp(pattern, "{slug}", 6) == 0)
			sample = "a.slug";
		else if (strncmp(pattern, "{path}", 6) == 0)
			sample = "a/b.c";
		assert_true(*pattern != '{' || sample);
		if (sample)
			n += (size_t)snprintf(path + n, size - n, "%s", sample), pattern += strcspn(pattern, "}") + 1;
		else
			path[n++] = *pattern++;
		assert_true(n < size - 1);
	}
	path[n] = '\0';
}

static const struct resource *find(const char *path)
{
	struct str params[2];

	return routes_find(str_of(path), params);
}

/* As find, for a path that has a resource. */
static const struct resource *find_existing(const char *path)
{
	static const struct resource none = { .pattern = "nothing" };
	const struct resource *r = find(path);

	assert_non_null(r);
	return r ? r : &none;
}

static void test_route__every_line_is_reached_by_its_path(void **state)
{
	size_t n;
	const struct route *routes = routes_all(&n);
	char path[200];

	(void)state;
	assert_true(n > 20);
	for (size_t i = 0; i < n; i++) {
		const struct resource *r;

		sample_path(routes[i].pattern, path, sizeof(path));
		r = find(path);
		assert_string_equal(r ? r->pattern : "nothing", routes[i].pattern);
		assert_ptr_equal(resource_route(r, routes[i].method), &routes[i]);
		assert_non_null(routes[i].handler);
	}
}

static void test_route__patterns_are_unique_and_stand_together(void **state)
{
	size_t n;
	const struct resource *r = resources_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			assert_string_not_equal(r[i].pattern, r[k].pattern);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < r[i].n; k++)
			for (size_t m = k + 1; m < r[i].n; m++)
				assert_int_not_equal(r[i].routes[k].method, r[i].routes[m].method);
}

/* Two patterns that fit one path would depend on their order: none do. */
static void test_route__no_path_fits_two_patterns(void **state)
{
	size_t n;
	const struct resource *r = resources_all(&n);
	char path[200];

	(void)state;
	for (size_t i = 0; i < n; i++) {
		sample_path(r[i].pattern, path, sizeof(path));
		assert_ptr_equal(find(path), &r[i]);
	}
}

static void test_route__patterns_are_well_formed(void **state)
{
	size_t n;
	const struct resource *r = resources_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const char *p = r[i].pattern;
		bool ends_in_slash = p[strlen(p) - 1] == '/' || strstr(p, "{path}");

		assert_int_equal(p[0], '/');
		assert_null(strstr(p, "//"));
		assert_true(ends_in_slash || r[i].traits & TRAIT_PROBE || strncmp(p, "/api/public/", 12) == 0 || /* http.md 2 */
		            strncmp(p, "/api/docs/", 10) == 0);
	}
}

static void test_route__every_trait_line_names_a_resource(void **state)
{
	static const char *const named[] = {
#define RESOURCE(pattern, traits) pattern,
#define ROUTE(method, pattern, handler, access, place, cached, query, in, out)
#include "api/routes.def"
#undef ROUTE
#undef RESOURCE
	};
	size_t n;
	const struct resource *r = resources_all(&n);

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(named); i++) {
		bool there = false;

		for (size_t k = 0; k < n; k++)
			there = there || strcmp(r[k].pattern, named[i]) == 0;
		if (!there)
			fail_msg("RESOURCE(%s) has no ROUTE", named[i]);
	}
}

static void assert_allow(const char *path, const char *allow)
{
	const struct resource *r = find(path);

	assert_non_null(r);
	assert_string_equal(r->allow, allow);
}

static void test_route__allow(void **state)
{
	(void)state;
	assert_allow("/", "GET, HEAD");
	assert_allow("/livez", "GET, HEAD");
	assert_allow("/api/health/", "GET, HEAD");
	assert_allow("/media/a/b.png", "GET, HEAD");
	assert_allow("/api/", "GET, HEAD, OPTIONS");
	assert_allow("/api/projets/", "GET, POST, HEAD, OPTIONS");
	assert_allow("/api/projets/1/", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS");
	assert_allow("/api/communities/", "GET, OPTIONS");
	assert_allow("/api/communities/a/", "GET, OPTIONS");
	assert_allow("/api/help-requests/", "GET, POST, HEAD, OPTIONS");
}

static void test_route__allow_names_every_method_once(void **state)
{
	size_t n;
	const struct resource *r = resources_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct str rest = { r[i].allow, strlen(r[i].allow) }, name;
		size_t names = 0;

		for (; str_split(&rest, ',', &name); names++)
			assert_true(str_trim(name).len >= 3);
		names -= strstr(r[i].allow, "HEAD") != NULL;
		names -= strstr(r[i].allow, "OPTIONS") != NULL;
		assert_int_equal(names, r[i].n);
		assert_true(strlen(r[i].allow) < sizeof(r[i].allow) - 1);
	}
}

static void test_route__traits(void **state)
{
	(void)state;
	assert_int_equal(find_existing("/livez")->traits, TRAIT_PROBE);
	assert_int_equal(find_existing("/")->traits, TRAIT_PLAIN);
	assert_int_equal(find_existing("/api/health/")->traits, TRAIT_PLAIN);
	assert_int_equal(find_existing("/api/")->traits, TRAIT_NONE);
	assert_int_equal(find_existing("/api/communities/")->traits, TRAIT_HIDES_HEAD);
	assert_int_equal(find_existing("/api/projets/5/")->traits, TRAIT_SIGNED_WRITES | TRAIT_UPLOADS);
}

static void test_route__head_is_answered_where_get_is(void **state)
{
	size_t n;
	const struct resource *r = resources_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++)
		assert_ptr_equal(resource_route(&r[i], METHOD_HEAD), resource_route(&r[i], METHOD_GET));
	assert_null(resource_route(find("/"), METHOD_POST));
	assert_null(resource_route(find("/"), METHOD_OTHER));
	assert_null(resource_route(find("/"), METHOD_OPTIONS));
}

static void test_route__int_is_digits(void **state)
{
	struct str params[2];

	(void)state;
	assert_non_null(routes_find(TEXT("/api/projets/007/"), params));
	assert_text(params[0], "007");
	assert_non_null(find("/api/projets/99999999999999999999999999/")); /* digits: the route exists, the row does not */
	assert_null(find("/api/projets/1a/"));
	assert_null(find("/api/projets/-1/"));
	assert_null(find("/api/projets/+1/"));
	assert_null(find("/api/projets//"));
	assert_null(find("/api/projets/1/2/"));
	assert_null(find("/api/projets/\xd9\xa3/")); /* an Arabic digit */
}

static void test_route__id_is_text_without_slash_or_dot(void **state)
{
	struct str params[2];

	(void)state;
	assert_non_null(routes_find(TEXT("/api/contents/abc é/"), params));
	assert_text(params[0], "abc é");
	assert_null(find("/api/contents/a.b/"));
	assert_null(find("/api/contents/a/b/"));
	assert_null(find("/api/contents//"));
}

static void test_route__slug_is_text_without_slash(void **state)
{
	struct str params[2];

	(void)state;
	assert_non_null(routes_find(TEXT("/api/communities/a.b-c/"), params));
	assert_text(params[0], "a.b-c");
	assert_null(find("/api/communities//"));
	assert_null(find("/api/communities/a/b/"));
}

static void test_route__a_literal_goes_before_a_pattern(void **state)
{
	(void)state;
	assert_string_equal(find_existing("/api/projets/search/")->pattern, "/api/projets/search/");
}

/* http.md 2: 301 for the path without its slash, of every resource that ends in one. */
static void test_route__without_its_slash_a_path_is_no_route(void **state)
{
	size_t n;
	const struct resource *r = resources_all(&n);
	char path[200];

	(void)state;
	for (size_t i = 0; i < n; i++) {
		size_t len;

		sample_path(r[i].pattern, path, sizeof(path));
		len = strlen(path);
		if (len < 2 || path[len - 1] != '/' || strcmp(path, "/health/") == 0) /* /health is a route of its own */
			continue;
		path[len - 1] = '\0';
		assert_null(find(path));
	}
}

static void test_route__other_paths_are_nothing(void **state)
{
	static const char *const none[] = {
		"",          "/x",   "//",   "/api//projets/", "/API/projets/", "/api/projets//",     "/api/projets/search//", "/livez/",
		"/metrics/", "/api", "api/", "/api/projets/ ", "/ap",           "/api/projets/searc/"
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(none); i++)
		if (find(none[i]))
			fail_msg("%s is %s", none[i], find(none[i])->pattern);
	assert_null(find(NULL));
}

/* Measures and alerts: the request leaves them in memory, another thread writes them (domain/measures.h). */
static bool gathers_in_memory(const struct route *route)
{
	size_t n;
	const struct resource *resources = resources_all(&n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(resources[i].pattern, route->pattern) == 0)
			return resources[i].traits & TRAIT_MEASURES;
	return false;
}

static void test_route__cached_lines_are_reads_in_place(void **state)
{
	size_t n, cached = 0;
	const struct route *routes = routes_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		if (routes[i].method != METHOD_GET && !gathers_in_memory(&routes[i]))
			assert_int_not_equal(routes[i].place, PLACE_IN_PLACE); /* writes never run on an http thread */
		if (!routes[i].cached)
			continue;
		cached++;
		assert_int_equal(routes[i].method, METHOD_GET);
		assert_int_equal(routes[i].place, PLACE_IN_PLACE);
		assert_int_equal(routes[i].access, ACCESS_ANYONE);
		assert_true(routes[i].cached->ttl_s > 0);
		assert_non_null(routes[i].cached->key_of);
	}
	assert_int_equal(cached, 2); /* design 9.5 */
}

/* The columns query, in and out are tables that a body or a query can be read by, and an answer of success. */
static void test_route__columns_of_the_document(void **state)
{
	size_t n;
	const struct route *routes = routes_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const struct answer *out = &routes[i].out;

		assert_true(routes[i].query && routes[i].in);
		assert_true(!routes[i].in->n || routes[i].method == METHOD_POST || routes[i].method == METHOD_PUT ||
		            routes[i].method == METHOD_PATCH);
		assert_int_equal(out->status == 0, out->shape == ANSWER_NOTHING);
		assert_int_equal(out->fields != NULL, out->shape >= ANSWER_OBJECT && out->shape <= ANSWER_MANY_OR_PAGE);
		assert_true(!out->fields || out->fields->n);
		assert_int_equal(out->media_type != NULL, out->shape == ANSWER_TEXT);
	}
}

/* Which methods a later milestone brings: printed, so that what is missing is seen in every run (design 9.17). */
static void test_route__what_is_not_built_is_told(void **state)
{
	static const char *const later[] = { "POST /api/cagnottes/" };
	size_t n, found = 0;
	const struct route *routes = routes_all(&n);
	char line[200];

	(void)state;
	for (size_t i = 0; i < n; i++) {
		if (route_is_built(&routes[i]))
			continue;
		snprintf(line, sizeof(line), "%s %s", method_name(routes[i].method), routes[i].pattern);
		print_message("not built yet: %s\n", line);
		assert_true(found < N_ELEMENTS(later) && strcmp(line, later[found]) == 0);
		found++;
	}
	assert_int_equal(found, N_ELEMENTS(later)); /* what is built leaves the list */
}

static void test_route__printed(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	size_t n, lines = 0;

	(void)state;
	routes_all(&n);
	routes_print(&b);
	for (size_t i = 0; i < b.len; i++)
		lines += b.data[i] == '\n';
	assert_int_equal(lines, n);
	assert_non_null(strstr(b.data, "GET     /api/projets/                            anyone      in place  projets_list\n"));
	assert_non_null(strstr(b.data, "POST    /api/cagnottes/                          user        executor  - (later)\n"));
}

static void test_route__label(void **state)
{
	struct request req = { .route = NULL };

	(void)state;
	assert_string_equal(request_route_label(&req), "none");
	req.route = resource_route(find("/api/projets/3/"), METHOD_GET);
	assert_string_equal(request_route_label(&req), "/api/projets/{int}/");
}

static void test_route__names_of_methods(void **state)
{
	(void)state;
	assert_string_equal(method_name(METHOD_GET), "GET");
	assert_string_equal(method_name(METHOD_OPTIONS), "OPTIONS");
	assert_string_equal(method_name(METHOD_OTHER), "OTHER");
}

static void test_route__made_twice_is_the_same(void **state)
{
	size_t before, after;

	(void)state;
	resources_all(&before);
	routes_init();
	resources_all(&after);
	assert_int_equal(before, after);
	assert_allow("/api/projets/", "GET, POST, HEAD, OPTIONS");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route__every_line_is_reached_by_its_path),
		cmocka_unit_test(test_route__patterns_are_unique_and_stand_together),
		cmocka_unit_test(test_route__no_path_fits_two_patterns),
		cmocka_unit_test(test_route__patterns_are_well_formed),
		cmocka_unit_test(test_route__every_trait_line_names_a_resource),
		cmocka_unit_test(test_route__allow),
		cmocka_unit_test(test_route__allow_names_every_method_once),
		cmocka_unit_test(test_route__traits),
		cmocka_unit_test(test_route__head_is_answered_where_get_is),
		cmocka_unit_test(test_route__int_is_digits),
		cmocka_unit_test(test_route__id_is_text_without_slash_or_dot),
		cmocka_unit_test(test_route__slug_is_text_without_slash),
		cmocka_unit_test(test_route__a_literal_goes_before_a_pattern),
		cmocka_unit_test(test_route__without_its_slash_a_path_is_no_route),
		cmocka_unit_test(test_route__other_paths_are_nothing),
		cmocka_unit_test(test_route__cached_lines_are_reads_in_place),
		cmocka_unit_test(test_route__columns_of_the_document),
		cmocka_unit_test(test_route__what_is_not_built_is_told),
		cmocka_unit_test(test_route__printed),
		cmocka_unit_test(test_route__label),
		cmocka_unit_test(test_route__names_of_methods),
		cmocka_unit_test(test_route__made_twice_is_the_same),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
