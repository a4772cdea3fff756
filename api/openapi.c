/*
 * The document, from the outside in: the whole, its paths, an operation, what it takes (parameters, body, credentials),
 * what it answers. Schemas that a table of routes.def has a name for are components, made when they are first named.
 *
 * What no memory is there for is NULL, and NULL makes whatever it is put into NULL (json_pack): it is looked at once, at
 * the end.
 */
#include "api/openapi_impl.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/docs_impl.h"
#include "api/handlers_impl.h"
#include "api/json_in.h"
#include "api/openapi.h"
#include "api/openapi_yaml_impl.h"
#include "api/route.h"
#include "base/cleanup.h"
#include "base/mem.h"

static const struct summary {
	enum method method;
	const char *pattern, *text;
} summaries[] = {
#define SUMMARY(method, pattern, text) { METHOD_##method, pattern, text },
#define ANSWERS(method, pattern, status, out)
#include "api/openapi.def"
#undef ANSWERS
#undef SUMMARY
};

/* ---- what an operation takes ---- */

static json_t *body_reference(json_t *schemas, const struct route *route, enum openapi_carrier carrier)
{
	static const char *const suffixes[2][3] = { { "Input", "InputForm", "InputUpload" }, { "Change", "ChangeForm", "ChangeUpload" } };
	bool partial = route->method == METHOD_PATCH;
	char name[80];

	openapi_component_name(route->in_name, suffixes[partial][carrier], name);
	if (!json_object_get(schemas, name) && json_object_set_new(schemas, name, openapi_body_schema(route->in, carrier, partial)) < 0)
		return NULL;
	return openapi_reference("schemas", name);
}

/* {int} and {id} are the ids of rows, {slug} any text. */
static json_t *path_parameter(const char *name, const char *kind)
{
	json_t *schema = strncmp(kind, "slug", 4) == 0 ? json_pack("{s:s, s:s}", "type", "string", "pattern", "^[^/\\x00]+$")
	                                               : json_pack("{s:s, s:i}", "type", "integer", "minimum", 0);

	return json_pack("{s:s, s:s, s:b, s:o}", "name", name, "in", "path", "required", 1, "schema", schema);
}

/* The pattern with names for its parameters ("id", "slug", "id2" …), and those parameters. */
static void path_of(const char *pattern, json_t *parameters, char ret_path[200])
{
	size_t n = 0, count = 0;
	char name[16];

	while (*pattern && n < 180) {
		if (*pattern != '{') {
			ret_path[n++] = *pattern++;
			continue;
		}
		count++;
		snprintf(name, sizeof(name), "%s%.0zu", strncmp(pattern + 1, "slug", 4) == 0 ? "slug" : "id", count);
		if (count == 1)
			name[strcspn(name, "1")] = '\0';
		json_array_append_new(parameters, path_parameter(name, pattern + 1));
		n += (size_t)snprintf(ret_path + n, 200 - n, "{%s}", name);
		pattern += strcspn(pattern, "}") + 1;
	}
	ret_path[n] = '\0';
}

static int add_query_parameters(json_t *parameters, const struct fields *query)
{
	int r = 0;

	for (size_t i = 0; i < query->n; i++) {
		const struct field *f = &query->list[i];
		json_t *parameter = json_pack("{s:s, s:s, s:o}", "name", f->name, "in", "query", "schema", openapi_parameter_schema(f));

		if (f->flags & FIELD_REQUIRED)
			r += json_object_set_new(parameter, "required", json_true());
		if (f->meaning)
			r += json_object_set_new(parameter, "description", json_string(f->meaning));
		r += json_array_append_new(parameters, parameter);
	}
	return r;
}

