/*
 * The order of treatment of http.md 1, gate by gate and in pairs: what is asked breaks two rules, and the answer must be
 * that of the earlier one. Then the bodies, and the cached lists.
 */
#include "api/handlers_impl.h"
#include "base/log.h"
#include "domain/stale.h"
#include "tests/unit/api/node.h"

#define SECRET "DJANGO_SECRET_KEY=0123456789012345678901234567890123456789012345678901"

static int open_development(void **state)
{
	*state = node_open((const char *const[]){ SECRET, "DEBUG=1", "CORS_ALLOWED_ORIGINS=https://app.example.org", NULL });
	return 0;
}

static int open_production(void **state)
{
	*state = node_open((const char *const[]){ SECRET, "ALLOWED_HOSTS=api.example.org", "ENABLE_SAKA=true",
	                                          "CORS_ALLOWED_ORIGINS=https://app.example.org", NULL });
	return 0;
}

static int close_node(void **state)
{
	node_close(*state);
	return 0;
}

static void add_projects(struct node *node, int first, int n)
{
	struct buf b = BUF_EMPTY;

	buf_add_text(&b,
	             "INSERT INTO core_projet (id, titre, description, image, created_at, donation_goal, funding_type, investment_goal, "
	             "saka_score, saka_supporters_count, active_oracles) VALUES ");
	for (int i = first; i < first + n; i++)
		buf_addf(&b, "%s(%d, 'P%d', '', 'p/%d.png', '2026-01-05 00:00:00', 0, 'DONATION', 0, 0, 0, '[]')", i > first ? ", " : "", i,
		         i, i);
	node_write(node, b.data);
	buf_finish(&b);
}

static void add_contents(struct node *node, int n, const char *status, const char *file)
{
	char sql[1000];

	for (int i = 0; i < n; i++) {
		snprintf(sql, sizeof(sql),
		         "INSERT INTO core_educationalcontent (title, slug, type, status, anonymous_display_name, description, file, "
		         "external_url, "
		         "created_at, updated_at, category, tags, audio_source_hash, embedding_source_hash) VALUES "
		         "('T', '%s-%d', 'article', '%s', '', '', %s, '', '2026-01-05 00:00:00', '2026-01-05 00:00:00', 'autres', '[]', "
		         "'', '')",
		         status, i, status, file);
		node_write(node, sql);
	}
}

static size_t array_size(const struct request *req)
{
	json_t *json = parse(answer(req));
	size_t n = json_array_size(json);

	assert_int_equal(req->reply.status, 200);
	assert_true(json_is_array(json));
	json_decref(json);
	return n;
}

/* ---- preflight ---- */

static void test_dispatch__preflight_comes_before_all(void **state)
{
	struct node *node = *state;
	static const char *const paths[] = { "/api/projets/", "/no/such/path", "/api/projets", "/%ff", "/livez" };

	for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
		struct request *req = ASK("OPTIONS", paths[i], "access-control-request-method: POST", "host: evil.com",
		                          "origin: https://app.example.org", "accept: image/png");

		assert_answer(req, 200, NULL);
		assert_null(req->reply.content_type);
		assert_string_equal(req->reply.cors_origin, "https://app.example.org");
		assert_true(req->reply.cors_methods);
	}
}

static void test_dispatch__preflight_of_a_foreign_origin(void **state)
{
	struct node *node = *state;
	struct request *req = ASK("OPTIONS", "/api/projets/", "access-control-request-method: POST", "origin: https://evil.com");

	assert_answer(req, 200, NULL);
	assert_null(req->reply.cors_origin);
	assert_false(req->reply.cors_methods);
}

static void test_dispatch__only_options_is_a_preflight(void **state)
{
	struct node *node = *state;

	assert_answer(ASK("GET", "/no/", "access-control-request-method: POST"), 404, "detail");
}

/* ---- cors ---- */

static void test_dispatch__an_allowed_origin_is_named_in_every_answer(void **state)
{
	static const struct {
		const char *method, *target, *header;
		int status;
	} cases[] = { { "GET", "/", "accept: */*", 200 },          { "GET", "/api/projets", "accept: */*", 301 },
		      { "GET", "/api/", "host: evil.com", 400 },   { "POST", "/api/projets/", "accept: */*", 403 },
		      { "GET", "/no/", "accept: */*", 404 },       { "POST", "/api/", "accept: */*", 405 },
		      { "GET", "/api/", "accept: image/png", 406 } };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct request *req = ASK(cases[i].method, cases[i].target, "origin: https://app.example.org", cases[i].header);

		assert_int_equal(req->reply.status, cases[i].status);
		assert_string_equal(req->reply.cors_origin, "https://app.example.org");
		assert_false(req->reply.cors_methods);
	}
	assert_null(ASK("GET", "/", "origin: https://evil.com")->reply.cors_origin);
	assert_null(ASK("GET", "/")->reply.cors_origin);
	assert_true(ASK("OPTIONS", "/api/", "origin: https://app.example.org")->reply.cors_methods);
}

/* ---- host ---- */

static void test_dispatch__a_bad_host_is_refused_everywhere_but_at_the_probes(void **state)
{
	static const char *const paths[] = { "/", "/api/health/", "/api/", "/no/such/path", "/api/projets", "/api/projets/" };
	static const char *const probes[] = { "/health", "/health/", "/livez", "/readyz", "/metrics" };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
		struct request *req = ASK("GET", paths[i], "host: evil.com");

		assert_answer(req, 400, "detail");
		assert_null(req->reply.allow);
		assert_answer(ASK("POST", paths[i], "host: a b"), 400, "detail");
	}
	for (size_t i = 0; i < N_ELEMENTS(probes); i++)
		assert_int_equal(ASK("GET", probes[i], "host: evil.com")->reply.status, 200);
}

