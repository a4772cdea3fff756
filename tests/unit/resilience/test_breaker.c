#include "resilience/breaker.h"

#include <pthread.h>

#include "base/clock.h"
#include "tests/lib/test.h"

#define RETRY_US (500 * US_PER_MS)

struct moves {
	atomic_int n;
	atomic_int to[BREAKER_STATES];
	enum breaker_state last_from;
};

static void note_move(struct breaker *b, enum breaker_state from, enum breaker_state to, void *arg)
{
	struct moves *m = arg;

	assert_true(b->arg == arg);
	m->last_from = from;
	atomic_fetch_add(&m->n, 1);
	atomic_fetch_add(&m->to[to], 1);
}

/* An open breaker whose retry time is still to come. */
static void open_it(struct breaker *b, struct moves *m)
{
	breaker_init(b, RETRY_US, note_move, m);
	assert_true(breaker_report(b, 0, BREAKER_FAILURE));
}

static void test_breaker__begins_closed(void **state)
{
	struct breaker b;
	uint64_t generation = 9;

	breaker_init(&b, RETRY_US, NULL, NULL);
	assert_int_equal(breaker_state(&b, &generation), BREAKER_CLOSED);
	assert_int_equal(generation, 0);
	assert_true(breaker_allows(&b, NULL));
	assert_false(breaker_begin_trial(&b, &generation));
	assert_false(breaker_report(&b, 0, BREAKER_SUCCESS));
}

static void test_breaker__begins_open_when_asked(void **state)
{
	struct breaker b;
	uint64_t generation;

	breaker_init_open(&b, RETRY_US, NULL, NULL);
	assert_false(breaker_allows(&b, NULL));
	assert_true(breaker_begin_trial(&b, &generation));
	assert_int_equal(generation, 1);
}

