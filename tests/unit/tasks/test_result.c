/* What is stored, member by member, and errors as Python shows them. */
#include "tasks/result.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/lib/test.h"

static json_t *written(const struct result *result)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	json_t *json;

	result_write(&text, result);
	json = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	if (!json)
		fail_msg("%s", text.data);
	return json;
}

static void assert_member(const json_t *json, const char *name, const char *expected)
{
	json_t *value = json_loads(expected, JSON_DECODE_ANY, NULL);

	if (!json_equal(json_object_get(json, name), value))
		fail_msg("%s: %s", name, json_dumps(json, 0));
	json_decref(value);
}

static void test_result__success(void **state)
{
	const struct result result = { .state = RESULT_SUCCESS,
		                       .value = STR("{\"n\": 1}"),
		                       .id = STR("a"),
		                       .group = STR("g"),
		                       .parent_id = STR("p"),
		                       .children = { STR("b"), STR("c") },
		                       .n_children = 2 };
	json_t *json = written(&result);
	struct instant done;

	assert_int_equal(json_object_size(json), 8);
	assert_member(json, "status", "\"SUCCESS\"");
	assert_member(json, "result", "{\"n\": 1}");
	assert_member(json, "traceback", "null");
	assert_member(json, "children", "[[[\"b\", null], null], [[\"c\", null], null]]");
	assert_member(json, "task_id", "\"a\"");
	assert_member(json, "group_id", "\"g\"");
	assert_member(json, "parent_id", "\"p\"");
	assert_true(clock_parse(message_text(json, "date_done"), &done) && clock_now().us - done.us < 10 * US_PER_S);
	json_decref(json);
}

static void test_result__errors(void **state)
{
	static const struct {
		enum result_state state;
		const char *module, *type, *message, *status, *stored, *shown;
	} cases[] = {
		{ RESULT_FAILURE, "builtins", "ValueError", "n'est pas \"un\"", "\"FAILURE\"", "[\"n'est pas \\\"un\\\"\"]",
		  "ValueError(\"n'est pas \\\"un\\\"\")" },
		{ RESULT_RETRY, "builtins", "ConnectionError", "attempt 0", "\"RETRY\"", "[\"attempt 0\"]",
		  "ConnectionError('attempt 0')" },
		{ RESULT_FAILURE, "billiard.exceptions", "TimeLimitExceeded", "1.5", "\"FAILURE\"", "[1.5]", "TimeLimitExceeded(1.5)" },
		{ RESULT_FAILURE, "billiard.exceptions", "SoftTimeLimitExceeded", "x", "\"FAILURE\"", "[]", "SoftTimeLimitExceeded()" },
		{ RESULT_REVOKED, "celery.exceptions", "TaskRevokedError", "expired", "\"REVOKED\"", "[\"expired\"]",
		  "TaskRevokedError('expired')" },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		CLEANUP(buf_finish) struct buf shown = BUF_EMPTY;
		const struct task_error error = result_error(cases[i].module, cases[i].type, "%s", cases[i].message);
		const struct result result = {
			.state = cases[i].state, .error = &error, .id = STR("a"), .outside = i == 4, .with_traceback = i == 0
		};
		json_t *json = written(&result);
		const json_t *stored = json_object_get(json, "result");

		assert_member(json, "status", cases[i].status);
		assert_member(stored, "exc_message", cases[i].stored);
		assert_true(str_is(message_text(stored, "exc_type"), cases[i].type));
		assert_true(str_is(message_text(stored, "exc_module"), cases[i].module));
		assert_member(json, "children", i == 4 ? "null" : "[]");
		assert_true(json_is_string(json_object_get(json, "traceback")) == (i == 0));
		assert_true(json_is_null(json_object_get(json, "date_done")) == (cases[i].state == RESULT_RETRY));
		json_decref(json);
		result_add_exception(&shown, &error);
		assert_string_equal(shown.data, cases[i].shown);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_result__success),
		cmocka_unit_test(test_result__errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