static void test_dispatch__a_request_without_host_is_refused(void **state)
{
	struct node *node = *state;
	struct request *req = node_request(node, "GET", "/api/", NULL);

	req->headers.host = NOTHING;
	assert_int_equal(dispatch(req), DISPATCH_ANSWERED);
	assert_answer(req, 400, "detail");
}

static void test_dispatch__a_path_that_is_not_text(void **state)
{
	static const char *const bad[] = { "/%ff", "/api/%00/", "/\xff", "/api/contents/%ed%a0%80/" };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_answer(ASK("GET", bad[i]), 400, "detail");
}

/* ---- https ---- */

static void test_dispatch__production_redirects_to_https(void **state)
{
	static const struct {
		const char *method, *target, *location;
	} cases[] = { { "GET", "/api/projets/?a=%20b&c", "https://api.example.org:8080/api/projets/?a=%20b&c" },
		      { "POST", "/no/such", "https://api.example.org:8080/no/such" },
		      { "GET", "/api/health/", "https://api.example.org:8080/api/health/" },
		      { "OPTIONS", "/", "https://api.example.org:8080/" },
		      { "GET", "/api/api/projets", "https://api.example.org:8080/api/api/projets" } };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct request *req = ASK(cases[i].method, cases[i].target, "host: api.example.org:8080");

		assert_answer(req, 301, NULL);
		assert_string_equal(answer_header(req, "Location"), cases[i].location);
		assert_false(req->reply.hsts);
		assert_null(req->reply.allow);
	}
}

static void test_dispatch__a_bad_host_is_not_redirected(void **state)
{
	struct node *node = *state;

	assert_answer(ASK("GET", "/api/", "host: evil.com"), 400, "detail");
}

static void test_dispatch__probes_are_not_redirected(void **state)
{
	struct node *node = *state;

	assert_int_equal(ASK("GET", "/livez", "host: 10.0.0.7:8000")->reply.status, 200);
	assert_int_equal(ASK("GET", "/health", "host: 10.0.0.7:8000")->reply.status, 200);
}

static void test_dispatch__a_trusted_proxy_tells_the_scheme(void **state)
{
	struct node *node = *state;
	struct request *req = ASK("GET", "/", "host: api.example.org", "x-forwarded-proto: https , http");

	assert_int_equal(req->reply.status, 200);
	assert_true(req->reply.hsts);
	assert_true(req->secure);
	assert_int_equal(ASK("GET", "/", "host: api.example.org", "x-forwarded-proto: HTTPS")->reply.status, 301);
	assert_int_equal(ASK("GET", "/", "host: api.example.org", "x-forwarded-proto: http, https")->reply.status, 301);
	assert_int_equal(ASK("GET", "/", "host: api.example.org", "x-forwarded-proto: ")->reply.status, 301);
	assert_int_equal(ASK("GET", "/", "host: api.example.org", "x-forwarded-proto: https", "peer: 8.8.8.8")->reply.status, 301);
	assert_int_equal(ASK("GET", "/", "host: api.example.org", "x-forwarded-proto: https", "peer: ::ffff:10.0.0.1")->reply.status, 200);
}

static void test_dispatch__production_answers_over_https(void **state)
{
	struct node *node = *state;

	assert_answer(ASK("GET", "/no/", "host: api.example.org", "x-forwarded-proto: https"), 404, "detail");
	assert_true(node->req->reply.hsts);
	assert_answer(ASK("POST", "/api/projets/", "host: api.example.org", "x-forwarded-proto: https"), 403, "detail");
	assert_json(answer(ASK("GET", "/api/projets/", "host: api.example.org", "x-forwarded-proto: https")), "[]");
}

static void test_dispatch__development_neither_redirects_nor_pins(void **state)
{
	struct node *node = *state;
	struct request *req = ASK("GET", "/", "x-forwarded-proto: https");

	assert_int_equal(req->reply.status, 200);
	assert_false(req->reply.hsts);
}

/* ---- path ---- */

static void test_dispatch__a_missing_slash(void **state)
{
	static const struct {
		const char *method, *target, *location;
	} cases[] = {
		{ "GET", "/api/projets", "/api/projets/" },          { "POST", "/api/projets?x=%C3%A9&y", "/api/projets/?x=%C3%A9&y" },
		{ "DELETE", "/api/projets/12", "/api/projets/12/" }, { "GET", "/api", "/api/" },
		{ "GET", "/api/api/projets?q", "/api/projets/?q" },  { "GET", "/api/communities/caf%C3%A9", "/api/communities/caf%C3%A9/" },
		{ "PROPFIND", "/api/cagnottes", "/api/cagnottes/" }, { "GET", "/api/contents/%2e%2e", NULL }
	};
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct request *req = ASK(cases[i].method, cases[i].target, "accept: image/png");

		if (!cases[i].location) {
			assert_answer(req, 404, "detail");
			continue;
		}
		assert_answer(req, 301, NULL);
		assert_string_equal(answer_header(req, "Location"), cases[i].location);
	}
}