static json_t *request_body(json_t *schemas, const struct route *r)
{
	json_t *content = json_object();
	bool required = false;
	int result =
	        json_object_set_new(content, "application/json", json_pack("{s:o}", "schema", body_reference(schemas, r, CARRIER_JSON)));

	for (size_t i = 0; i < r->in->n; i++)
		required |= r->in->list[i].flags & FIELD_REQUIRED && r->method != METHOD_PATCH;
	if (openapi_fits_form(r->in)) {
		result += json_object_set_new(content, "application/x-www-form-urlencoded",
		                              json_pack("{s:o}", "schema", body_reference(schemas, r, CARRIER_FORM)));
		result += json_object_set_new(
		        content, "multipart/form-data",
		        json_pack("{s:o}", "schema",
		                  body_reference(schemas, r, openapi_takes_files(r->in) ? CARRIER_MULTIPART : CARRIER_FORM)));
	}
	if (result < 0) {
		json_decref(content);
		content = NULL;
	}
	return json_pack("{s:b, s:o}", "required", required, "content", content);
}

/* Who may: one of these, and {} is nobody in particular. */
static json_t *security_of(const struct route *r, unsigned traits)
{
	if (traits & (TRAIT_PLAIN | TRAIT_PROBE | TRAIT_NO_CREDENTIALS))
		return json_array();
	if (r->access == ACCESS_ADMIN_TOKEN)
		return json_pack("[{s:[]}, {s:[]}, {s:[]}]", "adminToken", "adminTokenQuery", "bearer");
	if (r->access == ACCESS_ANYONE)
		return json_pack("[{}, {s:[]}, {s:[]}]", "bearer", "basic");
	return json_pack("[{s:[]}, {s:[]}]", "bearer", "basic");
}

static json_t *security_schemes(void)
{
	return json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}}", "bearer", "type", "http", "scheme",
	                 "bearer", "bearerFormat", "JWT", "basic", "type", "http", "scheme", "basic", "adminToken", "type", "apiKey", "in",
	                 "header", "name", "X-Admin-Token", "adminTokenQuery", "type", "apiKey", "in", "query", "name", "token");
}

/* ---- operations ---- */

static const char *summary_of(const struct route *r)
{
	for (size_t i = 0; i < N_ELEMENTS(summaries); i++)
		if (openapi_is_of(r, summaries[i].method, summaries[i].pattern))
			return summaries[i].text;
	return NULL;
}

/* The handler's name; where several lines share the handler, with method and path. */
static json_t *operation_id(const struct route *r)
{
	size_t n, same = 0;
	const struct route *all = routes_all(&n);
	char text[300];

	for (size_t i = 0; i < n; i++)
		same += all[i].handler == r->handler;
	snprintf(text, sizeof(text), same == 1 ? "%s" : "%s_%s%s", r->name, method_name(r->method), r->pattern);
	for (char *c = text; *c; c++)
		if (!str_is_alpha(*c) && !str_is_digit(*c))
			*c = '_';
	return json_string(text);
}

/* "/api/projets/{int}/" is of "projets". */
static json_t *tag_of(const char *pattern)
{
	size_t n;

	pattern += strncmp(pattern, "/api/", 5) == 0 ? 5 : 1;
	n = strcspn(pattern, "/{");
	return n ? json_stringn(pattern, n) : json_string("service");
}

static json_t *operation(json_t *schemas, const struct route *r, unsigned traits, json_t *parameters)
{
	const char *summary = summary_of(r);
	json_t *op = json_pack("{s:o, s:[o]}", "operationId", operation_id(r), "tags", tag_of(r->pattern));
	int result = 0;

	if (summary)
		result += json_object_set_new(op, "summary", json_string(summary));
	if (r->access != ACCESS_ANYONE)
		result += json_object_set_new(op, "description", json_sprintf("Accès : %s.", access_name(r->access)));
	result += add_query_parameters(parameters, r->query);
	if (json_array_size(parameters))
		result += json_object_set(op, "parameters", parameters);
	if (r->in->n)
		result += json_object_set_new(op, "requestBody", request_body(schemas, r));
	result += json_object_set_new(op, "responses", openapi_responses(schemas, r, traits));
	result += json_object_set_new(op, "security", security_of(r, traits));
	if (result == 0)
		return op;
	json_decref(op);
	return NULL;
}

