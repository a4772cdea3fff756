/* Routes of measures, alerts, audit journal and security reports; caller 1 is staff. */
#include "domain/token.h"
#include "tests/unit/api/node.h"

#define SECRET "0123456789012345678901234567890123456789012345678901"
#define JSON   "content-type: application/json"

static int open_node(void **state)
{
	struct node *node = node_open((const char *const[]){ "DJANGO_SECRET_KEY=" SECRET, "DEBUG=1", NULL });

	node_write(node, "INSERT INTO auth_user (id, password, is_superuser, is_staff, is_active, username, last_name, email, date_joined, "
	                 "first_name) VALUES (1, 'argon2x', TRUE, TRUE, TRUE, 'ana', '', '', '2026-01-05 00:00:00', '')");
	*state = node;
	return 0;
}

static int close_node(void **state)
{
	node_close(*state);
	return 0;
}

static const char *staff(void)
{
	static char text[1000];
	struct arena arena;
	struct token token;

	arena_init(&arena, 1 << 20);
	assert_int_equal(token_issue((struct str)STR(SECRET), TOKEN_ACCESS, 1, clock_now(), 600, &arena, &token), 0);
	snprintf(text, sizeof(text), "authorization: Bearer %.*s", STR_ARG(token.text));
	arena_finish(&arena);
	return text;
}

static void post(struct node *node, const char *target, const char *body, int status)
{
	static char header[31000];
	struct request *req;

	snprintf(header, sizeof(header), "body: %s", body);
	req = ASK("POST", target, JSON, header);
	if (req->reply.status != status)
		fail_msg("%s %s: %d %.*s", target, body, req->reply.status, STR_ARG(answer(req)));
	if (status == 400)
		assert_answer(req, 400, "detail");
}

/* The rows that a query over the tables finds, as one number. */
static int64_t ask_number(struct node *node, const char *sql)
{
	int64_t n = -1;

	measures_settle(node->measures, 10 * US_PER_S);
	assert_int_equal(db_select_int(node->executor.db, sql, DB_NO_PARAMS, &n), 0);
	return n;
}

#define METRICS "/api/analytics/metrics/"
#define ALERTS  "/api/monitoring/alerts/"

static void test_monitoring__what_a_measure_may_be(void **state)
{
	struct node *node = *state;
	static const char *const good[] = {
		"{\"metric\": \"CLS\", \"value\": 0}", "{\"metric\": \"CLS\", \"value\": \" 0.24 \"}",
		"{\"metric\": 5, \"value\": -1e3, \"timestamp\": 5, \"metadata\": null, \"url\": 5}",
		"{\"metric\": \"x\", \"value\": 1, \"timestamp\": \"hier\", \"metadata\": [1], \"url\": \"\"}"
	};
	static const char *const bad[] = { "{}",
		                           "{\"metric\": \"CLS\"}",
		                           "{\"metric\": \"CLS\", \"value\": null}",
		                           "{\"metric\": \"\", \"value\": 1}",
		                           "{\"metric\": 0, \"value\": 1}",
		                           "{\"metric\": null, \"value\": 1}",
		                           "{\"metric\": [1], \"value\": 1}",
		                           "{\"metric\": \"a\\u0000\", \"value\": 1}",
		                           "{\"metric\": \"CLS\", \"value\": \"abc\"}",
		                           "{\"metric\": \"CLS\", \"value\": \"nan\"}",
		                           "{\"metric\": \"CLS\", \"value\": \"1e999\"}",
		                           "{\"metric\": \"CLS\", \"value\": 1e999}",
		                           "{\"metric\": \"CLS\", \"value\": true}",
		                           "{\"metric\": \"CLS\", \"value\": [1]}",
		                           "{\"metric\": \"CLS\", \"value\": 1, \"url\": true}",
		                           "{\"metric\": \"CLS\", \"value\": 1, \"metadata\": {\"a\": \"\\u0000\"}}",
		                           "[1]",
		                           "null",
		                           "{" };

	for (size_t i = 0; i < N_ELEMENTS(good); i++)
		post(node, METRICS, good[i], 201);
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		post(node, METRICS, bad[i], 400);
	assert_int_equal(ASK("POST", METRICS, "content-type: text/plain", "body: x")->reply.status, 415);
	assert_int_equal(
	        ASK("POST", METRICS, "content-type: application/x-www-form-urlencoded", "body: metric=FCP&value=3&url=%2F")->reply.status,
	        201);
	assert_int_equal(ask_number(node, "SELECT count(*) FROM monitoring_performance_metric"), 5);
}

