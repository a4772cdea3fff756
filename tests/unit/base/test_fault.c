#include "base/fault.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "tests/lib/test.h"

static int teardown(void **state)
{
	fault_disarm_all();
	return 0;
}

static void test_fault__an_unarmed_point_never_fails(void **state)
{
	for (int point = 0; point < FAULT_POINTS; point++)
		for (int i = 0; i < 100; i++)
			assert_false(fault_due((enum fault_point)point));
}

static void test_fault__the_nth_use_fails_once(void **state)
{
	for (int n = 1; n < 20; n++) {
		fault_arm(FAULT_REDIS, n, false);
		for (int i = 1; i < 40; i++)
			assert_int_equal(fault_due(FAULT_REDIS), i == n);
	}
}

static void test_fault__or_from_the_nth_on(void **state)
{
	fault_arm(FAULT_SQL_STEP, 3, true);
	for (int i = 1; i < 40; i++)
		assert_int_equal(fault_due(FAULT_SQL_STEP), i >= 3);
}

static void test_fault__points_are_apart(void **state)
{
	fault_arm(FAULT_ALLOC, 1, true);
	assert_false(fault_due(FAULT_REDIS));
	assert_false(fault_due(FAULT_SQL_STEP));
	assert_true(fault_due(FAULT_ALLOC));
}

static void test_fault__disarm_ends_it(void **state)
{
	fault_arm(FAULT_ALLOC, 1, true);
	fault_arm(FAULT_REDIS, 2, false);
	fault_disarm_all();
	for (int i = 0; i < 5; i++) {
		assert_false(fault_due(FAULT_ALLOC));
		assert_false(fault_due(FAULT_REDIS));
	}
}

#define THREADS 4
#define USES    20000
static atomic_int hits;

static void *use_often(void *arg)
{
	for (int i = 0; i < USES; i++)
		atomic_fetch_add(&hits, fault_due(FAULT_REDIS));
	return NULL;
}

static int count_hits_of_threads(int n, bool repeat)
{
	pthread_t threads[THREADS];

	atomic_store(&hits, 0);
	fault_arm(FAULT_REDIS, n, repeat);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_often, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return atomic_load(&hits);
}

static void test_fault__is_exact_across_threads(void **state)
{
	assert_int_equal(count_hits_of_threads(THREADS * USES / 2, false), 1);
	assert_int_equal(count_hits_of_threads(1001, true), THREADS * USES - 1000);
}

#define T(name) cmocka_unit_test_teardown(test_fault__##name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_unarmed_point_never_fails), T(the_nth_use_fails_once), T(or_from_the_nth_on), T(points_are_apart), T(disarm_ends_it),
		T(is_exact_across_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