/* A redirect must stay on this host. */
static void test_dispatch__no_redirect_leaves_the_host(void **state)
{
	static const char *const targets[] = { "//evil.com", "//evil.com/..", "/\\evil.com", "/%2f/evil.com", "//api/projets" };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(targets); i++)
		assert_answer(ASK("GET", targets[i]), 404, "detail");
}

static void test_dispatch__unknown_paths(void **state)
{
	static const char *const targets[] = {
		"/no", "/no/", "/api/projets//", "/API/projets/", "/api/projets/x/", "/api/projets/1.5/", "/api//", "/livez/", "*"
	};
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(targets); i++) {
		assert_answer(ASK("GET", targets[i]), 404, "detail");
		assert_answer(ASK("POST", targets[i], "accept: image/png"), 404, "detail"); /* before 406 and 405 */
		assert_null(node->req->reply.allow);
		assert_false(node->req->reply.api);
	}
}

static void test_dispatch__a_doubled_api_counts_once(void **state)
{
	struct node *node = *state;

	assert_json(answer(ASK("GET", "/api/api/projets/")), "[]");
	assert_int_equal(ASK("GET", "/api/api/")->reply.status, 200);
	assert_answer(ASK("GET", "/api/api/api/projets/"), 404, "detail");
	assert_answer(ASK("GET", "/api/api/api/"), 404, "detail");
}

static void test_dispatch__paths_are_decoded(void **state)
{
	struct node *node = *state;

	assert_json(answer(ASK("GET", "/%61pi/pro%6Aets/")), "[]");
	assert_answer(ASK("GET", "/api/contents/a%2Fb/"), 404, "detail"); /* a slash once decoded, as for Django */
}

/* ---- negotiation ---- */

static void test_dispatch__negotiation(void **state)
{
	struct node *node = *state;

	assert_answer(ASK("GET", "/api/projets/", "accept: image/png"), 406, "detail");
	assert_string_equal(node->req->reply.allow, "GET, POST, HEAD, OPTIONS");
	assert_int_equal(ASK("GET", "/api/projets/", "accept: text/html")->reply.status, 200);
	assert_int_equal(ASK("GET", "/", "accept: image/png")->reply.status, 200); /* not of the API */
	assert_int_equal(ASK("GET", "/api/health/", "accept: image/png")->reply.status, 200);
}

static void test_dispatch__format(void **state)
{
	struct node *node = *state;

	assert_int_equal(ASK("GET", "/api/projets/?format=json")->reply.status, 200);
	assert_int_equal(ASK("GET", "/api/projets/?format=")->reply.status, 200);
	assert_answer(ASK("GET", "/api/projets/?format=xml"), 404, "detail");
	assert_int_equal(ASK("GET", "/api/projets/?format=xml&format=json")->reply.status, 200);
	assert_int_equal(ASK("GET", "/?format=xml")->reply.status, 200);
	assert_answer(ASK("GET", "/api/projets/?format=xml", "accept: image/png"), 404, "detail"); /* before 406 */
}

static void test_dispatch__negotiation_comes_before_permission_and_method(void **state)
{
	struct node *node = *state;

	assert_answer(ASK("POST", "/api/projets/", "accept: image/png"), 406, "detail");
	assert_answer(ASK("DELETE", "/api/", "accept: image/png"), 406, "detail");
	assert_answer(ASK("POST", "/api/projets/?format=xml"), 404, "detail");
}

/* ---- permission, method ---- */

static void test_dispatch__permission_comes_before_the_method(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND" };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(methods); i++) {
		assert_answer(ASK(methods[i], "/api/projets/"), 403, "detail");
		assert_answer(ASK(methods[i], "/api/contents/1/"), 403, "detail");
		assert_string_equal(node->req->reply.allow, "GET, HEAD, OPTIONS");
	}
	assert_answer(ASK("POST", "/api/cagnottes/"), 403, "detail");
}

static void test_dispatch__other_methods(void **state)
{
	static const char *const methods[] = { "PUT", "PATCH", "DELETE", "TRACE" };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(methods); i++) {
		assert_answer(ASK(methods[i], "/api/help-requests/"), 405, "detail");
		assert_string_equal(node->req->reply.allow, "GET, POST, HEAD, OPTIONS");
		assert_answer(ASK(methods[i], "/api/communities/"), 405, "detail");
		assert_string_equal(node->req->reply.allow, "GET, OPTIONS");
	}
}

static void test_dispatch__outside_the_api_405_is_empty(void **state)
{
	static const char *const methods[] = { "POST", "OPTIONS", "DELETE", "TRACE" };
	static const char *const paths[] = { "/", "/api/health/", "/livez", "/metrics", "/health" };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(methods); i++) {
		for (size_t k = 0; k < N_ELEMENTS(paths); k++) {
			assert_answer(ASK(methods[i], paths[k]), 405, NULL);
			assert_string_equal(node->req->reply.allow, "GET, HEAD");
			assert_false(node->req->reply.api);
		}
	}
}

static void test_dispatch__options_describes_a_view(void **state)
{
	struct node *node = *state;
	struct request *req = ASK("OPTIONS", "/api/projets/");
	json_t *json CLEANUP(json_decrefp) = parse(answer(req));

	assert_int_equal(req->reply.status, 200);
	assert_string_equal(req->reply.allow, "GET, POST, HEAD, OPTIONS");
	assert_true(json_is_string(json_object_get(json, "name")));
	assert_true(json_is_array(json_object_get(json, "renders")));
	assert_true(json_is_array(json_object_get(json, "parses")));
	assert_answer(ASK("OPTIONS", "/api/projets/", "accept: image/png"), 406, "detail");
	assert_int_equal(ASK("OPTIONS", "/api/projets/99/")->reply.status, 200); /* no row is looked for */
}

