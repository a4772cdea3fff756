#include "domain/file_type.h"

#include <string.h>

#include "tests/lib/test.h"

static void assert_is(const char *bytes, size_t n, const char *type)
{
	struct error err = { 0 };
	const char *found = NULL;

	assert_int_equal(file_type((struct str){ bytes, n }, &found, &err), 0);
	assert_string_equal(found, type);
}
#define IS(literal, type) assert_is(literal, sizeof(literal) - 1, type)

static void test_file_type__files_are_what_they_begin_with(void **state)
{
	IS("%PDF-1.4\n", "application/pdf");
	IS("GIF8", "image/gif");
	IS("ID3\3", "audio/mpeg");
	IS("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0", "image/png");
	IS("\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", "image/jpeg");
	IS("RIFF\x1a\0\0\0WEBPVP8L\r\0\0\0", "image/webp");
	IS("#!/bin/sh\nexit 0\n", "text/x-shellscript");
	IS("<html><script>1</script>", "text/html");
	IS("bonjour", "text/plain");
	IS("\1\2\3\xff\xfe\xfd", "application/octet-stream");
}

/* What libmagic's readers of formats would open is told by the rules alone. */
static void test_file_type__nothing_is_unpacked(void **state)
{
	IS("{\"a\": 1}", "text/plain");
	IS("\x7f"
	   "ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0>\0\1\0\0\0",
	   "application/x-executable");
}

static void test_file_type__an_empty_file_is_no_known_type(void **state)
{
	struct error err = { 0 };
	const char *type = NULL;

	assert_int_equal(file_type((struct str){ NULL, 0 }, &type, &err), 0);
	assert_true(strncmp(type, "image/", 6) != 0 && strncmp(type, "audio/", 6) != 0 && strcmp(type, "application/pdf") != 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_type__files_are_what_they_begin_with),
		cmocka_unit_test(test_file_type__nothing_is_unpacked),
		cmocka_unit_test(test_file_type__an_empty_file_is_no_known_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
