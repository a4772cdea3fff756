#include <pthread.h>

#include "cache/flight_impl.h"
#include "tests/unit/cache/fixture.h"

#define LONG_US (20 * US_PER_S)

static struct flights *make(void)
{
	struct flights *all = flights_create();

	assert_non_null(all);
	return all;
}

static struct flight *join(struct flights *all, const char *key, uint64_t token, bool expect_leader)
{
	bool leader;
	struct flight *f = flight_join(all, str_of(key), token, &leader);

	assert_non_null(f);
	assert_int_equal(leader, expect_leader);
	return f;
}

static void test_flight__the_first_leads_and_the_next_join(void **state)
{
	struct flights *all = make();
	struct flight *a = join(all, "k", 1, true), *b = join(all, "k", 1, false), *other = join(all, "l", 1, true);

	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, other);
	flight_land(all, a, ERR_NOT_FOUND, NULL);
	flight_land(all, other, ERR_NOT_FOUND, NULL);
	flight_leave(all, a);
	flight_leave(all, b);
	flight_leave(all, other);
	flights_destroy(all);
}

static void test_flight__who_comes_after_a_deletion_does_not_join_what_began_before(void **state)
{
	struct flights *all = make();
	struct flight *before = join(all, "k", 1, true), *after = join(all, "k", 2, true);

	assert_ptr_not_equal(before, after);
	flight_land(all, before, ERR_NOT_FOUND, NULL);
	flight_leave(all, before);
	assert_ptr_equal(after, join(all, "k", 2, false));
	flight_land(all, after, ERR_NOT_FOUND, NULL);
	flight_leave(all, after);
	flight_leave(all, after);
	flights_destroy(all);
}

static void test_flight__nobody_joins_what_has_landed(void **state)
{
	struct flights *all = make();
	struct flight *a = join(all, "k", 1, true), *b;

	flight_land(all, a, ERR_NOT_FOUND, NULL);
	b = join(all, "k", 1, true);
	flight_land(all, b, ERR_NOT_FOUND, NULL);
	flight_leave(all, a);
	flight_leave(all, b);
	flights_destroy(all);
}

static void test_flight__waits_no_longer_than_told(void **state)
{
	struct flights *all = make();
	struct flight *f = join(all, "k", 1, true);
	int64_t began = clock_monotonic_us();
	struct blob *value = NULL;
	int result = 1;

	join(all, "k", 1, false);
	assert_false(flight_wait(all, f, 30 * US_PER_MS, &result, &value));
	assert_in_range(clock_monotonic_us() - began, 29 * US_PER_MS, 5 * US_PER_S);
	assert_int_equal(result, 1);
	assert_null(value);
	flight_land(all, f, ERR_TIMEOUT, NULL);
	assert_true(flight_wait(all, f, LONG_US, &result, &value)); /* the leader's own timeout is a result */
	assert_int_equal(result, ERR_TIMEOUT);
	flight_leave(all, f);
	flight_leave(all, f);
	flights_destroy(all);
}

struct passenger {
	struct flights *all;
	struct flight *flight;
	int result;
	bool landed;
	struct blob *value;
};

static void *wait_for_landing(void *arg)
{
	struct passenger *p = arg;

	p->landed = flight_wait(p->all, p->flight, LONG_US, &p->result, &p->value);
	flight_leave(p->all, p->flight);
	return NULL;
}

static void land_eight(int result, struct blob *value, struct passenger passengers[8])
{
	struct flights *all = make();
	struct flight *f = join(all, "k", 1, true);
	pthread_t threads[8];

	for (int i = 0; i < 8; i++) {
		passengers[i] = (struct passenger){ .all = all, .flight = join(all, "k", 1, false), .result = 1 };
		assert_int_equal(pthread_create(&threads[i], NULL, wait_for_landing, &passengers[i]), 0);
	}
	flight_land(all, f, result, value);
	flight_leave(all, f);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	flights_destroy(all);
}

static void test_flight__all_get_the_leaders_value(void **state)
{
	CLEANUP(blob_unrefp) struct blob *value = blob_of("v");
	struct passenger passengers[8];

	land_eight(0, value, passengers);
	for (int i = 0; i < 8; i++) {
		assert_true(passengers[i].landed);
		assert_int_equal(passengers[i].result, 0);
		assert_ptr_equal(passengers[i].value, value);
		blob_unref(passengers[i].value);
	}
	assert_int_equal(atomic_load(&value->refs), 1);
}

static void test_flight__all_get_the_leaders_error(void **state)
{
	struct passenger passengers[8];

	land_eight(ERR_UNAVAILABLE, NULL, passengers);
	for (int i = 0; i < 8; i++) {
		assert_true(passengers[i].landed);
		assert_int_equal(passengers[i].result, ERR_UNAVAILABLE);
		assert_null(passengers[i].value);
	}
}

static void test_flight__without_memory_there_is_none(void **state)
{
	struct flights *all = make();
	bool leader;

	fault_arm(FAULT_ALLOC, 1, false);
	assert_null(flight_join(all, TEXT("k"), 1, &leader));
	fault_arm(FAULT_ALLOC, 1, false);
	assert_null(flights_create());
	fault_disarm_all();
	flights_destroy(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flight__the_first_leads_and_the_next_join),
		cmocka_unit_test(test_flight__who_comes_after_a_deletion_does_not_join_what_began_before),
		cmocka_unit_test(test_flight__nobody_joins_what_has_landed),
		cmocka_unit_test(test_flight__waits_no_longer_than_told),
		cmocka_unit_test(test_flight__all_get_the_leaders_value),
		cmocka_unit_test(test_flight__all_get_the_leaders_error),
		cmocka_unit_test(test_flight__without_memory_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