static void test_dispatch__head_is_get(void **state)
{
	static const char *const paths[] = { "/", "/livez", "/api/", "/api/projets/", "/api/communities/", "/api/help-requests/" };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
		assert_int_equal(ASK("HEAD", paths[i])->reply.status, 200);
		assert_int_equal(node->result, DISPATCH_ANSWERED);
		assert_true(answer(node->req).len > 0); /* its length is told */
	}
	assert_int_equal(ASK("HEAD", "/api/projets/9/")->reply.status, 404);
}

static void test_dispatch__what_comes_later_answers_501(void **state)
{
	struct node *node = *state;

	ASK("GET", "/api/projets/9/");
	not_built(node->req); /* the handler of the lines that have none of their own yet */
	assert_answer(node->req, 501, "detail");
}

/* ---- bodies ---- */

static void test_dispatch__malformed_json_is_refused_before_the_handler(void **state)
{
	static const char *const bad[] = { "body: {",    "body: {'a':1}", "body:  ", "body: {\"a\":NaN}", "body: \xef\xbb\xbf{}",
		                           "body: \xff", "body: {}x" };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		assert_answer(ASK("POST", "/api/help-requests/", "content-type: application/json", bad[i]), 400, "detail");
		assert_int_equal(node->result, DISPATCH_SLOW); /* parsed on the executor */
	}
}

static void test_dispatch__malformed_forms(void **state)
{
	struct node *node = *state;

	assert_answer(ASK("POST", "/api/help-requests/", "content-type: application/x-www-form-urlencoded", "body: a=%ff"), 400, "detail");
	assert_int_equal(
	        ASK("POST", "/api/help-requests/", "content-type: application/x-www-form-urlencoded", "body: title=a&description=b")
	                ->reply.status,
	        201);
}

static void test_dispatch__charsets(void **state)
{
	struct node *node = *state;

	/* What has been read is a text, where an object is wanted. */
	assert_non_null(
	        strstr(answer(ASK("POST", "/api/help-requests/", "content-type: application/json; charset=latin-1", "body: \"\xe9\"")).s,
	               "non_field_errors"));
	assert_answer(ASK("POST", "/api/help-requests/", "content-type: application/json; charset=ascii", "body: \"\xe9\""), 400, "detail");
	assert_non_null(
	        strstr(answer(ASK("POST", "/api/help-requests/", "content-type: application/json; charset=unknown", "body: \"é\"")).s,
	               "non_field_errors"));
}

static void test_dispatch__other_types_are_refused(void **state)
{
	struct node *node = *state;

	assert_answer(ASK("POST", "/api/help-requests/", "content-type: text/plain", "body: {}"), 415, "detail");
	assert_answer(ASK("POST", "/api/help-requests/", "body: {}"), 415, "detail");
	assert_int_equal(ASK("POST", "/api/help-requests/", "content-type: text/plain")->reply.status,
	                 400);                                 /* an empty body has no type … */
	assert_non_null(strstr(answer(node->req).s, "title")); /* … and lacks everything */
	assert_answer(ASK("DELETE", "/api/help-requests/", "content-type: text/plain", "body: {}"), 405, "detail");
	assert_answer(ASK("POST", "/api/projets/", "content-type: text/plain", "body: {}"), 403, "detail"); /* permission first */
}

static void test_dispatch__too_large_bodies(void **state)
{
	struct node *node = *state;

	assert_answer(ASK("POST", "/api/help-requests/", "content-type: text/plain", "too-large: yes"), 413, "detail");
	assert_true(node->req->reply.close);
	assert_answer(ASK("POST", "/api/projets/", "too-large: yes"), 403, "detail");
	assert_answer(ASK("PUT", "/api/help-requests/", "too-large: yes"), 405, "detail");
	assert_int_equal(dispatch_body_limit(node->req), 2621440);
}

static void test_dispatch__a_body_of_a_read_is_not_looked_at(void **state)
{
	struct node *node = *state;

	assert_json(answer(ASK("GET", "/api/projets/", "content-type: text/plain", "body: {")), "[]");
	assert_int_equal(ASK("GET", "/api/help-requests/", "content-type: application/json", "body: {")->reply.status, 200);
}

/* ---- what the transport says through dispatch ---- */

static void test_dispatch__refusals_of_the_transport(void **state)
{
	struct node *node = *state;
	struct request *req = node_request(node, "GET", "/", NULL);

	dispatch_refused(req, 431, "Trop long.");
	assert_answer(req, 431, "detail");
	assert_true(req->reply.close);
	req = node_request(node, "POST", "/api/help-requests/", NULL);
	assert_int_equal(dispatch(req), DISPATCH_SLOW);
	dispatch_busy(req);
	assert_answer(req, 503, "detail");
	assert_string_equal(answer_header(req, "Retry-After"), "1");
}

/* ---- probes ---- */

static void test_dispatch__probes(void **state)
{
	struct node *node = *state;

	assert_text(answer(ASK("GET", "/livez")), "ok\n");
	assert_text(answer(ASK("GET", "/readyz?verbose")), "[+]all ok\nok\n");
	node->healthy = false;
	assert_text(answer(ASK("GET", "/readyz")), "failed\n");
	assert_int_equal(node->req->reply.status, 503);
	assert_string_equal(node->req->reply.content_type, "text/plain; charset=utf-8");
}

