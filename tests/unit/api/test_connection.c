#include "api/connection.h"

#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "tests/unit/api/fixture.h"

static uint64_t word(struct connection *c)
{
	return atomic_load(&c->word);
}

static void test_connection__moves_while_nobody_has_taken_it(void **state)
{
	struct connection c = { .fd = -1 };

	connection_set(&c, PHASE_IDLE, 5 * US_PER_S);
	assert_int_equal(connection_phase(word(&c)), PHASE_IDLE);
	assert_true(connection_move(&c, PHASE_HEAD, 6 * US_PER_S));
	assert_int_equal(connection_phase(word(&c)), PHASE_HEAD);
	assert_false(connection_is_late(word(&c), 6 * US_PER_S));
	assert_true(connection_is_late(word(&c), 6 * US_PER_S + US_PER_MS));
}

static void test_connection__is_lost_to_its_owner_when_taken(void **state)
{
	struct connection c = { .fd = -1 };
	uint64_t seen;

	connection_set(&c, PHASE_BODY, US_PER_S);
	seen = word(&c);
	assert_true(connection_take(&c, seen));
	assert_false(connection_take(&c, seen));
	assert_false(connection_move(&c, PHASE_HANDLING, US_PER_S));
	connection_give_back(&c);
	assert_false(connection_move(&c, PHASE_HANDLING, US_PER_S));
	assert_int_equal(connection_phase(word(&c)), PHASE_CUT);
	connection_end(&c);
	assert_int_equal(connection_phase(word(&c)), PHASE_CUT);
	connection_forget(&c);
	assert_int_equal(connection_phase(word(&c)), PHASE_NONE);
}

/* Back in the same phase with a new deadline is another state: what was late then is not late now. */
static void test_connection__is_not_taken_for_what_it_was(void **state)
{
	struct connection c = { .fd = -1 };
	uint64_t seen;

	connection_set(&c, PHASE_IDLE, US_PER_S);
	seen = word(&c);
	assert_true(connection_move(&c, PHASE_HEAD, 2 * US_PER_S));
	assert_true(connection_move(&c, PHASE_IDLE, 3 * US_PER_S));
	assert_false(connection_take(&c, seen));
	assert_true(connection_move(&c, PHASE_HEAD, 4 * US_PER_S));
}

static void test_connection__comes_back_from_a_look(void **state)
{
	struct connection c = { .fd = -1 };
	uint64_t seen;

	connection_set(&c, PHASE_IDLE, US_PER_S);
	seen = word(&c);
	assert_true(connection_borrow(&c, seen));
	assert_false(connection_borrow(&c, seen));
	assert_false(connection_take(&c, seen));
	connection_return(&c, seen);
	assert_true(connection_move(&c, PHASE_HEAD, US_PER_S));
	assert_false(connection_borrow(&c, seen));
}

struct race {
	struct connection c;
	atomic_bool at_work, stop; /* the sweep touches the socket; the test is over */
	atomic_int taken;
};

static void *sweep(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->stop)) {
		uint64_t seen = atomic_load(&r->c.word);

		if (connection_phase(seen) != PHASE_IDLE || !connection_take(&r->c, seen))
			continue;
		atomic_store(&r->at_work, true);
		sched_yield();
		atomic_store(&r->at_work, false);
		atomic_fetch_add(&r->taken, 1);
		connection_give_back(&r->c);
	}
	return NULL;
}

static void *look(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->stop)) {
		uint64_t seen = atomic_load(&r->c.word);

		if (connection_phase(seen) != PHASE_IDLE || !connection_borrow(&r->c, seen))
			continue;
		sched_yield();
		atomic_fetch_add(&r->taken, 1);
		connection_return(&r->c, seen);
	}
	return NULL;
}

/* Whoever moves while it is looked at waits, and does not take the look for a loss. */
static void test_connection__is_not_lost_to_a_look(void **state)
{
	struct race r = { .taken = 0 };
	pthread_t thread;

	connection_set(&r.c, PHASE_IDLE, US_PER_S);
	assert_int_equal(pthread_create(&thread, NULL, look, &r), 0);
	for (int i = 0; i < 20000 || atomic_load(&r.taken) == 0; i++)
		assert_true(connection_move(&r.c, i % 2 ? PHASE_IDLE : PHASE_HEAD, i * US_PER_MS));
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
}

static void test_connection__does_not_end_under_the_sweep(void **state)
{
	struct race r = { .taken = 0 };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, sweep, &r), 0);
	for (int i = 0; i < 20000 || atomic_load(&r.taken) == 0; i++) {
		connection_set(&r.c, PHASE_IDLE, US_PER_S);
		if (i % 3 == 0)
			sched_yield();
		connection_move(&r.c, PHASE_HEAD, US_PER_S);
		connection_end(&r.c);
		assert_false(atomic_load(&r.at_work));
		connection_forget(&r.c);
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection__moves_while_nobody_has_taken_it),
		cmocka_unit_test(test_connection__is_lost_to_its_owner_when_taken),
		cmocka_unit_test(test_connection__is_not_taken_for_what_it_was),
		cmocka_unit_test(test_connection__comes_back_from_a_look),
		cmocka_unit_test(test_connection__is_not_lost_to_a_look),
		cmocka_unit_test(test_connection__does_not_end_under_the_sweep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
