#include "realtime/protocol.h"

#include <string.h>

#include "realtime/protocol_impl.h"
#include "tests/lib/test.h"

#define REASON_MAX 123 /* of a close frame: RFC 6455 section 5.5 */

static void test_protocol__closes(void **state)
{
	(void)state;
	for (int i = CLOSE_NONE + 1; i < CLOSES; i++) {
		const struct close_row *row = &closes[i];

		assert_in_range(row->code, 1000, 4999);
		assert_true(row->code <= 1015 || row->code >= 4000);
		assert_in_range(strlen(row->reason), 1, REASON_MAX);
		assert_true(*row->meaning);
		for (int k = CLOSE_NONE + 1; k < i; k++) {
			assert_true(closes[k].code <= row->code); /* as they are listed */
			assert_string_not_equal(closes[k].reason, row->reason);
		}
	}
}

/* Follows "#/a/b". */
static json_t *follow(json_t *root, const char *reference)
{
	struct str rest = str_of(reference), name;

	assert_true(str_split(&rest, '/', &name) && str_is(name, "#"));
	while (root && str_split(&rest, '/', &name))
		root = json_object_getn(root, name.s, name.len);
	return root;
}

static const char *reference_of(const json_t *value)
{
	return json_string_value(json_object_get(value, "$ref"));
}

static void check_operation(json_t *document, const json_t *operation)
{
	json_t *channel = follow(document, reference_of(json_object_get(operation, "channel"))), *one;
	size_t i;

	assert_non_null(channel);
	assert_true(json_array_size(json_object_get(operation, "messages")) > 0);
	json_array_foreach(json_object_get(operation, "messages"), i, one)
	{
		json_t *in_channel = follow(document, reference_of(one));
		json_t *message = follow(document, reference_of(in_channel));
		json_t *properties = json_object_get(json_object_get(message, "payload"), "properties");

		assert_string_equal(json_object_iter_key(json_object_iter(properties)), "type"); /* it comes first */
		assert_string_equal(json_string_value(json_object_get(json_object_get(properties, "type"), "const")),
		                    json_string_value(json_object_get(message, "name")));
	}
}

static void test_protocol__the_document(void **state)
{
	struct settings settings = { .realtime_rate = 17, .realtime_max_message_bytes = INT64_C(1) << 40 };
	json_t *document = protocol_describe(&settings), *row;
	const char *name;
	size_t i;

	(void)state;
	assert_non_null(document);
	json_object_foreach(json_object_get(document, "operations"), name, row) check_operation(document, row);
	assert_int_equal(json_array_size(json_object_get(document, "x-closes")), CLOSES - 1);
	json_array_foreach(json_object_get(document, "x-limits"), i, row)
	{
		json_int_t value = json_integer_value(json_object_get(row, "value"));

		name = json_string_value(json_object_get(row, "setting"));
		assert_int_equal(value, strcmp(name, "REALTIME_RATE") == 0                ? 17
		                        : strcmp(name, "REALTIME_MAX_MESSAGE_BYTES") == 0 ? INT64_C(1) << 40
		                                                                          : 0);
	}
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protocol__closes),
		cmocka_unit_test(test_protocol__the_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