static void test_monitoring__what_is_kept_of_a_measure(void **state)
{
	struct node *node = *state;
	const char *body = "body: {\"metric\": \"Mienne\", \"value\": \"1.5\", \"metadata\": {\"a\": 1}, \"url\": \"/é\", \"timestamp\": "
	                   "\"2020-01-01\"}";
	struct request *req =
	        ASK("POST", METRICS, JSON, "peer: 127.0.0.1", "x-forwarded-for: 198.51.100.7", "user-agent: agent", staff(), body);

	assert_int_equal(req->reply.status, 201);
	assert_json(answer(req), "{\"id\": 1, \"status\": \"created\"}");
	assert_int_equal(
	        ask_number(node, "SELECT count(*) FROM monitoring_performance_metric WHERE metric_type = 'Custom' AND value = 1.5 AND url "
	                         "= '/é' AND user_id = 1 AND ip_address = '198.51.100.7' AND user_agent = 'agent' AND timestamp = "
	                         "'2020-01-01 00:00:00' AND json_extract(metadata, '$.metric') = 'Mienne' AND "
	                         "json_extract(metadata, '$.a') = 1"),
	        1);
	post(node, METRICS, "{\"metric\": \"x\", \"value\": 1, \"metadata\": {\"metric\": \"theirs\"}}", 201);
	post(node, METRICS, "{\"metric\": \"y\", \"value\": 1, \"metadata\": [2]}", 201);
	post(node, METRICS, "{\"metric\": \"z\", \"value\": 1}", 201);
	assert_int_equal(ask_number(node, "SELECT count(*) FROM monitoring_performance_metric WHERE json_extract(metadata, '$.metric') IN "
	                                  "('theirs', 'y', 'z') AND user_id IS NULL"),
	                 3);
}

static void test_monitoring__sizes_are_bounded(void **state)
{
	struct node *node = *state;
	static char text[9000], body[30000];

	memset(text, 'm', 8900);
	snprintf(body, sizeof(body), "{\"metric\": \"CLS\", \"value\": 1, \"metadata\": \"%s\"}", text);
	post(node, METRICS, body, 400);
	text[3000] = '\0';
	snprintf(body, sizeof(body), "{\"message\": \"%s\", \"url\": \"%s\", \"metadata\": \"%s\"}", text, text, text);
	post(node, ALERTS, body, 201);
	snprintf(body, sizeof(body), "{\"metric\": \"%s\", \"value\": 1}", text);
	post(node, METRICS, body, 201);
	assert_int_equal(ask_number(node, "SELECT count(*) FROM monitoring_alert WHERE length(message) = 2000 AND length(url) = 500"), 1);
	assert_int_equal(
	        ask_number(node,
	                   "SELECT count(*) FROM monitoring_performance_metric WHERE length(json_extract(metadata, '$.metric')) = 50"),
	        1);
	assert_int_equal(dispatch_body_limit(node_request(node, "POST", METRICS "?a=1", NULL)), 65536);
	assert_int_equal(dispatch_body_limit(node_request(node, "POST", "/api/api/monitoring/alerts/", NULL)), 65536);
	assert_int_equal(dispatch_body_limit(node_request(node, "POST", "/api/projets/", NULL)), 2621440);
}

