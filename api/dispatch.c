/*
 * The order of treatment of http.md section 1 is the array `gates`: each gate lets the request pass, or answers it. What
 * passes all of them reaches its handler: in place, or, for SLOW routes, on an executor thread.
 *
 *   preflight -> route -> host -> https -> path -> (API only: negotiation -> credentials -> permission -> throttle) ->
 *   method -> body -> handler
 *
 * Basic credentials cost a password hash: the request goes to the executor for passwords, and the gates go on there, from
 * the one that asked for it. The last step before a handler that takes a body is parsing it (400), on the thread that runs the
 * handler; where rows and rights come first (TRAIT_LATE_BODY) it is the handler's reading of it.
 *
 * A cached route (api/cached.def) is answered by serve_cached.c.
 */
#include "api/dispatch.h"

#include "api/access.h"
#include "api/authenticate.h"
#include "api/body.h"
#include "api/handlers_impl.h"
#include "api/media_type_impl.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/serve_cached_impl.h"
#include "api/site.h"
#include "api/throttling.h"
#include "api/upload.h"
#include "base/clock.h"

static const struct site *site_of(const struct request *req)
{
	return req->worker->context->site;
}

static bool is_safe(enum method m)
{
	return m == METHOD_GET || m == METHOD_HEAD || m == METHOD_OPTIONS;
}

static void add_cors(struct request *req)
{
	req->reply.cors_origin = site_allowed_origin(site_of(req), req->headers.origin);
	req->reply.cors_methods = req->reply.cors_origin && req->method == METHOD_OPTIONS;
}

/* Whether the client spoke https: X-Forwarded-Proto's first value, from a trusted proxy. */
static bool is_secure(const struct request *req)
{
	struct str header = req->headers.x_forwarded_proto, first;

	return req->peer_trusted && str_split(&header, ',', &first) && str_is(str_trim(first), "https");
}

void dispatch_read_context(struct request *req)
{
	req->budget.left_us = req->worker->context->settings->redis_request_budget_ms * US_PER_MS;
	req->peer_trusted = site_trusts(site_of(req), &req->peer);
	req->secure = is_secure(req);
	req->host = req->headers.host;
	add_cors(req);
	req->reply.hsts = req->secure && site_of(req)->hsts[0];
}

static bool gate_preflight(struct request *req)
{
	if (req->method != METHOD_OPTIONS || !req->headers.preflight_method.s)
		return true;
	reply_empty(req, 200);
	return false;
}

/* Finds the resource; whether it exists is said later, after host and https. */
static bool gate_route(struct request *req)
{
	if (!dispatch_read_target(req)) {
		reply_detail(req, 400, "Le chemin n'est pas de l'UTF-8 valide.");
		return false;
	}
	req->resource = routes_find(req->path, req->params);
	if (req->resource) {
		req->route = resource_route(req->resource, req->method);
		req->reply.allow = req->resource->allow;
		req->reply.api = !(req->resource->traits & (TRAIT_PROBE | TRAIT_PLAIN));
	}
	return true;
}

static bool is_probe(const struct request *req)
{
	return req->resource && (req->resource->traits & TRAIT_PROBE);
}

static bool gate_host(struct request *req)
{
	if (is_probe(req) || site_allows_host(site_of(req), req->headers.host))
		return true;
	req->reply.allow = NULL;
	reply_detail(req, 400, "Hôte non autorisé.");
	return false;
}

/* 301 to a place that was made in the arena; NULL: there was no memory for it. */
static void reply_moved(struct request *req, const char *location)
{
	if (!location) {
		reply_error(req, ERR_NOMEM);
		return;
	}
	reply_empty(req, 301);
	reply_header(req, "Location", location);
}

static bool gate_https(struct request *req)
{
	if (is_probe(req) || req->secure || req->worker->context->settings->debug)
		return true;
	req->reply.allow = NULL;
	reply_moved(req, arena_printf(&req->arena, "https://%.*s%.*s", STR_ARG(req->host), STR_ARG(req->target)));
	return false;
}

