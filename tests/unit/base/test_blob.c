#include "base/blob.h"

#include <pthread.h>

#include "base/cleanup.h"
#include "base/fault.h"
#include "tests/lib/test.h"

static void test_blob__copies_and_terminates(void **state)
{
	char bytes[] = "ab\0cd";
	CLEANUP(blob_unrefp) struct blob *b = blob_create(bytes, 5);

	assert_non_null(b);
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(b->len, 5);
	assert_memory_equal(b->data, "ab\0cd", 6);
	assert_true(str_equal(blob_view(b), (struct str)STR("ab\0cd")));
}

static void test_blob__may_be_empty(void **state)
{
	CLEANUP(blob_unrefp) struct blob *b = blob_create(NULL, 0);

	assert_non_null(b);
	assert_non_null(blob_view(b).s);
	assert_int_equal(blob_view(b).len, 0);
}

static void test_blob__null_is_fine_everywhere(void **state)
{
	assert_null(blob_ref(NULL));
	blob_unref(NULL);
	assert_null(blob_view(NULL).s);
}

static void test_blob__lives_until_the_last_reference(void **state)
{
	struct blob *b = blob_create("x", 1);

	assert_ptr_equal(blob_ref(b), b);
	assert_int_equal(atomic_load(&b->refs), 2);
	blob_unref(b);
	assert_int_equal(atomic_load(&b->refs), 1);
	assert_true(str_is(blob_view(b), "x"));
	blob_unref(b); /* the sanitizer's leak check is the assertion */
}

static void *borrow_often(void *blob)
{
	for (int i = 0; i < 20000; i++)
		blob_unref(blob_ref(blob));
	blob_unref(blob);
	return NULL;
}

static void test_blob__is_counted_across_threads(void **state)
{
	struct blob *b = blob_create("shared", 6);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, borrow_often, blob_ref(b)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&b->refs), 1);
	blob_unref(b);
}

static void test_blob__without_memory_is_null(void **state)
{
	fault_arm(FAULT_ALLOC, 1, false);
	assert_null(blob_create("x", 1));
	fault_disarm_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blob__copies_and_terminates),     cmocka_unit_test(test_blob__may_be_empty),
		cmocka_unit_test(test_blob__null_is_fine_everywhere),   cmocka_unit_test(test_blob__lives_until_the_last_reference),
		cmocka_unit_test(test_blob__is_counted_across_threads), cmocka_unit_test(test_blob__without_memory_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
