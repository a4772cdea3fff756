/* Messages read, refused with a reason, tried again, put back. What is read is what the writer of db/ wrote. */
#include "tasks/message.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "db/task_message.h"
#include "tests/lib/test.h"

static const struct task_message full = {
	.name = STR("core.tasks.send_email_task"),
	.id = STR("11111111-1111-4111-8111-111111111111"),
	.args = STR("[\"zoé@example.org\", null]"),
	.kwargs = STR("{\"nom\": \"Zoé ✓\", \"n\": [1]}"),
	.queue = STR("mail"),
	.priority = 5,
	.eta = { 1795392000000000 },
	.expires = { 1795392000500000 },
	.root_id = STR("22222222-2222-4222-8222-222222222222"),
	.parent_id = STR("33333333-3333-4333-8333-333333333333"),
	.ignore_result = true,
	.from_beat = true,
};

static struct message written(const struct task_message *m)
{
	struct buf envelope = BUF_EMPTY;
	struct message read = { 0 };
	struct error why = { 0 };

	assert_int_equal(task_message_write(&envelope, m), 0);
	if (message_parse(buf_view(&envelope), &read, &why) < 0)
		fail_msg("%s", why.text);
	buf_finish(&envelope);
	return read;
}

static void test_message__what_is_written_is_read(void **state)
{
	struct message m = written(&full);

	assert_true(str_equal(m.task, full.name) && str_equal(m.id, full.id) && str_equal(m.queue, full.queue));
	assert_true(str_equal(m.root_id, full.root_id) && str_equal(m.parent_id, full.parent_id) && !m.group.s);
	assert_true(m.eta.us == full.eta.us && m.expires.us == full.expires.us);
	assert_true(m.priority == 5 && m.retries == 0 && m.ignore_result && m.from_beat && !m.redelivered);
	assert_true(m.soft_limit_us == NULL_INT && m.hard_limit_us == NULL_INT);
	assert_true(str_is(m.args_repr, "('zoé@example.org', None)"));
	assert_true(str_is(m.kwargs_repr, "{'nom': 'Zoé ✓', 'n': [1]}"));
	assert_int_equal(json_array_size(m.args), 2);
	assert_string_equal(json_string_value(json_object_get(m.kwargs, "nom")), "Zoé ✓");
	message_finish(&m);
	m = written(&TASK_MESSAGE(.name = STR("x")));
	assert_true(m.id.len == 36 && str_equal(m.root_id, m.id) && m.tag.len == 36 && str_is(m.queue, TASK_QUEUE) && !m.from_beat);
	message_finish(&m);
}

static void test_message__tried_again(void **state)
{
	CLEANUP(buf_finish) struct buf text = BUF_EMPTY;
	struct message first = written(&full), again = { 0 };

	assert_int_equal(message_add_retry(&text, &first, (struct instant){ 1795392060000000 }), 0);
	assert_int_equal(message_parse(buf_view(&text), &again, NULL), 0);
	assert_true(again.retries == 1 && again.eta.us == 1795392060000000 && again.expires.us == full.expires.us);
	assert_true(str_equal(again.id, full.id) && str_equal(again.parent_id, full.id) && str_equal(again.root_id, full.root_id));
	assert_false(str_equal(again.tag, first.tag));
	assert_true(json_equal(again.body, first.body));
	message_finish(&first);
	message_finish(&again);
}

static void test_message__put_back(void **state)
{
	struct message m = written(&full);

	for (int i = 1; i <= 3; i++) {
		CLEANUP(buf_finish) struct buf text = BUF_EMPTY;

		assert_int_equal(message_add_restored(&text, &m, i != 2), 0);
		message_finish(&m);
		assert_int_equal(message_parse(buf_view(&text), &m, NULL), 0);
		assert_true(m.redelivered);
		assert_int_equal(m.redeliveries, i < 3 ? 1 : 2);
	}
	message_finish(&m);
}

/* An envelope with one part changed. */
static struct str envelope_with(char text[1024], const char *body, const char *type, const char *headers, const char *properties)
{
	int n = snprintf(text, 1024, "{\"body\": \"%s\", \"content-type\": \"%s\", \"headers\": %s, \"properties\": %s}", body, type,
	                 headers, properties);

	return (struct str){ text, (size_t)n };
}

