/*
 * Everything that a request needs but the transport: settings, site, a database (SQLite, the whole schema), the cache
 * without Redis, and two workers, one for an http thread and one for an executor thread. `ask` is the fake transport: it
 * builds a request as the real one does, has it dispatched, and hands it back with its reply.
 */
#ifndef TESTS_UNIT_API_NODE_H
#define TESTS_UNIT_API_NODE_H

#include <arpa/inet.h>

#include "api/dispatch.h"
#include "api/openapi.h"
#include "api/ready.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/site.h"
#include "base/clock.h"
#include "base/fault.h"
#include "db/schema.h"
#include "domain/measures.h"
#include "tests/lib/server.h"
#include "tests/unit/api/fixture.h"

struct node {
	struct settings *settings;
	struct site *site;
	char folder[64], media_root[80];
	struct db *db;
	struct redis *redis;
	struct cache *cache;
	struct throttle *throttle; /* off, unless the settings say DISABLE_THROTTLE_FOR_TESTS=0 */
	struct openapi *openapi;
	struct measures *measures;
	struct api_context context;
	struct worker http, executor;
	bool healthy;        /* what the probes say */
	struct request *req; /* the last one asked */
	enum dispatch_result result;
};

/* NAME=value texts, NULL at the end, as a source of settings. */
static inline const char *setting_from_list(const char *variable, void *arg)
{
	const char *const *list = arg;
	size_t n = strlen(variable);

	for (; *list; list++)
		if (strncmp(*list, variable, n) == 0 && (*list)[n] == '=')
			return *list + n + 1;
	return NULL;
}

static inline bool node_probe(void *arg, struct buf *verbose)
{
	struct node *node = arg;

	if (verbose)
		buf_add_text(verbose, node->healthy ? "[+]all ok\n" : "[-]all failed\n");
	return node->healthy;
}

static inline int node_run_script(struct db_conn *conn, void *sql)
{
	return db_script(conn, sql);
}

/* Runs statements in one transaction. */
static inline void node_write(struct node *node, const char *sql)
{
	char *copy = strdup(sql);
	int r = db_write(node->executor.db, node_run_script, copy);

	if (r != 0)
		print_error("%d %s: %s\n", r, db_error(node->executor.db), copy);
	free(copy);
	assert_int_equal(r, 0);
}

static inline void node_open_database(struct node *node)
{
	struct buf differences = BUF_EMPTY;
	enum schema_state before;
	struct error err = { 0 };
	char url[100];
	struct db_config config = { .url = url, .statement_limit_us = 10 * US_PER_S, .connect_limit_us = US_PER_S, .create = true };

	test_folder_make(node->folder);
	snprintf(url, sizeof(url), "sqlite:///%s/db.sqlite3", node->folder);
	assert_int_equal(db_open(&config, &node->db, &err), 0);
	assert_int_equal(db_connect(node->db, &node->http.db, &err), 0);
	assert_int_equal(db_connect(node->db, &node->executor.db, &err), 0);
	assert_int_equal(schema_migrate(node->executor.db, &before, &differences), 0);
	buf_finish(&differences);
}

static inline void node_open_cache(struct node *node)
{
	static const struct redis_config none = {
		.connect_timeout_us = 1000, .command_timeout_us = 1000, .retry_us = 1000, .pool_size = 1
	};

	node->redis = redis_create(&none);
	assert_non_null(node->redis);
	node->cache = cache_create(&(struct cache_config){ .max_bytes = 1 << 24, .max_entries = 1000, .redis = node->redis });
	assert_non_null(node->cache);
	node->http.front = cache_front_create(node->cache);
	assert_non_null(node->http.front);
}

static inline void node_open_throttle(struct node *node, const char *disabled)
{
	const struct throttle_config config = {
		.rates = { [THROTTLE_ANON] = node->settings->throttle_anon,
		           [THROTTLE_USER] = node->settings->throttle_user,
		           [THROTTLE_METRICS] = node->settings->throttle_metrics },
		.off = !disabled || strcmp(disabled, "0") != 0,
	};

	node->throttle = throttle_create(&config);
	assert_non_null(node->throttle);
}

