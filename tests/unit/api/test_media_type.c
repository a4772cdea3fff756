#include "api/media_type_impl.h"

#include "tests/unit/api/fixture.h"

static void test_media_type__kinds_of_bodies(void **state)
{
	(void)state;
	assert_int_equal(body_kind(TEXT("application/json")), BODY_JSON);
	assert_int_equal(body_kind(TEXT(" Application/JSON ; charset=utf-8")), BODY_JSON);
	assert_int_equal(body_kind(TEXT("application/x-www-form-urlencoded;x=y")), BODY_FORM);
	assert_int_equal(body_kind(TEXT("MULTIPART/form-data; boundary=x")), BODY_MULTIPART);
	assert_int_equal(body_kind(TEXT("text/plain")), BODY_OTHER);
	assert_int_equal(body_kind(TEXT("application/jsonx")), BODY_OTHER);
	assert_int_equal(body_kind(TEXT("application/json, text/plain")), BODY_OTHER);
	assert_int_equal(body_kind(TEXT("application / json")), BODY_OTHER);
	assert_int_equal(body_kind(TEXT("")), BODY_OTHER);
	assert_int_equal(body_kind(NOTHING), BODY_OTHER);
}

static void test_media_type__parameters(void **state)
{
	struct str type = TEXT("application/json; Charset=\"UTF-8\" ;x = y; charset=second; flag; q=\"");

	(void)state;
	assert_text(media_type_parameter(type, "charset"), "UTF-8");
	assert_text(media_type_parameter(type, "x"), "y");
	assert_text(media_type_parameter(type, "q"), "\"");
	assert_text(media_type_parameter(type, "flag"), NULL);
	assert_text(media_type_parameter(type, "application/json"), NULL);
	assert_text(media_type_parameter(TEXT("a/b;c="), "c"), "");
	assert_text(media_type_parameter(TEXT("charset=x"), "charset"), NULL);
	assert_text(media_type_parameter(NOTHING, "charset"), NULL);
}

static void test_media_type__json_is_acceptable(void **state)
{
	static const char *const yes[] = { "",
		                           "  ",
		                           "*/*",
		                           "application/*",
		                           "application/json",
		                           "APPLICATION/JSON;indent=2",
		                           "text/plain, application/json;q=0.1",
		                           "text/html,application/xhtml+xml",
		                           "image/png, */*;q=0.1" };
	static const char *const no[] = { "text/plain", "application/xml", "image/*", "text/*", ",", "application/jsonp", "json" };

	(void)state;
	assert_true(accepts_json(NOTHING));
	for (size_t i = 0; i < N_ELEMENTS(yes); i++)
		assert_true(accepts_json(str_of(yes[i])));
	for (size_t i = 0; i < N_ELEMENTS(no); i++)
		assert_false(accepts_json(str_of(no[i])));
}

static void test_media_type__plain_text_alone(void **state)
{
	(void)state;
	assert_true(accepts_only_text(TEXT("text/plain")));
	assert_true(accepts_only_text(TEXT("Text/Plain;q=0.5, image/png")));
	assert_false(accepts_only_text(TEXT("text/plain, application/json")));
	assert_false(accepts_only_text(TEXT("text/plain, */*")));
	assert_false(accepts_only_text(TEXT("application/json")));
	assert_false(accepts_only_text(TEXT("")));
	assert_false(accepts_only_text(NOTHING));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_media_type__kinds_of_bodies),
		cmocka_unit_test(test_media_type__parameters),
		cmocka_unit_test(test_media_type__json_is_acceptable),
		cmocka_unit_test(test_media_type__plain_text_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