/* Whether the path with a slash behind it is a resource's. ERR_NOMEM. */
static int lacks_slash(struct request *req, bool *ret_lacks)
{
	char *slashed;
	struct str params[2];

	*ret_lacks = false;
	if (!req->path.len || req->path.s[req->path.len - 1] == '/')
		return 0;
	slashed = arena_printf(&req->arena, "%.*s/", STR_ARG(req->path));
	*ret_lacks = slashed && routes_find(str_of(slashed), params);
	return slashed ? 0 : ERR_NOMEM;
}

static bool gate_path(struct request *req)
{
	bool lacks;

	if (req->resource)
		return true;
	if (lacks_slash(req, &lacks) < 0)
		reply_error(req, ERR_NOMEM);
	else if (lacks)
		reply_moved(req, arena_printf(&req->arena, "%.*s/%s%.*s", STR_ARG(req->raw_path), req->query.len ? "?" : "",
		                              STR_ARG(req->query)));
	else
		reply_detail(req, 404, "Introuvable.");
	return false;
}

static bool gate_negotiation(struct request *req)
{
	bool has_yaml = req->resource->traits & TRAIT_YAML;
	struct query query;
	struct str format;

	if (req->query.len && memmem(req->query.s, req->query.len, "format", 6)) {
		if (!query_or_reply(req, &query))
			return false;
		format = query_get_nonempty(&query, "format");
		if (format.s && !str_is(format, "json") && !str_is(format, "api") && !(has_yaml && str_is(format, "yaml"))) {
			reply_detail(req, 404, "Introuvable.");
			return false;
		}
	}
	if (accepts_json(req->headers.accept) || (has_yaml && prefers_yaml(req->headers.accept)))
		return true;
	reply_detail(req, 406, "L'en-tête « Accept » n'a pu être satisfait.");
	return false;
}

/* Where they are not looked at, everybody is anonymous. */
static bool looks_at_credentials(const struct request *req)
{
	return !(req->resource->traits & TRAIT_NO_CREDENTIALS) && resource_access(req->resource, req->method) != ACCESS_ADMIN_TOKEN;
}

static bool gate_credentials(struct request *req)
{
	return !looks_at_credentials(req) || authenticate_or_reply(req);
}

static bool gate_permission(struct request *req)
{
	enum access access = resource_access(req->resource, req->method);

	if (access == ACCESS_ADMIN_TOKEN)
		return !req->route || admin_token_or_reply(req); /* the method comes first there (content.md 5) */
	if (access_allows(access, req->caller))
		return true;
	reply_detail(req, 403,
	             req->caller ? "Vous n'avez pas la permission d'effectuer cette action."
	                         : "Informations d'authentification non fournies.");
	return false;
}

/* Notes under which key the answer is shared, if it is. Always passes. */
static bool gate_cache(struct request *req)
{
	const struct cached_policy *policy = req->route ? req->route->cached : NULL;

	req->cache_key = policy && req->worker->front ? policy->key_of(req, policy->key) : NULL;
	return true;
}

/* A list that will be in level 1, and measures, are not worth a trip to Redis. */
static bool gate_throttle(struct request *req)
{
	return throttle_or_reply(req, (req->resource->traits & TRAIT_MEASURES) || req->cache_key);
}

/* OPTIONS of an API view describes it (http.md 5). */
static void reply_options(struct request *req)
{
	struct buf b = BUF_EMPTY;

	buf_add_text(&b, "{\"name\":");
	json_add_text(&b, req->resource->pattern);
	buf_add_text(&b, ",\"description\":\"\",\"renders\":[\"application/json\"],"
	                 "\"parses\":[\"application/json\",\"application/x-www-form-urlencoded\",\"multipart/form-data\"]}");
	reply_json_take(req, 200, &b);
}

static bool gate_method(struct request *req)
{
	if (req->reply.api && req->method == METHOD_OPTIONS) {
		reply_options(req);
		return false;
	}
	if (req->route)
		return true;
	if (req->reply.api)
		reply_detail(req, 405, "Méthode non autorisée.");
	else
		reply_empty(req, 405);
	return false;
}

/* Whether the route reads its body; what is sent to any other is ignored (http.md 1.5). */
static bool reads_body(const struct request *req)
{
	return req->method != METHOD_DELETE && req->route->in->n > 0;
}