static void test_dispatch__health(void **state)
{
	struct node *node = *state;
	json_t *json CLEANUP(json_decrefp) = parse(answer(ASK("GET", "/api/health/")));

	assert_string_equal(json_string_value(json_object_get(json, "status")), "ok");
	assert_string_equal(json_string_value(json_object_get(json, "database")), "connected");
	assert_int_equal(json_object_size(json_object_get(json, "redis")), 3);
	assert_text(answer(ASK("GET", "/health", "accept: text/plain")), "ok");
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_int_equal(ASK("GET", "/api/health/")->reply.status, 503);
	fault_disarm_all();
}

static void test_dispatch__metrics_are_for_this_machine(void **state)
{
	struct node *node = *state;

	assert_int_equal(ASK("GET", "/metrics")->reply.status, 200);
	assert_int_equal(ASK("GET", "/metrics", "peer: ::1")->reply.status, 200);
	assert_answer(ASK("GET", "/metrics", "x-forwarded-for: 1.2.3.4"), 404, "detail");
	assert_answer(ASK("GET", "/metrics", "forwarded: for=1.2.3.4"), 404, "detail");
	assert_answer(ASK("GET", "/metrics", "x-forwarded-proto: https"), 404, "detail");
	assert_answer(ASK("GET", "/metrics", "peer: 10.0.0.1"), 404, "detail");
	assert_answer(ASK("GET", "/metrics", "peer: 10.0.0.1", "authorization: Bearer "), 404, "detail");
	assert_null(node->req->reply.allow);
}

static int open_with_metrics_token(void **state)
{
	*state = node_open((const char *const[]){ SECRET, "DEBUG=1", "METRICS_TOKEN=let-me-see", NULL });
	return 0;
}

static void test_dispatch__metrics_with_a_token(void **state)
{
	struct node *node = *state;

	assert_int_equal(ASK("GET", "/metrics", "peer: 8.8.8.8", "authorization: Bearer let-me-see")->reply.status, 200);
	assert_answer(ASK("GET", "/metrics", "peer: 8.8.8.8", "authorization: Bearer let-me-sea"), 404, "detail");
	assert_answer(ASK("GET", "/metrics", "peer: 8.8.8.8", "authorization: bearer"), 404, "detail");
	assert_answer(ASK("GET", "/metrics", "peer: 8.8.8.8"), 404, "detail");
}

/* ---- constants ---- */

static void test_dispatch__the_index_names_this_host(void **state)
{
	struct node *node = *state;
	json_t *json CLEANUP(json_decrefp) = parse(answer(ASK("GET", "/api/", "host: app.localhost:81", "x-forwarded-proto: https")));

	assert_int_equal(json_object_size(json), 10);
	assert_string_equal(json_string_value(json_object_get(json, "polls")), "https://app.localhost:81/api/polls/");
}

static void test_dispatch__constants_have_an_etag(void **state)
{
	struct node *node = *state;
	char etag[80];

	snprintf(etag, sizeof(etag), "if-none-match: %s", ASK("GET", "/")->reply.ready->etag);
	assert_int_equal(ASK("GET", "/", etag)->reply.status, 304);
	assert_int_equal(ASK("GET", "/api/config/features/", etag)->reply.status, 200);
}

/* ---- the reads ---- */

static void test_dispatch__reads_of_a_row(void **state)
{
	struct node *node = *state;
	json_t *json CLEANUP(json_decrefp) = NULL;

	add_projects(node, 5, 1);
	json = parse(answer(ASK("GET", "/api/projets/5/", "host: app.localhost")));
	assert_int_equal(json_integer_value(json_object_get(json, "id")), 5);
	assert_string_equal(json_string_value(json_object_get(json, "image")), "http://app.localhost/media/p/5.png");
	assert_string_equal(json_string_value(json_object_get(json, "donation_goal")), "0.00");
	assert_int_equal(json_object_size(json), 20);
	assert_int_equal(ASK("GET", "/api/projets/005/")->reply.status, 200);
	assert_answer(ASK("GET", "/api/projets/6/"), 404, "detail");
	assert_answer(ASK("GET", "/api/projets/99999999999999999999/"), 404, "detail");
	assert_answer(ASK("GET", "/api/contents/abc/"), 404, "detail");
	assert_answer(ASK("GET", "/api/communities/none/"), 404, "detail");
}

static void test_dispatch__search(void **state)
{
	struct node *node = *state;

	add_projects(node, 1, 3);
	assert_answer(ASK("GET", "/api/projets/search/"), 400, "error");
	assert_answer(ASK("GET", "/api/projets/search/?q=%20p%20"), 400, "error");
	assert_answer(ASK("GET", "/api/projets/search/?q=%ff"), 400, "detail");
	assert_int_equal(ASK("GET", "/api/projets/search/?q=p2")->reply.status, 200);
	assert_non_null(strstr(node->req->reply.body.s, "\"count\":1,\"query\":\"p2\",\"max_results\":100,\"warning\":"));
}

