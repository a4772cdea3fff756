/* What critical alerts look like. */
#include "tasks/alert.h"

#include "base/cleanup.h"
#include "tests/lib/test.h"

#define WORD(s) ((struct str)STR(s))
#define TIME    "2026-11-26T08:00:00+00:00"

static void assert_form(void (*add)(struct buf *, const struct alert_view *), struct alert_view alert, const char *payload,
                        const char *expected)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	json_t *json = json_loads(payload, 0, NULL);

	assert_non_null(json);
	alert.payload = json;
	alert.prefix = WORD("[URGENT] EGOEJO");
	alert.timestamp = WORD(TIME);
	add(&b, &alert);
	assert_false(b.failed);
	assert_string_equal(b.len ? b.data : "", expected);
	json_decref(json);
}

static const struct alert_view with_key = { .title = STR("REDIS UNAVAILABLE"), .dedupe_key = STR("redis_down:cache") };
static const struct alert_view without_key = { .title = STR("Été") };

static void test_alert__a_mail(void **state)
{
	assert_form(alert_add_subject, with_key, "{}", "[URGENT] EGOEJO REDIS UNAVAILABLE");
	assert_form(alert_add_text, with_key, "{\"username\": \"Élie\", \"delta\": -5, \"more\": [1, null], \"ok\": true}",
	            "REDIS UNAVAILABLE\n\n{\n  \"username\": \"Élie\",\n  \"delta\": -5,\n  \"more\": [\n    1,\n    null\n  ],\n  \"ok\": "
	            "true\n}\n\n"
	            "username: Élie\ndelta: -5\nmore: [1, null]\nok: true\n\nTimestamp: " TIME "\nDedupe key: redis_down:cache\n");
	assert_form(alert_add_text, without_key, "{}", "Été\n\n{}\n\n\nTimestamp: " TIME "\nDedupe key: N/A\n");
}

static void test_alert__a_subject_is_one_line_of_bounded_length(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	struct alert_view alert = { .prefix = STR("p\r\n"), .title = STR("a\nBcc: b@c.d\r") };
	char title[2001];

	alert_add_subject(&b, &alert);
	assert_string_equal(b.data, "p   a Bcc: b@c.d ");
	for (int i = 0; i < 2000; i += 2)
		snprintf(title + i, 3, "é");
	alert.title = str_of(title);
	buf_clear(&b);
	alert_add_subject(&b, &alert);
	assert_int_equal(b.len, 4 + 2 * 200);
}

static void test_alert__the_generic_form(void **state)
{
	assert_form(alert_add_generic, with_key, "{\"usage\": \"cache\", \"n\": 1}",
	            "{\"title\": \"REDIS UNAVAILABLE\", \"payload\": {\"usage\": \"cache\", \"n\": 1}, \"timestamp\": \"" TIME
	            "\", \"dedupe_key\": "
	            "\"redis_down:cache\", \"source\": \"egoejo_critical_alert\"}");
	assert_form(alert_add_generic, without_key, "{}",
	            "{\"title\": \"Été\", \"payload\": {}, \"timestamp\": \"" TIME
	            "\", \"dedupe_key\": null, \"source\": \"egoejo_critical_alert\"}");
}

#define HEADER(t) \
	"{\"type\": \"header\", \"text\": {\"type\": \"plain_text\", \"text\": \"[URGENT] EGOEJO " t "\"}}, {\"type\": \"divider\"}, "
#define LABEL     "{\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \"*Payload:*\"}}, "
#define FENCED(t) "{\"type\": \"section\", \"text\": {\"type\": \"mrkdwn\", \"text\": \"```" t "```\"}}, "
#define CONTEXT(k) \
	"{\"type\": \"context\", \"elements\": [{\"type\": \"mrkdwn\", \"text\": \"*Timestamp:* " TIME " | *Dedupe key:* " k "\"}]}]}"

static void test_alert__the_form_of_slack(void **state)
{
	assert_form(
	        alert_add_slack, with_key, "{\"user_id\": 7, \"other\": 1, \"username\": \"é\"}",
	        "{\"text\": \"[URGENT] EGOEJO REDIS UNAVAILABLE\", \"blocks\": [" HEADER(
	                "REDIS UNAVAILABLE") "{\"type\": \"section\", \"fields\": [{\"type\": \"mrkdwn\", \"text\": \"*user_id:* 7\"}, "
	                                     "{\"type\": \"mrkdwn\", \"text\": \"*username:* é\"}]}, " LABEL FENCED(
	                                             "{\\n  \\\"user_id\\\": 7,\\n  \\\"other\\\": 1,\\n  \\\"username\\\": \\\"é\\\"\\n}")
	                                             CONTEXT("redis_down:cache"));
}

