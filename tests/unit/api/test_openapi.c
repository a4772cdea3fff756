#include "api/openapi.h"

#include "api/docs_impl.h"
#include "api/openapi_impl.h"
#include "api/openapi_yaml_impl.h"
#include "api/route.h"
#include "tests/unit/api/fixture.h"

static json_t *root;

static int setup(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	routes_init();
	assert_true(openapi_write(&b, /* as_yaml: */ false));
	root = parse(buf_view(&b));
	buf_finish(&b);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	json_decref(root);
	return 0;
}

/* The pattern of a route as the document writes it. */
static void documented_path(const char *pattern, char path[200])
{
	size_t n = 0;

	while (*pattern) {
		if (*pattern != '{') {
			path[n++] = *pattern++;
			continue;
		}
		n += (size_t)snprintf(path + n, 200 - n, "{%s}", strncmp(pattern, "{slug", 5) == 0 ? "slug" : "id");
		pattern += strcspn(pattern, "}") + 1;
	}
	path[n] = '\0';
}

static json_t *find_operation(const struct route *r)
{
	char path[200], key[10] = "";

	documented_path(r->pattern, path);
	for (size_t i = 0; method_name(r->method)[i]; i++)
		key[i] = (char)(method_name(r->method)[i] - 'A' + 'a');
	return json_object_get(json_object_get(json_object_get(root, "paths"), path), key);
}

static bool is_probe(const char *pattern)
{
	size_t n;
	const struct resource *r = resources_all(&n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(r[i].pattern, pattern) == 0)
			return r[i].traits & TRAIT_PROBE;
	return false;
}

static void test_openapi__has_every_line_that_is_built(void **state)
{
	size_t n;
	const struct route *routes = routes_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		bool wanted = route_is_built(&routes[i]) && routes[i].out.shape != ANSWER_NOTHING && !is_probe(routes[i].pattern);

		if (wanted != (find_operation(&routes[i]) != NULL))
			fail_msg("%s %s: %s", method_name(routes[i].method), routes[i].pattern, wanted ? "missing" : "there");
	}
}

/* Only what is no part of the API may stay undescribed. */
static void test_openapi__every_route_of_the_api_is_described(void **state)
{
	size_t n;
	const struct route *routes = routes_all(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const char *pattern = routes[i].pattern;

		if (!route_is_built(&routes[i]) || routes[i].out.shape != ANSWER_NOTHING || is_probe(pattern) ||
		    strncmp(pattern, "/api/docs/", 10) == 0 || strncmp(pattern, "/media/", 7) == 0)
			continue;
		print_message("not described: %s %s\n", method_name(routes[i].method), pattern);
	}
}

/* Calls back for each "$ref" and "operationId" within. */
static void walk(json_t *value, void (*visit)(const char *key, const char *text))
{
	const char *key;
	json_t *member;
	size_t i;

	json_array_foreach(value, i, member) walk(member, visit);
	json_object_foreach(value, key, member)
	{
		if (json_is_string(member))
			visit(key, json_string_value(member));
		walk(member, visit);
	}
}

static void check_reference(const char *key, const char *text)
{
	struct str rest = str_of(text), piece;
	json_t *at = root;

	if (strcmp(key, "$ref") != 0)
		return;
	assert_true(str_split(&rest, '/', &piece));
	while (str_split(&rest, '/', &piece))
		at = json_object_getn(at, piece.s, piece.len);
	if (!at)
		fail_msg("%s leads nowhere", text);
}

static void test_openapi__every_reference_leads_somewhere(void **state)
{
	(void)state;
	walk(root, check_reference);
}

static json_t *seen;

static void check_id(const char *key, const char *text)
{
	if (strcmp(key, "operationId") != 0)
		return;
	if (json_object_get(seen, text))
		fail_msg("operationId %s twice", text);
	json_object_set_new(seen, text, json_true());
}

static void test_openapi__ids_of_operations_are_unique(void **state)
{
	(void)state;
	seen = json_object();
	walk(root, check_id);
	assert_true(json_object_size(seen) > 10);
	json_decref(seen);
}

/* Each line of openapi.def is of a line of routes.def. */
static void test_openapi__every_note_is_of_a_route(void **state)
{
	static const struct {
		enum method method;
		const char *pattern;
	} notes[] = {
#define SUMMARY(method, pattern, text)                { METHOD_##method, pattern },
#define ANSWERS(method, pattern, status, description) { METHOD_##method, pattern },
#include "api/openapi.def"
#undef ANSWERS
#undef SUMMARY
	};
	size_t n;
	const struct route *routes = routes_all(&n);

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(notes); i++) {
		bool there = false;

		for (size_t k = 0; k < n; k++)
			there |= routes[k].method == notes[i].method && strcmp(routes[k].pattern, notes[i].pattern) == 0;
		if (!there)
			fail_msg("%s %s has no line in routes.def", method_name(notes[i].method), notes[i].pattern);
	}
}

static void test_openapi__who_may(void **state)
{
	json_t *paths = json_object_get(root, "paths");
	json_t *open = json_object_get(json_object_get(json_object_get(paths, "/api/projets/"), "get"), "security");
	json_t *plain = json_object_get(json_object_get(json_object_get(paths, "/"), "get"), "security");

	(void)state;
	assert_int_equal(json_array_size(open), 3);
	assert_int_equal(json_object_size(json_array_get(open, 0)), 0);
	assert_int_equal(json_array_size(plain), 0);
}