static void test_dispatch__engagements_of_a_request(void **state)
{
	struct node *node = *state;

	assert_int_equal(ASK("GET", "/api/engagements/?help_request=5")->reply.status, 200);
	assert_int_equal(ASK("GET", "/api/engagements/?help_request=")->reply.status, 200);
	assert_int_equal(ASK("GET", "/api/engagements/?help_request=99999999999999999999")->reply.status, 200);
	assert_int_equal(ASK("GET", "/api/engagements/?help_request=x")->reply.status, 400);
	assert_non_null(strstr(node->req->reply.body.s, "{\"help_request\":[\""));
}

static void test_dispatch__contents_as_array_or_page(void **state)
{
	struct node *node = *state;

	add_contents(node, 25, "published", "NULL");
	add_contents(node, 2, "draft", "NULL");
	assert_int_equal(array_size(ASK("GET", "/api/contents/")), 25);
	assert_int_equal(array_size(ASK("GET", "/api/contents/?status=published")), 25);
	assert_int_equal(array_size(ASK("GET", "/api/contents/?page=&status=published&page_size=")), 25);
	assert_non_null(strstr(answer(ASK("GET", "/api/contents/?page=2")).s,
	                       "{\"count\":25,\"next\":null,\"previous\":\"http://localhost/api/contents/\""));
	assert_non_null(strstr(answer(ASK("GET", "/api/contents/?page_size=5")).s,
	                       "\"next\":\"http://localhost/api/contents/?page=2&page_size=5\""));
	assert_non_null(strstr(ASK("GET", "/api/contents/?status=")->reply.body.s, "{\"count\":25,"));
	assert_non_null(strstr(ASK("GET", "/api/contents/?status=draft")->reply.body.s, "{\"count\":0,"));
	assert_answer(ASK("GET", "/api/contents/?page=3"), 404, "detail");
	assert_answer(ASK("GET", "/api/contents/?page=%ff"), 400, "detail");
}

static void test_dispatch__a_database_that_is_away(void **state)
{
	static const char *const paths[] = { "/api/projets/",         "/api/projets/5/",   "/api/projets/search/?q=abc", "/api/contents/",
		                             "/api/contents/?page=1", "/api/communities/", "/api/communities/a/",        "/api/cagnottes/",
		                             "/api/help-requests/",   "/api/engagements/" };
	struct node *node = *state;

	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
		struct request *req = ASK("GET", paths[i]);

		assert_true(req->reply.status >= 500);
		assert_null(strstr(req->reply.body.s, "SELECT"));
		assert_null(strstr(req->reply.body.s, "core_"));
	}
	fault_disarm_all();
	assert_json(answer(ASK("GET", "/api/projets/")), "[]"); /* nothing of it was kept */
}

/* ---- the cache ---- */

static void test_dispatch__a_list_is_cached_until_it_is_stale(void **state)
{
	struct node *node = *state;

	assert_int_equal(array_size(ASK("GET", "/api/projets/")), 0);
	assert_non_null(node->req->reply.ready);
	assert_string_equal(answer_header(node->req, "Cache-Control"), "no-cache");
	add_projects(node, 1, 2);
	assert_int_equal(array_size(ASK("GET", "/api/projets/")), 0); /* from the cache */
	assert_int_equal(array_size(ASK("GET", "/api/projets/?anything=1")), 0);
	stale_after(node->cache, &(struct redis_budget){ US_PER_S }, CHANGE_PROJECT, 1);
	assert_int_equal(array_size(ASK("GET", "/api/projets/")), 2);
	add_projects(node, 3, 1);
	stale_after(node->cache, &(struct redis_budget){ US_PER_S }, CHANGE_CONTENT, 1); /* another list */
	assert_int_equal(array_size(ASK("GET", "/api/projets/")), 2);
}

static void test_dispatch__a_hit_asks_no_database(void **state)
{
	struct node *node = *state;

	add_projects(node, 1, 2);
	assert_int_equal(array_size(ASK("GET", "/api/projets/")), 2);
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	fault_arm(FAULT_REDIS, 1, /* repeat: */ true);
	assert_int_equal(ASK("GET", "/api/projets/")->reply.status, 200);
	assert_int_equal(ASK("HEAD", "/api/projets/")->reply.status, 200);
	assert_true(node->req->reply.ready != NULL);
}

static void test_dispatch__a_cached_list_grows_old(void **state)
{
	struct node *node = *state;

	assert_int_equal(array_size(ASK("GET", "/api/projets/")), 0);
	add_projects(node, 1, 2);
	clock_advance_for_tests(299 * US_PER_S);
	assert_int_equal(array_size(ASK("GET", "/api/projets/")), 0);
	clock_advance_for_tests(2 * US_PER_S);
	assert_int_equal(array_size(ASK("GET", "/api/projets/")), 2);
}

static void test_dispatch__conditional_requests(void **state)
{
	struct node *node = *state;
	char etag[80];

	add_projects(node, 1, 2);
	snprintf(etag, sizeof(etag), "if-none-match: %s", ASK("GET", "/api/projets/")->reply.ready->etag);
	assert_int_equal(ASK("GET", "/api/projets/", etag)->reply.status, 304);
	assert_string_equal(node->req->reply.allow, "GET, POST, HEAD, OPTIONS");
	add_projects(node, 3, 1);
	stale_after(node->cache, &(struct redis_budget){ US_PER_S }, CHANGE_PROJECT, 1);
	assert_int_equal(ASK("GET", "/api/projets/", etag)->reply.status, 200);
}

