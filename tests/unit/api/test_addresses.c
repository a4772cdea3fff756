#include "api/addresses.h"

#include <arpa/inet.h>
#include <pthread.h>

#include "base/fault.h"
#include "tests/unit/api/fixture.h"

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage storage = { 0 };
	struct sockaddr_in *four = (struct sockaddr_in *)&storage;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&storage;

	if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
		storage.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1)
		storage.ss_family = AF_INET6;
	assert_int_not_equal(storage.ss_family, 0);
	return storage;
}

static struct sockaddr_storage numbered(unsigned i)
{
	struct sockaddr_storage storage = { .ss_family = AF_INET };

	((struct sockaddr_in *)&storage)->sin_addr.s_addr = htonl(0x0a000000 + i);
	return storage;
}

static void test_addresses__counts_up_to_the_limit(void **state)
{
	struct addresses *a = addresses_create(10);
	struct sockaddr_storage peer = address("192.0.2.1");

	assert_true(addresses_enter(a, &peer, 2));
	assert_true(addresses_enter(a, &peer, 2));
	assert_false(addresses_enter(a, &peer, 2));
	assert_int_equal(addresses_count(a, &peer), 2);
	addresses_leave(a, &peer);
	assert_true(addresses_enter(a, &peer, 2));
	addresses_leave(a, &peer);
	addresses_leave(a, &peer);
	assert_int_equal(addresses_count(a, &peer), 0);
	addresses_leave(a, &peer); /* nobody there: no harm */
	assert_true(addresses_enter(a, &peer, 1));
	addresses_destroy(a);
}

static void test_addresses__knows_an_address_whatever_its_port_or_form(void **state)
{
	struct addresses *a = addresses_create(10);
	struct sockaddr_storage four = address("192.0.2.1"), mapped = address("::ffff:192.0.2.1"), other = address("2001:db8::1");

	((struct sockaddr_in *)&four)->sin_port = htons(1234);
	assert_true(addresses_enter(a, &four, 5));
	assert_int_equal(addresses_count(a, &mapped), 1);
	assert_int_equal(addresses_count(a, &other), 0);
	assert_true(addresses_enter(a, &other, 5));
	assert_int_equal(addresses_count(a, &other), 1);
	addresses_destroy(a);
}

/* Enough of them to collide; left in an order that makes entries move, and all are found at each step. */
static void test_addresses__keeps_its_entries_when_others_leave(void **state)
{
	enum { N = 1000 };
	struct addresses *a = addresses_create(N);
	struct sockaddr_storage peer;

	for (unsigned i = 0; i < N; i++) {
		peer = numbered(i);
		assert_true(addresses_enter(a, &peer, 1));
	}
	for (unsigned gone = 0; gone < N; gone++) {
		peer = numbered(gone * 7 % N);
		addresses_leave(a, &peer);
		for (unsigned i = 0; i < N && gone % 50 == 0; i++) {
			bool left = false;

			for (unsigned k = 0; k <= gone; k++)
				left |= k * 7 % N == i;
			peer = numbered(i);
			assert_int_equal(addresses_count(a, &peer), left ? 0 : 1);
		}
	}
	addresses_destroy(a);
}

static void test_addresses__refuses_beyond_its_room(void **state)
{
	struct addresses *a = addresses_create(1);
	struct sockaddr_storage peer;
	unsigned entered = 0;

	for (unsigned i = 0; i < 100; i++) {
		peer = numbered(i);
		entered += addresses_enter(a, &peer, 10);
	}
	assert_in_range(entered, 1, 50); /* never full: a search ends */
	peer = numbered(0);
	assert_true(addresses_enter(a, &peer, 10)); /* those inside are still served */
	addresses_destroy(a);
}

static void *come_and_go(void *arg)
{
	struct sockaddr_storage peer;

	for (unsigned i = 0; i < 20000; i++) {
		peer = numbered(i % 13);
		if (addresses_enter(arg, &peer, 3))
			addresses_leave(arg, &peer);
	}
	return NULL;
}

static void test_addresses__is_for_any_thread(void **state)
{
	struct addresses *a = addresses_create(100);
	struct sockaddr_storage peer;
	pthread_t threads[4];

	for (size_t i = 0; i < N_ELEMENTS(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, a), 0);
	for (size_t i = 0; i < N_ELEMENTS(threads); i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < 13; i++) {
		peer = numbered(i);
		assert_int_equal(addresses_count(a, &peer), 0);
	}
	addresses_destroy(a);
}

static void test_addresses__is_not_made_without_memory(void **state)
{
	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_ALLOC, n, false);
		assert_null(addresses_create(10));
		fault_disarm_all();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses__counts_up_to_the_limit),
		cmocka_unit_test(test_addresses__knows_an_address_whatever_its_port_or_form),
		cmocka_unit_test(test_addresses__keeps_its_entries_when_others_leave),
		cmocka_unit_test(test_addresses__refuses_beyond_its_room),
		cmocka_unit_test(test_addresses__is_for_any_thread),
		cmocka_unit_test(test_addresses__is_not_made_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
