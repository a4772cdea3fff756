#include "tests/unit/realtime/fixture.h"

#define LIMIT 3

static int setup(void **state)
{
	*state = refusals_create(LIMIT);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	refusals_destroy(*state);
	return 0;
}

static void refuse(struct refusals *r, const char *client, int n, int64_t now_us)
{
	for (int i = 0; i < n; i++)
		refusals_note(r, str_of(client), TEXT("/ws/chat/1/"), now_us);
}

static bool exhausted(struct refusals *r, const char *client, const char *path, int64_t now_us)
{
	return refusals_exhausted(r, str_of(client), str_of(path), now_us);
}

static void test_refusals__counted_by_client_and_path(void **state)
{
	int64_t now = 1000 * US_PER_S;

	refuse(*state, "203.0.113.5", LIMIT - 1, now);
	assert_false(exhausted(*state, "203.0.113.5", "/ws/chat/1/", now));
	refuse(*state, "203.0.113.5", 1, now);
	assert_true(exhausted(*state, "203.0.113.5", "/ws/chat/1/", now));
	assert_false(exhausted(*state, "203.0.113.5", "/ws/chat/2/", now));
	assert_false(exhausted(*state, "203.0.113.6", "/ws/chat/1/", now));
	assert_false(exhausted(*state, "203.0.113.5/ws", "/chat/1/", now)); /* where one ends and the other begins counts */
}

static void test_refusals__every_attempt_begins_the_minute_anew(void **state)
{
	int64_t now = 1000 * US_PER_S;

	refuse(*state, "a", LIMIT, now);
	for (int i = 0; i < 5; i++)
		assert_true(exhausted(*state, "a", "/ws/chat/1/", now += 59 * US_PER_S));
	assert_false(exhausted(*state, "a", "/ws/chat/1/", now += 60 * US_PER_S));
	refuse(*state, "a", LIMIT - 1, now);
	assert_false(exhausted(*state, "a", "/ws/chat/1/", now)); /* it counts from the start */
}

static void test_refusals__few_and_far_between_are_forgotten(void **state)
{
	int64_t now = 1000 * US_PER_S;

	for (int i = 0; i < 4 * LIMIT; i++) {
		assert_false(exhausted(*state, "a", "/ws/chat/1/", now));
		refuse(*state, "a", 1, now);
		now += 40 * US_PER_S;
	}
}

static void test_refusals__many_clients_take_no_more_room(void **state)
{
	int64_t now = 1000 * US_PER_S;
	char client[20];

	for (int i = 0; i < 20000; i++) {
		snprintf(client, sizeof(client), "client-%d", i);
		refuse(*state, client, LIMIT, now + i);
	}
	assert_true(exhausted(*state, client, "/ws/chat/1/", now + 20000));      /* the latest is known */
	assert_false(exhausted(*state, "client-0", "/ws/chat/1/", now + 20000)); /* the first gave up its place */
}

int main(void)
{
#define CASE_OF(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE_OF(test_refusals__counted_by_client_and_path),
		CASE_OF(test_refusals__every_attempt_begins_the_minute_anew),
		CASE_OF(test_refusals__few_and_far_between_are_forgotten),
		CASE_OF(test_refusals__many_clients_take_no_more_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
