#include "resilience/monitor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "tests/lib/test.h"
#include "tests/lib/wait.h"

#define HOUR_US (3600 * US_PER_S)

struct seen {
	atomic_int runs;
	atomic_int last_ms; /* since the test began */
	int64_t start_us;
	struct monitor *monitor;
	int64_t again_after_us;
	char name[16];
	atomic_bool hold;
};

static void look(void *arg)
{
	struct seen *s = arg;

	pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
	if (s->again_after_us)
		monitor_again_at(s->monitor, clock_monotonic_us() + s->again_after_us);
	atomic_store(&s->last_ms, (int)((clock_monotonic_us() - s->start_us) / US_PER_MS));
	atomic_fetch_add(&s->runs, 1);
	while (atomic_load(&s->hold))
		usleep(1000);
}

static void test_monitor__looks_at_once_and_then_at_its_interval(void **state)
{
	struct monitor *m = monitor_create("looker");
	struct seen often = { .start_us = clock_monotonic_us() }, rarely = { 0 };

	assert_int_equal(monitor_watch(m, 20 * US_PER_MS, look, &often), 0);
	assert_int_equal(monitor_watch(m, HOUR_US, look, &rarely), 0);
	assert_int_equal(monitor_start(m), 0);
	assert_true(WAIT_FOR(5000, often.runs >= 5));
	assert_true(often.last_ms >= 4 * 20 - 5);
	assert_int_equal(rarely.runs, 1);
	monitor_destroy(m);
	assert_string_equal(often.name, "looker");
}

static void test_monitor__wake_runs_all_now(void **state)
{
	struct monitor *m = monitor_create("m");
	struct seen a = { 0 }, b = { 0 };

	monitor_watch(m, HOUR_US, look, &a);
	monitor_watch(m, HOUR_US, look, &b);
	monitor_start(m);
	assert_true(WAIT_FOR(5000, a.runs == 1 && b.runs == 1));
	monitor_wake(m);
	assert_true(WAIT_FOR(5000, a.runs == 2 && b.runs == 2));
	monitor_destroy(m);
}

static void test_monitor__wake_during_a_watch_is_not_lost(void **state)
{
	struct monitor *m = monitor_create("m");
	struct seen a = { .hold = true };

	monitor_watch(m, HOUR_US, look, &a);
	monitor_start(m);
	assert_true(WAIT_FOR(5000, a.runs == 1));
	monitor_wake(m);
	atomic_store(&a.hold, false);
	assert_true(WAIT_FOR(5000, a.runs == 2));
	monitor_destroy(m);
}

static void test_monitor__a_watch_may_ask_to_run_earlier(void **state)
{
	struct monitor *m = monitor_create("m");
	struct seen a = { .monitor = m, .again_after_us = 10 * US_PER_MS }, b = { 0 };

	monitor_watch(m, HOUR_US, look, &a);
	monitor_watch(m, HOUR_US, look, &b);
	monitor_start(m);
	assert_true(WAIT_FOR(5000, a.runs >= 4));
	assert_int_equal(b.runs, 1);
	monitor_destroy(m);
}

static void test_monitor__asking_for_later_than_the_interval_changes_nothing(void **state)
{
	struct monitor *m = monitor_create("m");
	struct seen a = { .monitor = m, .again_after_us = HOUR_US };

	monitor_watch(m, 10 * US_PER_MS, look, &a);
	monitor_start(m);
	assert_true(WAIT_FOR(5000, a.runs >= 3));
	monitor_destroy(m);
}

static void test_monitor__refuses_what_it_cannot_watch(void **state)
{
	struct monitor *m = monitor_create("a name that is too long for a thread");
	struct seen a = { 0 };

	assert_int_equal(monitor_watch(m, 0, look, &a), ERR_INVALID);
	for (int i = 0; i < 16; i++)
		assert_int_equal(monitor_watch(m, HOUR_US, look, &a), 0);
	assert_int_equal(monitor_watch(m, HOUR_US, look, &a), ERR_LIMIT);
	assert_int_equal(monitor_start(m), 0);
	assert_int_equal(monitor_start(m), ERR_INVALID);
	assert_int_equal(monitor_watch(m, HOUR_US, look, &a), ERR_INVALID);
	assert_true(WAIT_FOR(5000, a.runs == 16));
	monitor_destroy(m);
}

static void test_monitor__its_pulse_stops_with_a_watch_that_hangs(void **state)
{
	struct monitor *m = monitor_create("m");
	struct seen a = { .hold = true };

	monitor_watch(m, 5 * US_PER_MS, look, &a);
	monitor_start(m);
	assert_true(WAIT_FOR(5000, monitor_pulse_age_us(m) > 100 * US_PER_MS));
	atomic_store(&a.hold, false);
	assert_true(WAIT_FOR(5000, monitor_pulse_age_us(m) < 50 * US_PER_MS));
	monitor_destroy(m);
}

static void test_monitor__stops_before_and_after_start(void **state)
{
	struct monitor *m = monitor_create("m");
	struct seen a = { 0 };

	monitor_watch(m, HOUR_US, look, &a);
	monitor_destroy(m);
	assert_int_equal(a.runs, 0);
	monitor_destroy(NULL);
}

static void test_monitor__no_memory_no_monitor(void **state)
{
	fault_arm(FAULT_ALLOC, 1, false);
	assert_null(monitor_create("m"));
	fault_disarm_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_monitor__looks_at_once_and_then_at_its_interval),
		cmocka_unit_test(test_monitor__wake_runs_all_now),
		cmocka_unit_test(test_monitor__wake_during_a_watch_is_not_lost),
		cmocka_unit_test(test_monitor__a_watch_may_ask_to_run_earlier),
		cmocka_unit_test(test_monitor__asking_for_later_than_the_interval_changes_nothing),
		cmocka_unit_test(test_monitor__refuses_what_it_cannot_watch),
		cmocka_unit_test(test_monitor__its_pulse_stops_with_a_watch_that_hangs),
		cmocka_unit_test(test_monitor__stops_before_and_after_start),
		cmocka_unit_test(test_monitor__no_memory_no_monitor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