static void test_dispatch__each_origin_sees_itself(void **state)
{
	struct node *node = *state;

	add_projects(node, 1, 1);
	for (int round = 0; round < 2; round++) {
		assert_non_null(strstr(answer(ASK("GET", "/api/projets/")).s, "\"http://localhost/media/p/1.png\""));
		assert_non_null(
		        strstr(answer(ASK("GET", "/api/projets/", "host: a.localhost:81")).s, "\"http://a.localhost:81/media/p/1.png\""));
		assert_non_null(
		        strstr(answer(ASK("GET", "/api/projets/", "x-forwarded-proto: https")).s, "\"https://localhost/media/p/1.png\""));
		assert_null(memchr(answer(node->req).s, CACHED_ORIGIN_MARK[0], answer(node->req).len));
	}
}

static void test_dispatch__a_body_without_urls_is_shared(void **state)
{
	struct node *node = *state;
	struct ready *first;

	add_contents(node, 3, "published", "NULL");
	first = ASK("GET", "/api/contents/")->reply.ready;
	assert_non_null(first);
	assert_ptr_equal(ASK("GET", "/api/contents/", "host: a.localhost")->reply.ready, first);
	add_contents(node, 1, "archived", "NULL");
	assert_ptr_equal(ASK("GET", "/api/contents/?status=published")->reply.ready, first);
}

static void test_dispatch__only_the_plain_forms_of_contents_are_cached(void **state)
{
	static const char *const cached[] = { "",
		                              "?status=published",
		                              "?page=1",
		                              "?page=1&",
		                              "?page=2",
		                              "?page_size=1",
		                              "?page_size=1&page=2&status=published",
		                              "?category=guides&page=1",
		                              "?page=1&category=autres&status=published&page_size=100" };
	static const char *const uncached[] = { "?category=guides",   "?status=",       "?page=last",           "?page=01",
		                                "?page=1&page=1",     "?page=1&x=1",    "?page=1&status=draft", "?page=1&status=",
		                                "?page_size=0",       "?page_size=101", "?page=1&category=eau", "?page=%2B1",
		                                "?page=1&format=json" };
	struct node *node = *state;
	char target[100];

	add_contents(node, 3, "published", "NULL");
	node_write(node, "UPDATE core_educationalcontent SET category = 'guides'");
	for (size_t i = 0; i < N_ELEMENTS(cached); i++) {
		snprintf(target, sizeof(target), "/api/contents/%s", cached[i]);
		if (!ASK("GET", target)->reply.ready && node->req->reply.status != 404)
			fail_msg("%s is not cached", target);
	}
	for (size_t i = 0; i < N_ELEMENTS(uncached); i++) {
		snprintf(target, sizeof(target), "/api/contents/%s", uncached[i]);
		if (ASK("GET", target)->reply.ready)
			fail_msg("%s is cached", target);
	}
	assert_null(ASK("GET", "/api/c%6Fntents/?page=1")->reply.ready); /* its links would say so */
}

/* One change lets go of the array and of every page. */
static void test_dispatch__pages_are_cached_until_they_are_stale(void **state)
{
	static const char *const pages[] = { "/api/contents/?page=1", "/api/contents/?page_size=2",
		                             "/api/contents/?page=1&status=published" };
	struct node *node = *state;
	struct redis_budget budget = { US_PER_S };

	add_contents(node, 3, "published", "NULL");
	for (size_t i = 0; i < N_ELEMENTS(pages); i++)
		assert_non_null(strstr(answer(ASK("GET", pages[i])).s, "\"count\":3"));
	add_contents(node, 1, "draft", "NULL");
	node_write(node, "UPDATE core_educationalcontent SET status = 'published'");
	for (size_t i = 0; i < N_ELEMENTS(pages); i++) {
		assert_non_null(strstr(answer(ASK("GET", pages[i])).s, "\"count\":3"));
		assert_string_equal(answer_header(node->req, "Cache-Control"), "no-cache");
	}
	stale_after(node->cache, &budget, CHANGE_PROJECT, 1);
	assert_non_null(strstr(answer(ASK("GET", pages[0])).s, "\"count\":3"));
	stale_after(node->cache, &budget, CHANGE_CONTENT, 1);
	for (size_t i = 0; i < N_ELEMENTS(pages); i++)
		assert_non_null(strstr(answer(ASK("GET", pages[i])).s, "\"count\":4"));
}

static void test_dispatch__links_of_a_cached_page_are_the_callers(void **state)
{
	struct node *node = *state;

	add_contents(node, 3, "published", "NULL");
	for (int round = 0; round < 2; round++) {
		assert_non_null(strstr(answer(ASK("GET", "/api/contents/?page_size=2")).s,
		                       "\"next\":\"http://localhost/api/contents/?page=2&page_size=2\""));
		assert_non_null(strstr(answer(ASK("GET", "/api/contents/?page_size=2", "host: a.localhost:81")).s,
		                       "\"next\":\"http://a.localhost:81/api/contents/?page=2&page_size=2\""));
		assert_non_null(strstr(answer(ASK("GET", "/api/contents/?status=published&page_size=2&page=2")).s,
		                       "\"previous\":\"http://localhost/api/contents/?page_size=2&status=published\""));
	}
}

static void test_dispatch__a_page_that_is_not_there_is_not_kept(void **state)
{
	struct node *node = *state;

	assert_int_equal(ASK("GET", "/api/contents/?page=2")->reply.status, 404);
	assert_null(node->req->reply.ready);
	add_contents(node, 21, "published", "NULL");
	assert_int_equal(ASK("GET", "/api/contents/?page=2")->reply.status, 200);
}