static void test_monitoring__what_an_alert_may_be(void **state)
{
	struct node *node = *state;

	post(node, ALERTS, "{\"message\": \"x\", \"level\": \"critical\"}", 201);
	post(node, ALERTS, "{\"message\": \"x\", \"level\": \"panique\"}", 201);
	post(node, ALERTS, "{\"message\": \"x\", \"level\": null}", 201);
	post(node, ALERTS, "{\"message\": 5}", 201);
	post(node, ALERTS, "{\"message\": \"\"}", 400);
	post(node, ALERTS, "{\"message\": null}", 400);
	post(node, ALERTS, "{\"message\": {}}", 400);
	post(node, ALERTS, "{\"message\": \"x\", \"level\": 5}", 201);
	post(node, ALERTS, "{}", 400);
	post(node, ALERTS, "\"x\"", 400);
	assert_int_equal(ask_number(node, "SELECT count(*) FROM monitoring_alert WHERE level = 'info' AND resolved = FALSE"), 4);
	assert_int_equal(ask_number(node, "SELECT count(*) FROM monitoring_alert WHERE level = 'critical'"), 1);
}

static void test_monitoring__staff_read_what_has_just_come(void **state)
{
	struct node *node = *state;
	struct request *req;

	post(node, METRICS, "{\"metric\": \"CLS\", \"value\": 1}", 201);
	post(node, METRICS, "{\"metric\": \"CLS\", \"value\": 2}", 201);
	post(node, ALERTS, "{\"message\": \"x\", \"level\": \"error\"}", 201);
	req = ASK("GET", "/api/monitoring/metrics/stats/?hours=1", staff());
	assert_int_equal(req->reply.status, 200);
	assert_non_null(memmem(answer(req).s, answer(req).len,
	                       "\"CLS\":{\"name\":\"Cumulative Layout Shift\",\"count\":2,\"avg\":1.5,\"min\":1.0,\"max\":2.0}", 80));
	req = ASK("GET", "/api/monitoring/alerts/list/?level=error", staff());
	assert_non_null(memmem(answer(req).s, answer(req).len, "{\"count\":1,\"alerts\":[{\"id\":1,", 28));
	assert_int_equal(ASK("PATCH", "/api/monitoring/alerts/1/", staff())->reply.status, 200);
	assert_int_equal(ASK("PATCH", "/api/monitoring/alerts/2/", staff())->reply.status, 404);
	assert_int_equal(ASK("PATCH", "/api/monitoring/alerts/abc/", staff())->reply.status, 404);
	assert_int_equal(ASK("PATCH", "/api/monitoring/alerts/list/", staff())->reply.status, 404);
	assert_int_equal(ASK("PATCH", "/api/monitoring/alerts/1/")->reply.status, 403);
	req = ASK("GET", "/api/monitoring/alerts/list/?resolved=TRUE", staff());
	assert_non_null(memmem(answer(req).s, answer(req).len, "\"count\":1", 9));
	req = ASK("GET", "/api/monitoring/alerts/list/", staff());
	assert_json(answer(req), "{\"count\": 0, \"alerts\": []}");
}

static void test_monitoring__hours_are_a_whole_number(void **state)
{
	struct node *node = *state;
	static const char *const bad[] = { "abc", "1.5", "876001", "-876001", "99999999999999999999", "" };
	static const char *const good[] = { "0", "-5", "876000", "-876000", "%2B3" };
	char target[100];

	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		snprintf(target, sizeof(target), "/api/monitoring/alerts/list/?hours=%s", bad[i]);
		assert_answer(ASK("GET", target, staff()), 400, "detail");
	}
	for (size_t i = 0; i < N_ELEMENTS(good); i++) {
		snprintf(target, sizeof(target), "/api/monitoring/metrics/stats/?hours=%s&metric_type=rien", good[i]);
		assert_int_equal(ASK("GET", target, staff())->reply.status, 200);
	}
}

