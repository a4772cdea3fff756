#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "tests/lib/test.h"

static void test_mem__alloc_is_zeroed(void **state)
{
	for (size_t n = 0; n < 5000; n += 333) {
		unsigned char *p = mem_alloc(n);

		assert_non_null(p);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		free(p);
	}
}

static void test_mem__array_checks_the_product(void **state)
{
	int *p = mem_array(100, sizeof(*p));

	assert_non_null(p);
	assert_int_equal(p[99], 0);
	free(p);
	p = mem_array(SIZE_MAX / 4, 5);
	assert_null(p);
	p = mem_array(5, SIZE_MAX / 4);
	assert_null(p);
	p = mem_array(0, 8);
	assert_non_null(p);
	free(p);
	p = mem_array(8, 0);
	assert_non_null(p);
	free(p);
}

static void test_mem__realloc_keeps_the_content(void **state)
{
	char *p = mem_realloc(NULL, 4), *q;

	assert_non_null(p);
	memcpy(p, "abc", 4);
	q = mem_realloc(p, 100000);
	assert_non_null(q);
	assert_string_equal(q, "abc");
	p = mem_realloc(q, 0); /* still a block, so that NULL always means failure */
	assert_non_null(p);
	free(p);
}

static void test_mem__strdup_copies(void **state)
{
	char *p = mem_strdup("été"), *q = mem_strndup("abcdef", 3), *r = mem_strndup(NULL, 0);

	assert_string_equal(p, "été");
	assert_string_equal(q, "abc");
	assert_string_equal(r, "");
	assert_null(mem_strdup(NULL));
	free(p);
	free(q);
	free(r);
}

static void test_mem__fails_where_a_test_wants_it(void **state)
{
	char *old = mem_strdup("kept"), *p;

	fault_arm(FAULT_ALLOC, 1, true);
	p = mem_alloc(1);
	assert_null(p);
	p = mem_array(1, 1);
	assert_null(p);
	p = mem_realloc(old, 100);
	assert_null(p);
	p = mem_strdup("x");
	assert_null(p);
	p = mem_strndup("x", 1);
	assert_null(p);
	fault_disarm_all();
	assert_string_equal(old, "kept");
	free(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mem__alloc_is_zeroed),
		cmocka_unit_test(test_mem__array_checks_the_product),
		cmocka_unit_test(test_mem__realloc_keeps_the_content),
		cmocka_unit_test(test_mem__strdup_copies),
		cmocka_unit_test(test_mem__fails_where_a_test_wants_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
