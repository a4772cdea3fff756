#include "api/member.h"

#include "api/json_in.h"
#include "tests/unit/api/fixture.h"

static struct arena arena;
static struct body_value body;

static int begin(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int end(void **state)
{
	(void)state;
	body_finish(&body);
	arena_finish(&arena);
	return 0;
}

static void read_as(const char *type, const char *text)
{
	const char *why = NULL;

	body_finish(&body);
	assert_int_equal(body_read(str_of(type), str_of(text), &arena, &body, &why), 0);
}

static struct member member(const char *name)
{
	return body_member(&body, &arena, name);
}

static void test_member__kinds(void **state)
{
	(void)state;
	read_as("application/json",
	        "{\"t\": \"é\", \"e\": \"\", \"n\": 5, \"r\": 2.5, \"z\": null, \"b\": true, \"l\": [1], \"o\": {}, \"u\": \"a\\u0000b\"}");
	assert_true(body_is_object(&body));
	assert_int_equal(member("t").kind, MEMBER_TEXT);
	assert_text(member("t").text, "é");
	assert_text(member("e").text, "");
	assert_int_equal(member("n").kind, MEMBER_NUMBER);
	assert_text(member("n").text, "5");
	assert_true(member("n").number == 5);
	assert_text(member("r").text, "2.5");
	assert_true(member("r").number == 2.5);
	assert_int_equal(member("z").kind, MEMBER_NULL);
	assert_int_equal(member("b").kind, MEMBER_BOOL);
	assert_true(member("b").number == 1);
	assert_int_equal(member("l").kind, MEMBER_OTHER);
	assert_int_equal(member("o").kind, MEMBER_OTHER);
	assert_int_equal(member("u").kind, MEMBER_OTHER);
	assert_int_equal(member("absent").kind, MEMBER_ABSENT);
}

static void test_member__of_a_form_the_last(void **state)
{
	(void)state;
	read_as("application/x-www-form-urlencoded", "a=1&a=deux&b=");
	assert_true(body_is_object(&body));
	assert_text(member("a").text, "deux");
	assert_text(member("b").text, "");
	assert_int_equal(member("c").kind, MEMBER_ABSENT);
}

static void test_member__bodies_that_are_no_object(void **state)
{
	(void)state;
	read_as("application/json", "");
	assert_true(body_is_object(&body));
	assert_int_equal(member("a").kind, MEMBER_ABSENT);
	read_as("application/json", "[1]");
	assert_false(body_is_object(&body));
	assert_int_equal(member("a").kind, MEMBER_ABSENT);
	read_as("application/json", "null");
	assert_false(body_is_object(&body));
}

static void test_member__as_json(void **state)
{
	struct json_text json;

	(void)state;
	read_as("application/json", "{\"a\": {\"x\": [1, 2.5, \"é\"]}, \"n\": null, \"u\": {\"\\u0000\": 1}}");
	assert_int_equal(body_member_json(&body, &arena, "a", &json), 0);
	assert_json(json.text, "{\"x\": [1, 2.5, \"é\"]}");
	assert_int_equal(body_member_json(&body, &arena, "n", &json), 0);
	assert_text(json.text, "null");
	assert_int_equal(body_member_json(&body, &arena, "absent", &json), 0);
	assert_text(json.text, NULL);
	read_as("application/json", "{\"u\": {\"k\": \"a\\u0000\"}}");
	assert_int_equal(body_member_json(&body, &arena, "u", &json), ERR_INVALID);
	read_as("application/x-www-form-urlencoded", "a={}");
	assert_int_equal(body_member_json(&body, &arena, "a", &json), 0);
	assert_text(json.text, "\"{}\"");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_member__kinds),
		CASE(test_member__of_a_form_the_last),
		CASE(test_member__bodies_that_are_no_object),
		CASE(test_member__as_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