static bool reads_late(const struct request *req)
{
	return req->resource->traits & TRAIT_LATE_BODY;
}

/* What can be said of a body without reading it; whether it parses is said where its handler runs (call_handler). */
static bool gate_body(struct request *req)
{
	if (is_safe(req->method))
		return true;
	if (req->body_too_large) {
		reply_detail(req, 413, "Corps de requête trop volumineux.");
		req->reply.close = true;
		return false;
	}
	if (req->body_error) {
		reply_error(req, req->body_error);
		return false;
	}
	return !reads_body(req) || reads_late(req) || body_type_or_reply(req);
}

struct gate {
	bool (*pass)(struct request *);
	bool api_only;
};

static const struct gate gates[] = {
	{ gate_preflight, false }, { gate_route, false },      { gate_host, false },       { gate_https, false },
	{ gate_path, false },      { gate_negotiation, true }, { gate_credentials, true }, { gate_permission, true },
	{ gate_cache, true },      { gate_throttle, true },    { gate_method, false },     { gate_body, true },
};

/* The handler, and before it the body, which is parsed once: on the executor for SLOW routes. */
static void call_handler(struct request *req)
{
	struct body_value body CLEANUP(body_finish) = { .root = NULL };

	if (reads_body(req) && !reads_late(req) && !body_or_reply(req, &body))
		return;
	req->parsed = &body;
	req->route->handler(req);
	req->parsed = NULL;
	if (req->reply.status >= 400 && !db_write_in_doubt(req->worker->db)) /* a file too many is better than a row without its file */
		uploads_take_back(req, &body);
}

/* ---- entry points ---- */

bool dispatch_set_origin_prefix(struct request *req)
{
	char *text = arena_alloc(&req->arena, req->host.len + 9);

	if (!text)
		return false;
	memcpy(text, req->secure ? "https://" : "http://", 8);
	req->origin_prefix = (struct str){ text, (req->secure ? 8 : 7) };
	if (req->host.len)
		memcpy(text + req->origin_prefix.len, req->host.s, req->host.len);
	req->origin_prefix.len += req->host.len;
	return true;
}

/* The gate of the credentials, on a thread that must not hash passwords. */
static bool must_go_elsewhere(const struct request *req, const struct gate *gate)
{
	return gate->pass == gate_credentials && !req->worker->hashes_passwords && looks_at_credentials(req) && authenticate_is_basic(req);
}

/* The gates from where the request stands; DISPATCH_SLOW: all have let it pass. */
static enum dispatch_result pass_gates(struct request *req)
{
	for (; req->gates_passed < N_ELEMENTS(gates); req->gates_passed++) {
		const struct gate *gate = &gates[req->gates_passed];

		if (gate->api_only && !req->reply.api)
			continue;
		if (must_go_elsewhere(req, gate))
			return DISPATCH_PASSWORD;
		if (!gate->pass(req))
			return DISPATCH_ANSWERED;
	}
	if (req->origin_prefix.s || dispatch_set_origin_prefix(req))
		return DISPATCH_SLOW;
	reply_error(req, ERR_NOMEM);
	return DISPATCH_ANSWERED;
}

enum dispatch_result dispatch(struct request *req)
{
	enum dispatch_result result;

	dispatch_read_context(req);
	result = pass_gates(req);
	if (result != DISPATCH_SLOW)
		return result;
	if (req->route->place == PLACE_SLOW)
		return DISPATCH_SLOW;
	if (req->route->place == PLACE_PASSWORD)
		return DISPATCH_PASSWORD;
	if (req->cache_key)
		serve_cached(req, req->route->cached);
	else
		call_handler(req);
	return DISPATCH_ANSWERED;
}

void dispatch_slow(struct request *req)
{
	if (pass_gates(req) != DISPATCH_ANSWERED)
		call_handler(req);
}

void dispatch_busy(struct request *req)
{
	reply_error(req, ERR_LIMIT);
}

void dispatch_refused(struct request *req, int status, const char *detail)
{
	req->reply.allow = NULL;
	reply_detail(req, status, detail);
	req->reply.close = true;
}

void not_built(struct request *req)
{
	reply_detail(req, 501, "Cette méthode n'est pas encore disponible.");
}
