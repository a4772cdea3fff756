#include "tests/unit/realtime/fixture.h"

static struct session of(struct still *t, int64_t user, int64_t thread, int64_t sent_to)
{
	return (struct session){ .hub = &t->hub,
		                 .user = user,
		                 .sent_to = sent_to,
		                 .handshake = { .target = HUB_CHAT, .id = thread, .client = STR("203.0.113.5") } };
}

static void keep(struct still *t, int64_t user, int64_t thread, int64_t sent_to, int64_t now_us)
{
	struct session s = of(t, user, thread, sent_to);

	memory_keep(&t->hub, &s, now_us);
}

static void test_memory__what_a_user_was_sent_last_on_a_thread(void **state)
{
	struct still *t = *state;

	keep(t, 1, 7, 100, 0);
	keep(t, 1, 8, 200, 0);
	keep(t, 2, 7, 300, 0);
	keep(t, 1, 7, 150, 5); /* a second socket: which of them comes back nobody knows */
	assert_int_equal(memory_take(&t->hub, 1, 9, 1), -1);
	assert_int_equal(memory_take(&t->hub, 3, 7, 1), -1);
	assert_int_equal(memory_take(&t->hub, 1, 7, 10), 100);
	assert_int_equal(memory_take(&t->hub, 1, 7, 10), 100);
	assert_int_equal(memory_take(&t->hub, 1, 7, 10), -1); /* it is told each of them once */
	assert_int_equal(memory_take(&t->hub, 1, 8, 1), 200);
	assert_int_equal(memory_take(&t->hub, 2, 7, 1), 300);
}

static void test_memory__for_thirty_seconds(void **state)
{
	struct still *t = *state;

	keep(t, 1, 7, 100, 0);
	keep(t, 2, 7, 100, 0);
	assert_int_equal(memory_take(&t->hub, 1, 7, LINGER_US - 1), 100);
	assert_int_equal(memory_take(&t->hub, 2, 7, LINGER_US), -1);
	keep(t, 3, 7, 100, 5);
	memories_tick(&t->hub, LINGER_US);
	assert_int_equal(memory_take(&t->hub, 3, 7, LINGER_US), 100);
	keep(t, 3, 7, 100, 5);
	memories_tick(&t->hub, LINGER_US + 5);
	for (size_t i = 0; i < MEMORY_BUCKETS; i++)
		assert_null(t->hub.memories[i]);
}

static void test_memory__sockets_are_counted_by_account_or_by_address(void **state)
{
	struct still *t = *state;
	struct session ana = of(t, 1, 7, 0), bob = of(t, 2, 7, 0), nobody = of(t, NULL_INT, 7, 0), elsewhere = nobody;

	elsewhere.handshake.client = TEXT("203.0.113.6");
	assert_true(holder_enter(&t->hub, &ana, 2));
	assert_true(holder_enter(&t->hub, &ana, 2));
	assert_false(holder_enter(&t->hub, &ana, 2)); /* counted all the same: he leaves as well */
	assert_true(holder_enter(&t->hub, &bob, 2));
	assert_true(holder_enter(&t->hub, &nobody, 1));
	assert_false(holder_enter(&t->hub, &nobody, 1));
	assert_true(holder_enter(&t->hub, &elsewhere, 1));
	holder_leave(&t->hub, &ana);
	assert_false(holder_enter(&t->hub, &ana, 2));
	for (int i = 0; i < 3; i++)
		holder_leave(&t->hub, &ana);
	assert_true(holder_enter(&t->hub, &ana, 1));
}

static void test_memory__nothing_stays_of_who_has_left(void **state)
{
	struct still *t = *state;
	struct session ana = of(t, 1, 7, 0), nobody = of(t, NULL_INT, 7, 0);

	assert_true(holder_enter(&t->hub, &ana, 1));
	assert_true(holder_enter(&t->hub, &nobody, 1));
	holder_leave(&t->hub, &ana);
	holder_leave(&t->hub, &nobody);
	holder_leave(&t->hub, &nobody); /* who never came */
	for (size_t i = 0; i < GROUP_BUCKETS; i++)
		assert_null(t->hub.holders[i]);
	fault_arm(FAULT_ALLOC, 1, false);
	assert_false(holder_enter(&t->hub, &ana, 1));
	fault_disarm_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STILL(test_memory__what_a_user_was_sent_last_on_a_thread),
		STILL(test_memory__for_thirty_seconds),
		STILL(test_memory__sockets_are_counted_by_account_or_by_address),
		STILL(test_memory__nothing_stays_of_who_has_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