static void test_monitoring__security_reports(void **state)
{
	struct node *node = *state;
	struct request *req = ASK("GET", "/api/security/audit/", staff());
	json_t *json = parse(answer(req)), *checks = json_object_get(json, "checks");

	assert_int_equal(json_integer_value(json_object_get(json_object_get(checks, "admin_accounts"), "count")), 1);
	assert_string_equal(json_string_value(json_object_get(json_object_get(checks, "weak_passwords"), "status")), "ok");
	json_decref(json);
	req = ASK("GET", "/api/security/metrics/", staff());
	json = parse(answer(req));
	assert_string_equal(json_string_value(json_object_get(json, "cache_status")), "ok");
	assert_string_equal(json_string_value(json_object_get(json, "database_status")), "ok");
	assert_true(json_is_false(json_object_get(json, "rate_limiting_active")));
	assert_true(json_is_true(json_object_get(json, "csp_enabled")));
	assert_true(json_is_false(json_object_get(json, "https_enforced")));
	assert_int_equal(json_object_size(json), 6); /* nothing of Redis: nothing is down */
	json_decref(json);
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	req = node_request(node, "GET", "/api/security/audit/", NULL);
	req->worker = &node->executor;
	req->route = routes_find(TEXT("/api/security/audit/"), req->params)->routes;
	req->route->handler(req);
	assert_true(req->reply.status >= 500);
	fault_disarm_all();
}

static void test_monitoring__the_audit_journal(void **state)
{
	struct node *node = *state;
	struct request *req;

	node_write(node, "INSERT INTO core_auditlog (id, actor_id, action, target_type, target_id, metadata, created_at) VALUES (1, 1, "
	                 "'poll_open', 'poll', '1', '{\"x\": 1}', '2026-01-05 00:00:00'), (2, NULL, 'a', 't', '', '{}', '2026-01-06 "
	                 "00:00:00')");
	req = ASK("GET", "/api/audit/logs/1/", staff());
	assert_json(answer(req),
	            "{\"id\": 1, \"actor\": {\"id\": 1, \"username\": \"ana\", \"email\": \"\", \"first_name\": \"\", \"last_name\": "
	            "\"\"}, \"action\": \"poll_open\", \"target_type\": \"poll\", \"target_id\": \"1\", \"metadata\": {\"x\": 1}, "
	            "\"created_at\": \"2026-01-05T00:00:00+00:00\"}");
	req = ASK("GET", "/api/audit/logs/2/", staff());
	assert_non_null(memmem(answer(req).s, answer(req).len, "\"actor\":null", 12));
	assert_int_equal(ASK("GET", "/api/audit/logs/3/", staff())->reply.status, 404);
	assert_int_equal(ASK("GET", "/api/audit/logs/abc/", staff())->reply.status, 404);
	assert_int_equal(ASK("GET", "/api/audit/logs/99999999999999999999/", staff())->reply.status, 404);
	assert_int_equal(ASK("DELETE", "/api/audit/logs/1/", staff())->reply.status, 405);
	assert_int_equal(ASK("GET", "/api/audit/logs/1/")->reply.status, 403);
	req = ASK("GET", "/api/audit/logs/", staff());
	assert_non_null(memmem(answer(req).s, answer(req).len, "{\"count\":2,\"next\":null,\"previous\":null,\"results\":[{\"id\":2,", 58));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_node, close_node)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_monitoring__what_a_measure_may_be),
		CASE(test_monitoring__what_is_kept_of_a_measure),
		CASE(test_monitoring__sizes_are_bounded),
		CASE(test_monitoring__what_an_alert_may_be),
		CASE(test_monitoring__staff_read_what_has_just_come),
		CASE(test_monitoring__hours_are_a_whole_number),
		CASE(test_monitoring__security_reports),
		CASE(test_monitoring__the_audit_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
