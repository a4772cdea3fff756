#include "base/random.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "tests/lib/test.h"

#define DRAWS 2000

static void test_random__bytes_differ(void **state)
{
	unsigned char a[300], b[300];

	assert_int_equal(random_bytes(a, sizeof(a)), 0);
	assert_int_equal(random_bytes(b, sizeof(b)), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(random_bytes(NULL, 0), 0);
}

/* 62 letters, 200 of each expected: one that is missing, or comes twice as often, would be a broken draw. */
static void test_random__letters_are_all_there(void **state)
{
	int seen[256] = { 0 };
	char text[63];

	for (int draw = 0; draw < 200; draw++) {
		assert_int_equal(random_letters(text, 62), 0);
		assert_int_equal(strlen(text), 62);
		for (int i = 0; i < 62; i++)
			seen[(unsigned char)text[i]]++;
	}
	for (int c = 0; c < 256; c++) {
		bool letter = str_is_alpha((char)c) || str_is_digit((char)c);

		assert_true(letter ? seen[c] > 100 && seen[c] < 400 : seen[c] == 0);
	}
	assert_int_equal(random_letters(text, 0), 0);
	assert_string_equal(text, "");
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void test_random__uuids_are_version_4_and_unique(void **state)
{
	static char ids[DRAWS][UUID_HEX_SIZE];

	for (int i = 0; i < DRAWS; i++) {
		assert_int_equal(random_uuid_hex(ids[i]), 0);
		assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
		assert_int_equal(ids[i][12], '4');
		assert_non_null(strchr("89ab", ids[i][16]));
	}
	qsort(ids, DRAWS, sizeof(ids[0]), by_text);
	for (int i = 1; i < DRAWS; i++)
		assert_string_not_equal(ids[i - 1], ids[i]);
}

static void test_random__dashes(void **state)
{
	char text[UUID_TEXT_SIZE];

	uuid_add_dashes("0123456789abcdef0123456789abcdef", text);
	assert_string_equal(text, "01234567-89ab-cdef-0123-456789abcdef");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random__bytes_differ),
		cmocka_unit_test(test_random__letters_are_all_there),
		cmocka_unit_test(test_random__uuids_are_version_4_and_unique),
		cmocka_unit_test(test_random__dashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