static void test_alert__without_fields_there_is_no_section_of_them(void **state)
{
	assert_form(alert_add_slack, without_key, "{}",
	            "{\"text\": \"[URGENT] EGOEJO Été\", \"blocks\": [" HEADER("Été") LABEL FENCED("{}") CONTEXT("N/A"));
}

static void test_alert__nothing_calls_everybody_or_leaves_the_fence(void **state)
{
	struct alert_view alert = { .title = STR("<!channel> & co"), .dedupe_key = STR("<!here>") };

	assert_form(
	        alert_add_slack, alert, "{\"username\": \"<!everyone>\", \"x\": \"```\"}",
	        "{\"text\": \"[URGENT] EGOEJO &lt;!channel&gt; &amp; co\", \"blocks\": [" HEADER(
	                "<!channel> & co") "{\"type\": \"section\", \"fields\": [{\"type\": \"mrkdwn\", \"text\": \"*username:* "
	                                   "&lt;!everyone&gt;\"}]}, " LABEL FENCED("{\\n  \\\"username\\\": \\\"&lt;!everyone&gt;\\\",\\n  "
	                                                                           "\\\"x\\\": \\\"'''\\\"\\n}") CONTEXT("&lt;!here&gt;"));
}

/* The longest text of an mrkdwn, in characters. */
static size_t longest_text(const json_t *blocks)
{
	const char *text;
	size_t i, n, longest = 0;
	const json_t *block;

	json_array_foreach(blocks, i, block)
	{
		text = json_string_value(json_object_get(json_object_get(block, "text"), "text"));
		n = text ? str_count_chars(str_of(text)) : 0;
		longest = n > longest ? n : longest;
	}
	return longest;
}

static void test_alert__the_limits_of_slack_hold(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	struct alert_view alert = { .prefix = STR("p"), .timestamp = STR(TIME), .dedupe_key = STR("k") };
	char title[801], value[8001];
	json_t *payload, *slack;

	for (int i = 0; i < 800; i += 2)
		snprintf(title + i, 3, "é");
	for (int i = 0; i < 8000; i += 4)
		snprintf(value + i, 5, "&aé");
	alert.title = str_of(title);
	payload = json_pack("{s:s, s:i}", "username", value, "user_id", 1);
	alert.payload = payload;
	alert_add_slack(&b, &alert);
	slack = json_loadb(b.data, b.len, 0, NULL);
	assert_non_null(slack);
	assert_in_range(longest_text(json_object_get(slack, "blocks")), 2996, 3000); /* an entity is whole or not there */
	assert_int_equal(str_count_chars(str_of(json_string_value(
	                         json_object_get(json_object_get(json_array_get(json_object_get(slack, "blocks"), 0), "text"), "text")))),
	                 150);
	assert_null(strstr(b.data, "&am```"));
	json_decref(slack);
	json_decref(payload);
}

static void test_alert__what_the_row_keeps(void **state)
{
	assert_form(alert_add_excerpt, with_key, "{\"detection_method\": \"m\", \"secret\": 1, \"user_id\": null, \"delta\": 3}",
	            "{\"user_id\": null, \"delta\": 3, \"detection_method\": \"m\"}");
	assert_form(alert_add_excerpt, with_key, "{\"usage\": 1}", "");
	assert_form(alert_add_fingerprint, with_key, "{}", "redis_down:cache");
	assert_form(alert_add_fingerprint, without_key, "{}", "Été:" TIME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alert__a_mail),
		cmocka_unit_test(test_alert__a_subject_is_one_line_of_bounded_length),
		cmocka_unit_test(test_alert__the_generic_form),
		cmocka_unit_test(test_alert__the_form_of_slack),
		cmocka_unit_test(test_alert__without_fields_there_is_no_section_of_them),
		cmocka_unit_test(test_alert__nothing_calls_everybody_or_leaves_the_fence),
		cmocka_unit_test(test_alert__the_limits_of_slack_hold),
		cmocka_unit_test(test_alert__what_the_row_keeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