/* Opens with these settings (NAME=value, NULL at the end). */
static inline struct node *node_open(const char *const *list)
{
	struct node *node = calloc(1, sizeof(*node));
	struct error err = { 0 };
	union {
		const char *const *list;
		void *arg;
	} source = { list };

	routes_init();
	if (settings_load(setting_from_list, source.arg, false, &node->settings, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(site_create(node->settings, &node->site, &err), 0);
	node->openapi = openapi_create();
	assert_non_null(node->openapi);
	node_open_database(node);
	node_open_cache(node);
	snprintf(node->media_root, sizeof(node->media_root), "%s/media", node->folder);
	if (strcmp(node->settings->media_root, "media") == 0) /* no test may write into the working directory */
		node->settings->media_root = node->media_root;
	if (measures_create(node->db, &node->measures, &err) < 0 || measures_start(node->measures, &err) < 0)
		fail_msg("%s", err.text);
	node_open_throttle(node, setting_from_list("DISABLE_THROTTLE_FOR_TESTS", source.arg));
	node->healthy = true;
	node->context = (struct api_context){ .settings = node->settings,
		                              .db = node->db,
		                              .redis = node->redis,
		                              .cache = node->cache,
		                              .throttle = node->throttle,
		                              .measures = node->measures,
		                              .site = node->site,
		                              .openapi = node->openapi,
		                              .ready = node_probe,
		                              .alive = node_probe,
		                              .probe_arg = node };
	node->executor.hashes_passwords = true;
	node->http.context = node->executor.context = &node->context;
	return node;
}

static inline void node_forget_request(struct node *node)
{
	if (!node->req)
		return;
	reply_drop_file(&node->req->reply);
	arena_finish(&node->req->arena);
	free(node->req);
	node->req = NULL;
}

static inline void node_close(struct node *node)
{
	fault_disarm_all();
	node_forget_request(node);
	cache_front_destroy(node->http.front);
	cache_destroy(node->cache);
	throttle_destroy(node->throttle);
	measures_destroy(node->measures);
	redis_destroy(node->redis);
	db_disconnect(node->http.db);
	db_disconnect(node->executor.db);
	db_close(node->db);
	openapi_destroy(node->openapi);
	site_destroy(node->site);
	settings_destroy(node->settings);
	test_folder_remove(node->folder);
	free(node);
}

static inline enum method method_of(const char *text)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };

	for (size_t i = 0; i < N_ELEMENTS(names); i++)
		if (strcmp(names[i], text) == 0)
			return (enum method)i;
	return METHOD_OTHER;
}

static inline void set_peer(struct request *req, const char *address)
{
	req->peer = (struct sockaddr_storage){ .ss_family = AF_INET };
	if (inet_pton(AF_INET, address, &((struct sockaddr_in *)&req->peer)->sin_addr) == 1)
		return;
	req->peer.ss_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, address, &((struct sockaddr_in6 *)&req->peer)->sin6_addr), 1);
}

/* One "name: value". Besides the header fields: "peer" an address, "body" the body, "too-large" a body that was discarded. */
static inline void set_given(struct request *req, const char *text)
{
	const char *colon = strstr(text, ": ");
	struct str name, value;

	assert_non_null(colon);
	name = (struct str){ text, (size_t)(colon - text) };
	value = str_of(colon + 2);
#define REQUEST_HEADER(member, header)       \
	if (str_is(name, header)) {          \
		req->headers.member = value; \
		return;                      \
	}
#include "api/headers.def"
#undef REQUEST_HEADER
	if (str_is(name, "peer"))
		set_peer(req, value.s);
	else if (str_is(name, "body"))
		req->body = value;
	else if (str_is(name, "too-large"))
		req->body_too_large = true;
	else
		fail_msg("no such header: %s", text);
}

/* A request as the transport hands it over: from 127.0.0.1, for the host localhost. */
static inline struct request *node_request(struct node *node, const char *method, const char *target, const char *const *given)
{
	struct request *req = calloc(1, sizeof(*req));

	node_forget_request(node);
	arena_init(&req->arena, 16 * 1024 * 1024);
	req->worker = &node->http;
	req->id = "0123456789abcdef";
	req->method = method_of(method);
	req->method_text = str_of(method);
	req->target = str_of(target);
	req->headers.host = TEXT("localhost");
	req->started_us = clock_monotonic_us();
	set_peer(req, "127.0.0.1");
	for (; given && *given; given++)
		set_given(req, *given);
	return node->req = req;
}

/* Asks, and runs the slow part too, as an executor thread does. */
static inline struct request *node_ask(struct node *node, const char *method, const char *target, const char *const *given)
{
	struct request *req = node_request(node, method, target, given);

	node->result = dispatch(req);
	if (node->result != DISPATCH_ANSWERED) {
		assert_int_equal(req->reply.status, 0);
		req->worker = &node->executor;
		dispatch_slow(req);
	}
	assert_true(req->reply.status >= 200);
	assert_null(req->parsed);
	return req;
}
#define ASK(method, target, ...) node_ask(node, method, target, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

/* What would be sent (of HEAD too: the transport leaves it out). */
static inline struct str answer(const struct request *req)
{
	enum coding coding = CODING_IDENTITY;

	return req->reply.ready ? ready_body(req->reply.ready, &coding) : req->reply.body;
}

/* A header field of the reply, or NULL. */
static inline const char *answer_header(const struct request *req, const char *name)
{
	for (size_t i = 0; i < req->reply.n_headers; i++)
		if (strcmp(req->reply.headers[i].name, name) == 0)
			return req->reply.headers[i].value;
	return NULL;
}

/* The status, and that the body is {"<key>": text} alone; key NULL: that there is no body. */
#define assert_answer(req, status, key) assert_answer_(req, status, key, __FILE__, __LINE__)

static inline void assert_answer_(const struct request *req, int status, const char *key, const char *file, int line)
{
	struct str body = answer(req);
	json_t *json = key ? json_loadb(body.s, body.len, 0, NULL) : NULL;
	bool right = req->reply.status == status &&
	             (key ? json_object_size(json) == 1 && json_string_length(json_object_get(json, key)) > 3 : body.len == 0);

	json_decref(json);
	if (right && (!key || strcmp(req->reply.content_type, "application/json") == 0))
		return;
	print_error("%.*s %.*s: %d %.*s, wanted %d with %s\n", STR_ARG(req->method_text), STR_ARG(req->target), req->reply.status,
	            STR_ARG(body), status, key ? key : "no body");
	_fail(file, line);
}

#endif