static void test_breaker__names_its_states(void **state)
{
	assert_string_equal(breaker_state_name(BREAKER_CLOSED), "closed");
	assert_string_equal(breaker_state_name(BREAKER_OPEN), "open");
	assert_string_equal(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
}

static void test_breaker__one_failure_opens(void **state)
{
	struct moves m = { 0 };
	struct breaker b;

	open_it(&b, &m);
	assert_int_equal(breaker_state(&b, NULL), BREAKER_OPEN);
	assert_false(breaker_allows(&b, NULL));
	assert_int_equal(m.n, 1);
	assert_int_equal(m.last_from, BREAKER_CLOSED);
}

static void test_breaker__the_second_timeout_in_a_row_opens(void **state)
{
	struct breaker b;

	breaker_init(&b, RETRY_US, NULL, NULL);
	assert_false(breaker_report(&b, 0, BREAKER_TIMEOUT));
	clock_advance_for_tests(4 * US_PER_S);
	assert_true(breaker_report(&b, 0, BREAKER_TIMEOUT));
}

static void test_breaker__timeouts_far_apart_do_not_open(void **state)
{
	struct breaker b;

	breaker_init(&b, RETRY_US, NULL, NULL);
	for (int i = 0; i < 5; i++) {
		assert_false(breaker_report(&b, 0, BREAKER_TIMEOUT));
		clock_advance_for_tests(6 * US_PER_S);
	}
	assert_false(breaker_report(&b, 0, BREAKER_TIMEOUT));
	assert_true(breaker_report(&b, 0, BREAKER_TIMEOUT));
}

static void test_breaker__a_success_between_timeouts_forgives(void **state)
{
	struct breaker b;

	breaker_init(&b, RETRY_US, NULL, NULL);
	assert_false(breaker_report(&b, 0, BREAKER_TIMEOUT));
	assert_false(breaker_report(&b, 0, BREAKER_SUCCESS));
	assert_false(breaker_report(&b, 0, BREAKER_TIMEOUT));
	assert_true(breaker_allows(&b, NULL));
}

static void test_breaker__tries_again_after_the_retry_time_with_ten_percent_of_jitter(void **state)
{
	int64_t low = INT64_MAX, high = 0;

	for (int i = 0; i < 500; i++) {
		struct moves m = { 0 };
		struct breaker b;
		int64_t before = clock_monotonic_us(), wait;
		uint64_t generation;

		open_it(&b, &m);
		assert_false(breaker_begin_trial(&b, &generation));
		wait = breaker_retry_at_us(&b) - before;
		assert_true(wait >= RETRY_US * 9 / 10);
		assert_true(wait <= RETRY_US * 11 / 10 + 50 * US_PER_MS); /* the machine may be slow between the two clocks */
		low = wait < low ? wait : low;
		high = wait > high ? wait : high;
		clock_advance_for_tests(997);
	}
	assert_true(low < RETRY_US * 95 / 100); /* it does vary */
	assert_true(high > RETRY_US * 105 / 100);
}

static void test_breaker__half_open_closes_on_success_and_opens_on_failure(void **state)
{
	static const struct {
		enum breaker_result result;
		enum breaker_state to;
	} ends[] = { { BREAKER_SUCCESS, BREAKER_CLOSED }, { BREAKER_FAILURE, BREAKER_OPEN }, { BREAKER_TIMEOUT, BREAKER_OPEN } };

	for (int i = 0; i < 3; i++) {
		struct moves m = { 0 };
		struct breaker b;
		uint64_t generation, now;

		open_it(&b, &m);
		clock_advance_for_tests(2 * RETRY_US);
		assert_true(breaker_begin_trial(&b, &generation));
		assert_int_equal(breaker_state(&b, &now), BREAKER_HALF_OPEN);
		assert_int_equal(now, generation);
		assert_false(breaker_allows(&b, NULL));
		assert_false(breaker_begin_trial(&b, &now));
		assert_true(breaker_report(&b, generation, ends[i].result));
		assert_int_equal(breaker_state(&b, &now), ends[i].to);
		assert_int_equal(now, generation + 1);
		assert_int_equal(m.n, 3);
	}
}

static void test_breaker__an_older_generation_changes_nothing(void **state)
{
	struct moves m = { 0 };
	struct breaker b;
	uint64_t trial;

	open_it(&b, &m);
	assert_false(breaker_report(&b, 0, BREAKER_SUCCESS));
	assert_false(breaker_report(&b, 1, BREAKER_SUCCESS)); /* no answer closes an open one */
	clock_advance_for_tests(2 * RETRY_US);
	assert_true(breaker_begin_trial(&b, &trial));
	assert_false(breaker_report(&b, 0, BREAKER_SUCCESS));
	assert_false(breaker_report(&b, 0, BREAKER_FAILURE));
	assert_int_equal(breaker_state(&b, NULL), BREAKER_HALF_OPEN);
	assert_true(breaker_report(&b, trial, BREAKER_SUCCESS));
	assert_false(breaker_report(&b, 0, BREAKER_FAILURE));
	assert_false(breaker_report(&b, trial, BREAKER_FAILURE));
	assert_true(breaker_allows(&b, NULL));
}

static void test_breaker__a_timeout_before_an_outage_does_not_count_after_it(void **state)
{
	struct breaker b;
	uint64_t generation;

	breaker_init(&b, RETRY_US, NULL, NULL);
	assert_false(breaker_report(&b, 0, BREAKER_TIMEOUT));
	assert_true(breaker_report(&b, 0, BREAKER_FAILURE));
	clock_advance_for_tests(US_PER_S);
	assert_true(breaker_begin_trial(&b, &generation));
	assert_true(breaker_report(&b, generation, BREAKER_SUCCESS));
	assert_false(breaker_report(&b, generation + 1, BREAKER_TIMEOUT));
}

/* ---- many threads ---- */

#define THREADS 32

struct race {
	struct breaker breaker;
	struct moves moves;
	pthread_barrier_t start;
	atomic_int won;
	enum { FAILING, TIMING_OUT, TRYING } kind;
};

static void *run_racer(void *arg)
{
	struct race *race = arg;
	uint64_t generation;
	bool won;

	pthread_barrier_wait(&race->start);
	breaker_state(&race->breaker, &generation);
	if (race->kind == TRYING)
		won = breaker_begin_trial(&race->breaker, &generation);
	else
		won = breaker_report(&race->breaker, 0, race->kind == FAILING ? BREAKER_FAILURE : BREAKER_TIMEOUT);
	if (won)
		atomic_fetch_add(&race->won, 1);
	return NULL;
}

static void run_race(struct race *race)
{
	pthread_t threads[THREADS];

	pthread_barrier_init(&race->start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_racer, race), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&race->start);
}

static void test_breaker__32_threads_make_one_transition(void **state)
{
	for (int round = 0; round < 20; round++) {
		struct race race = { .kind = round % 2 ? FAILING : TIMING_OUT };
		uint64_t generation;

		breaker_init(&race.breaker, RETRY_US, note_move, &race.moves);
		run_race(&race);
		assert_int_equal(race.won, 1);
		assert_int_equal(race.moves.n, 1);
		assert_int_equal(breaker_state(&race.breaker, &generation), BREAKER_OPEN);
		assert_int_equal(generation, 1);
		clock_advance_for_tests(2 * RETRY_US);
		race.kind = TRYING;
		race.won = 0;
		run_race(&race);
		assert_int_equal(race.won, 1);
		assert_int_equal(race.moves.to[BREAKER_HALF_OPEN], 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_breaker__begins_closed),
		cmocka_unit_test(test_breaker__begins_open_when_asked),
		cmocka_unit_test(test_breaker__names_its_states),
		cmocka_unit_test(test_breaker__one_failure_opens),
		cmocka_unit_test(test_breaker__the_second_timeout_in_a_row_opens),
		cmocka_unit_test(test_breaker__timeouts_far_apart_do_not_open),
		cmocka_unit_test(test_breaker__a_success_between_timeouts_forgives),
		cmocka_unit_test(test_breaker__tries_again_after_the_retry_time_with_ten_percent_of_jitter),
		cmocka_unit_test(test_breaker__half_open_closes_on_success_and_opens_on_failure),
		cmocka_unit_test(test_breaker__an_older_generation_changes_nothing),
		cmocka_unit_test(test_breaker__a_timeout_before_an_outage_does_not_count_after_it),
		cmocka_unit_test(test_breaker__32_threads_make_one_transition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
