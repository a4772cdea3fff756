#include "cache/ring_impl.h"

#include "tests/unit/cache/fixture.h"

static void assert_sane_ring(const struct ring *r)
{
	size_t untold = 0;

	assert_true(r->n <= r->capacity);
	for (size_t i = 0; i < r->n; i++) {
		untold += ring_is_untold(r, i);
		assert_true(i == 0 || ring_time(r, i) > ring_time(r, i - 1));
	}
	assert_int_equal(r->n_untold, untold);
}

static void test_ring__keeps_times_in_order(void **state)
{
	struct ring r = { 0 };

	for (int i = 0; i < 100; i++) {
		assert_int_equal(ring_push(&r, 10 * i, i % 3 == 0), i ? 10 * i : 0);
		assert_sane_ring(&r);
	}
	assert_int_equal(ring_time(&r, 7), 70);
	assert_int_equal(ring_find(&r, 70), 7);
	assert_int_equal(ring_find(&r, 71), 100);
	ring_finish(&r);
	assert_int_equal(r.n, 0);
}

static void test_ring__expires_and_goes_round(void **state)
{
	struct ring r = { 0 };

	for (int i = 1; i <= 1000; i++) {
		ring_push(&r, i, i % 2);
		ring_expire(&r, i - 3);
		assert_sane_ring(&r);
		assert_true(r.n <= 3);
	}
	assert_int_equal(r.capacity, 4);
	ring_expire(&r, 1000);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.n_untold, 0);
	ring_finish(&r);
}

static void test_ring__no_time_is_there_twice(void **state)
{
	struct ring r = { 0 };

	assert_int_equal(ring_push(&r, 5, false), 5);
	assert_int_equal(ring_push(&r, 5, false), 6);
	assert_int_equal(ring_push(&r, 3, false), 7);
	ring_finish(&r);
}

static void test_ring__removes_from_the_middle(void **state)
{
	struct ring r = { 0 };

	for (int i = 1; i <= 7; i++)
		ring_push(&r, i, i == 3 || i == 4);
	ring_expire(&r, 1);
	ring_remove(&r, ring_find(&r, 3));
	assert_sane_ring(&r);
	assert_int_equal(r.n, 5);
	assert_int_equal(r.n_untold, 1);
	assert_int_equal(ring_find(&r, 3), 5);
	assert_true(ring_is_untold(&r, ring_find(&r, 4)));
	ring_set_untold(&r, 0, true);
	ring_set_untold(&r, 0, true);
	assert_sane_ring(&r);
	ring_finish(&r);
}

static void test_ring__without_memory_it_stays_as_it_was(void **state)
{
	struct ring r = { 0 };

	for (int i = 1; i <= 4; i++)
		ring_push(&r, i, true);
	fault_arm(FAULT_ALLOC, 1, false);
	assert_int_equal(ring_push(&r, 5, true), 0);
	fault_disarm_all();
	assert_int_equal(r.n, 4);
	assert_sane_ring(&r);
	ring_finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring__keeps_times_in_order),
		cmocka_unit_test(test_ring__expires_and_goes_round),
		cmocka_unit_test(test_ring__no_time_is_there_twice),
		cmocka_unit_test(test_ring__removes_from_the_middle),
		cmocka_unit_test(test_ring__without_memory_it_stays_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