static const char *key_of(enum method method)
{
	static const char *const keys[] = { "get", "head", "post", "put", "patch", "delete", "options" };

	return keys[method];
}

/* Adds a resource; a line that is not built, or says NOTHING of its answer, is left out. */
static int add_resource(json_t *paths, json_t *schemas, const struct resource *resource)
{
	char path[200] = "";
	json_t *item = json_object();
	int r = item ? 0 : -1;

	for (size_t i = 0; i < resource->n && r == 0; i++) {
		json_t *parameters = json_array();

		path_of(resource->pattern, parameters, path);
		if (route_is_built(&resource->routes[i]) && resource->routes[i].out.shape != ANSWER_NOTHING)
			r = json_object_set_new(item, key_of(resource->routes[i].method),
			                        operation(schemas, &resource->routes[i], resource->traits, parameters));
		json_decref(parameters);
	}
	if (r == 0 && json_object_size(item))
		r = json_object_set(paths, path, item);
	json_decref(item);
	return r;
}

static json_t *all_paths(json_t *schemas)
{
	json_t *paths = json_object();
	size_t n;
	const struct resource *resources = resources_all(&n);

	for (size_t i = 0; i < n; i++) {
		if (resources[i].traits & TRAIT_PROBE || add_resource(paths, schemas, &resources[i]) == 0)
			continue;
		json_decref(paths);
		return NULL;
	}
	return paths;
}

static json_t *document(void)
{
	json_t *schemas = openapi_common_schemas();
	json_t *paths = all_paths(schemas);

	return json_pack("{s:s, s:{s:s, s:s, s:s}, s:[{s:s}], s:o, s:{s:o, s:o, s:o}}", "openapi", "3.1.0", "info", "title", "EGOEJO",
	                 "version", EGOEJO_VERSION, "description",
	                 "Les champs inconnus d'un corps sont ignorés. Les blancs qui entourent un texte ne comptent pas.", "servers",
	                 "url", "/", "paths", paths, "components", "schemas", schemas, "responses", openapi_standard_responses(),
	                 "securitySchemes", security_schemes());
}

/* ---- served ---- */

static struct ready *written(json_t *root, void (*write)(struct buf *, const json_t *))
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	write(&b, root);
	return docs_ready(b.failed ? (struct str){ NULL, 0 } : buf_view(&b));
}

struct openapi *openapi_create(void)
{
	json_t *root CLEANUP(json_decrefp) = document();
	struct openapi *openapi = root ? mem_alloc(sizeof(*openapi)) : NULL;

	if (!openapi)
		return NULL;
	openapi->json = written(root, json_write);
	openapi->yaml = written(root, yaml_write);
	if (openapi->json && openapi->yaml && docs_make(root, openapi->docs))
		return openapi;
	openapi_destroy(openapi);
	return NULL;
}

bool openapi_add_realtime(struct openapi *openapi, const json_t *asyncapi)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	json_write(&b, asyncapi);
	openapi->realtime = docs_ready(b.failed ? (struct str){ NULL, 0 } : buf_view(&b));
	openapi->realtime_page = docs_realtime_page(asyncapi);
	return openapi->realtime && openapi->realtime_page;
}

static void release(struct ready *ready)
{
	if (ready)
		cache_object_unref(&ready->object);
}

void openapi_destroy(struct openapi *openapi)
{
	if (!openapi)
		return;
	release(openapi->json);
	release(openapi->yaml);
	release(openapi->realtime);
	release(openapi->realtime_page);
	for (int i = 0; i < DOCS; i++)
		release(openapi->docs[i]);
	free(openapi);
}

bool openapi_write(struct buf *b, bool as_yaml)
{
	json_t *root CLEANUP(json_decrefp) = document();

	if (root && as_yaml)
		yaml_write(b, root);
	else if (root)
		json_write(b, root);
	return root && !b->failed;
}