struct sample {
	int64_t number, reference;
	bool flag;
	struct str text, choice;
	struct json_text json;
};

static const struct field flag = SHAPE("", BOOL);
static const char *const choices[] = { "a", "b", NULL };
static const struct field sample_list[] = {
	FIELD(struct sample, "id", number, INT, .flags = FIELD_READ_ONLY),
	FIELD(struct sample, "number", number, INT, .min = 1, .max = 99, .flags = FIELD_REQUIRED, .meaning = "Un nombre."),
	FIELD(struct sample, "reference", reference, REFERENCE, .flags = FIELD_NULLABLE),
	FIELD(struct sample, "choice", choice, CHOICE, .choices = choices, .flags = FIELD_NULLABLE),
	FIELD(struct sample, "json", json, JSON, .flags = FIELD_OPTIONAL),
	FIELD_CONSTANT("meta", "{\"a\":1}"),
	SHAPE("map", MAP, .each = EACH(LIST, .each = &flag)),
};
static const struct fields sample_fields = FIELDS(struct sample, sample_list);

static void assert_schema(json_t *schema, const char *expected)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	char *text = json_dumps(schema, JSON_ENCODE_ANY);

	assert_non_null(text);
	buf_add_text(&b, text);
	free(text);
	json_decref(schema);
	assert_json(buf_view(&b), expected);
}

static void test_openapi__an_answer(void **state)
{
	(void)state;
	assert_schema(openapi_answer_schema(&sample_fields),
	              "{\"type\":\"object\",\"additionalProperties\":false,"
	              "\"required\":[\"id\",\"number\",\"reference\",\"choice\",\"meta\",\"map\"],\"properties\":{"
	              "\"id\":{\"type\":\"integer\"},\"number\":{\"type\":\"integer\",\"description\":\"Un nombre.\"},"
	              "\"reference\":{\"type\":[\"integer\",\"null\"]},"
	              "\"choice\":{\"type\":[\"string\",\"null\"],\"enum\":[\"a\",\"b\",null]},\"json\":{},\"meta\":{\"const\":{\"a\":1}},"
	              "\"map\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}}}}");
}

static void test_openapi__a_body(void **state)
{
	json_t *schema = openapi_body_schema(&sample_fields, CARRIER_JSON, /* partial: */ false);
	json_t *part = openapi_body_schema(&sample_fields, CARRIER_JSON, /* partial: */ true);
	json_t *properties = json_object_get(schema, "properties");

	(void)state;
	assert_null(json_object_get(properties, "id"));
	assert_null(json_object_get(properties, "meta"));
	assert_int_equal(json_array_size(json_object_get(schema, "required")), 1);
	assert_null(json_object_get(part, "required"));
	assert_int_equal(json_array_size(json_object_get(json_object_get(properties, "number"), "anyOf")), 2);
	assert_int_equal(json_array_size(json_object_get(json_object_get(properties, "reference"), "anyOf")), 4); /* "" is null */
	assert_int_equal(json_array_size(json_object_get(json_object_get(properties, "choice"), "anyOf")), 2);
	json_decref(schema);
	json_decref(part);
}

static void test_openapi__yaml(void **state)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	json_t *value = parse(TEXT("{\"plain\":[1,{\"no\":null,\"a b\":\"x\\n\"},[]],\"empty\":{},\"deep\":{\"list\":[[true]]}}"));

	(void)state;
	yaml_write(&b, value);
	json_decref(value);
	assert_text(
	        buf_view(&b),
	        "plain:\n  - 1\n  -\n    \"no\": null\n    \"a b\": \"x\\n\"\n  - []\nempty: {}\ndeep:\n  list:\n    -\n      - true\n");
}

static void test_openapi__served_forms(void **state)
{
	struct openapi *openapi = openapi_create();
	bool has_ui = docs_embedded(DOCS_SCRIPT).s;

	(void)state;
	assert_non_null(openapi);
	assert_true(openapi->json->body->len > 1000 && openapi->yaml->body->len > openapi->json->body->len);
	assert_non_null(openapi->docs[DOCS_PAGE]);
	for (int i = DOCS_START; i < DOCS; i++)
		assert_int_equal(openapi->docs[i] != NULL, has_ui);
	if (!has_ui)
		assert_non_null(strstr(openapi->docs[DOCS_PAGE]->body->data, "<code>/api/projets/{id}/</code>"));
	assert_null(strstr(openapi->docs[DOCS_PAGE]->body->data, "://")); /* nothing of another host */
	openapi_destroy(openapi);
	openapi_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_openapi__has_every_line_that_is_built),
		cmocka_unit_test(test_openapi__every_route_of_the_api_is_described),
		cmocka_unit_test(test_openapi__every_reference_leads_somewhere),
		cmocka_unit_test(test_openapi__ids_of_operations_are_unique),
		cmocka_unit_test(test_openapi__every_note_is_of_a_route),
		cmocka_unit_test(test_openapi__who_may),
		cmocka_unit_test(test_openapi__an_answer),
		cmocka_unit_test(test_openapi__a_body),
		cmocka_unit_test(test_openapi__yaml),
		cmocka_unit_test(test_openapi__served_forms),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