#define BODY       "W1sxLDJdLHt9LHt9XQ==" /* [[1,2],{},{}] */
#define TYPE       "application/json"
#define HEADERS    "{\"task\": \"interop.add\", \"id\": \"a\"}"
#define PROPERTIES "{\"delivery_tag\": \"t\", \"delivery_info\": {}, \"body_encoding\": \"base64\"}"

static void test_message__the_smallest(void **state)
{
	char text[1024];
	struct message m = { 0 };

	assert_int_equal(message_parse(envelope_with(text, BODY, TYPE, HEADERS, PROPERTIES), &m, NULL), 0);
	message_finish(&m);
	/* a body that is plain text */
	assert_int_equal(message_parse(envelope_with(text, "[[1], {}, null]", TYPE, HEADERS,
	                                             "{\"delivery_tag\": \"t\", \"delivery_info\": {}, \"priority\": 99}"),
	                               &m, NULL),
	                 0);
	assert_int_equal(m.priority, 9);
	assert_int_equal(json_array_size(m.args), 1);
	message_finish(&m);
}

static void test_message__refused(void **state)
{
	static const struct {
		const char *body, *type, *headers, *properties, *reason;
	} cases[] = {
		{ "!!!", TYPE, HEADERS, PROPERTIES, "body is not base64" },
		{ "eyJhIjoxfQ==", TYPE, HEADERS, PROPERTIES, "body is not [args, kwargs, embed]" },
		{ "W1sxXSx7fV0=", TYPE, HEADERS, PROPERTIES, "body is not [args, kwargs, embed]" },
		{ BODY, "application/x-python-serialize", HEADERS, PROPERTIES, "content-type is not application/json" },
		{ BODY, TYPE, "{}", PROPERTIES, "no headers.task" },
		{ BODY, TYPE, "{\"task\": \"x\"}", PROPERTIES, "no headers.id" },
		{ BODY, TYPE, "{\"task\": \"x\", \"id\": \"a\", \"eta\": \"soon\"}", PROPERTIES, "headers.eta is not a time" },
		{ BODY, TYPE, HEADERS, "{}", "no properties.delivery_tag" },
		{ BODY, TYPE, HEADERS, "{\"delivery_tag\": \"t\"}", "no properties.delivery_info" },
	};
	char text[1024];

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct str envelope = envelope_with(text, cases[i].body, cases[i].type, cases[i].headers, cases[i].properties);
		struct message m = { 0 };
		struct error why = { 0 };

		assert_int_equal(message_parse(envelope, &m, &why), ERR_INVALID);
		assert_string_equal(why.text, cases[i].reason);
		assert_null(m.envelope);
	}
	for (const char *const *bad = (const char *const[]){ "", "not json", "[]", "{}", "{\"headers\": 1}", "\"\\ud800\"", NULL }; *bad;
	     bad++) {
		struct message m = { 0 };

		assert_int_equal(message_parse(str_of(*bad), &m, NULL), ERR_INVALID);
	}
}

static void test_message__arguments_shown_as_python_does(void **state)
{
	static const char *const cases[][2] = {
		{ "[]", "()" },
		{ "[1]", "(1,)" },
		{ "[true, null, [1, {}], \"it's\"]", "(True, None, [1, {}], \"it's\")" },
		{ "{\"a\": {\"b\": false}}", "{'a': {'b': False}}" },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		CLEANUP(buf_finish) struct buf text = BUF_EMPTY;

		task_message_add_repr(&text, str_of(cases[i][0]));
		assert_string_equal(text.data, cases[i][1]);
	}
}

static void test_message__what_python_takes_for_true(void **state)
{
	json_t *values = json_loads("{\"a\": true, \"b\": 1, \"c\": 0.5, \"d\": \"x\", \"e\": [0], \"f\": {\"g\": 0}, "
	                            "\"h\": false, \"i\": 0, \"j\": 0.0, \"k\": \"\", \"l\": [], \"m\": {}, \"n\": null}",
	                            0, NULL);

	for (char name[] = "a"; *name <= 'o'; (*name)++)
		assert_int_equal(message_truth(values, name), *name <= 'f');
	json_decref(values);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message__what_is_written_is_read),
		cmocka_unit_test(test_message__tried_again),
		cmocka_unit_test(test_message__put_back),
		cmocka_unit_test(test_message__the_smallest),
		cmocka_unit_test(test_message__refused),
		cmocka_unit_test(test_message__arguments_shown_as_python_does),
		cmocka_unit_test(test_message__what_python_takes_for_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