static void test_dispatch__codings(void **state)
{
	static const struct {
		const char *header;
		enum coding coding;
	} cases[] = { { "accept-encoding: gzip", CODING_GZIP },
		      { "accept-encoding: gzip, deflate, br", CODING_BROTLI },
		      { "accept-encoding: identity", CODING_IDENTITY },
		      { "accept-encoding: br;q=0, gzip", CODING_GZIP },
		      { "accept-encoding: *", CODING_BROTLI },
		      { "accept-encoding: gzip;q=0", CODING_IDENTITY },
		      { "accept-encoding: br;q=0.1, gzip;q=0.9", CODING_GZIP },
		      { "accept-encoding: ", CODING_IDENTITY },
		      { "accept-encoding: *;q=0", CODING_IDENTITY },
		      { "accept-encoding: GZIP;Q=0.5", CODING_GZIP },
		      { "accept-encoding: gzip; q=0.000", CODING_IDENTITY } };
	struct node *node = *state;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++)
		assert_int_equal(ASK("GET", "/api/projets/", cases[i].header)->reply.coding, cases[i].coding);
	assert_int_equal(ASK("GET", "/api/projets/")->reply.coding, CODING_IDENTITY);
}

/* ---- memory ---- */

static void test_dispatch__without_memory(void **state)
{
	static const char *const targets[] = {
		"/api/projets/", "/api/projets/1/", "/api/contents/?page=1", "/api/", "/api/projets", "/no/"
	};
	struct node *node = *state;

	add_projects(node, 1, 2);
	for (size_t i = 0; i < N_ELEMENTS(targets); i++) {
		int good = ASK("GET", targets[i])->reply.status, failures = 0;

		for (int n = 1; n <= 60; n++) {
			stale_after(node->cache, &(struct redis_budget){ US_PER_S }, CHANGE_PROJECT, 1);
			stale_after(node->cache, &(struct redis_budget){ US_PER_S }, CHANGE_CONTENT, 1);
			node_request(node, "GET", targets[i], NULL);
			fault_arm(FAULT_ALLOC, n, /* repeat: */ false);
			assert_int_equal(dispatch(node->req), DISPATCH_ANSWERED);
			fault_disarm_all();
			if (node->req->reply.status != good && node->req->reply.status != 500)
				fail_msg("%s: %d at allocation %d", targets[i], node->req->reply.status, n);
			failures += node->req->reply.status == 500;
		}
		assert_true(failures > 0 && failures < 60);
	}
}

#define CASE(name)            cmocka_unit_test_setup_teardown(test_dispatch__##name, open_development, close_node)
#define PRODUCTION_CASE(name) cmocka_unit_test_setup_teardown(test_dispatch__##name, open_production, close_node)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(preflight_comes_before_all),
		PRODUCTION_CASE(preflight_comes_before_all),
		CASE(preflight_of_a_foreign_origin),
		CASE(only_options_is_a_preflight),
		CASE(an_allowed_origin_is_named_in_every_answer),
		CASE(a_bad_host_is_refused_everywhere_but_at_the_probes),
		CASE(a_request_without_host_is_refused),
		CASE(a_path_that_is_not_text),
		PRODUCTION_CASE(production_redirects_to_https),
		PRODUCTION_CASE(a_bad_host_is_not_redirected),
		PRODUCTION_CASE(probes_are_not_redirected),
		PRODUCTION_CASE(a_trusted_proxy_tells_the_scheme),
		PRODUCTION_CASE(production_answers_over_https),
		CASE(development_neither_redirects_nor_pins),
		CASE(a_missing_slash),
		CASE(no_redirect_leaves_the_host),
		CASE(unknown_paths),
		CASE(a_doubled_api_counts_once),
		CASE(paths_are_decoded),
		CASE(negotiation),
		CASE(format),
		CASE(negotiation_comes_before_permission_and_method),
		CASE(permission_comes_before_the_method),
		CASE(other_methods),
		CASE(outside_the_api_405_is_empty),
		CASE(options_describes_a_view),
		CASE(head_is_get),
		CASE(what_comes_later_answers_501),
		CASE(malformed_json_is_refused_before_the_handler),
		CASE(malformed_forms),
		CASE(charsets),
		CASE(other_types_are_refused),
		CASE(too_large_bodies),
		CASE(a_body_of_a_read_is_not_looked_at),
		CASE(refusals_of_the_transport),
		CASE(probes),
		CASE(health),
		CASE(metrics_are_for_this_machine),
		cmocka_unit_test_setup_teardown(test_dispatch__metrics_with_a_token, open_with_metrics_token, close_node),
		CASE(the_index_names_this_host),
		CASE(constants_have_an_etag),
		CASE(reads_of_a_row),
		CASE(search),
		CASE(engagements_of_a_request),
		CASE(contents_as_array_or_page),
		CASE(a_database_that_is_away),
		CASE(a_list_is_cached_until_it_is_stale),
		CASE(a_hit_asks_no_database),
		CASE(a_cached_list_grows_old),
		CASE(conditional_requests),
		CASE(each_origin_sees_itself),
		CASE(a_body_without_urls_is_shared),
		CASE(only_the_plain_forms_of_contents_are_cached),
		CASE(pages_are_cached_until_they_are_stale),
		CASE(links_of_a_cached_page_are_the_callers),
		CASE(a_page_that_is_not_there_is_not_kept),
		CASE(codings),
		CASE(without_memory),
	};

	log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO); /* errors are provoked here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
