#include "api/executor.h"

#include <pthread.h>
#include <stdatomic.h>

#include "api/request.h"
#include "base/fault.h"
#include "tests/lib/wait.h"
#include "tests/unit/api/fixture.h"

#define THREADS 3

struct fixture {
	struct worker workers[THREADS], *pointers[THREADS];
	struct executor *executor;
	atomic_int run, dropped;
	atomic_bool hold;              /* jobs wait while it is set */
	atomic_int held;               /* jobs that wait so */
	_Atomic(struct worker *) last; /* the worker of the last job */
	int order[64];
	atomic_int n_ordered;
};

static int setup_with(void **state, size_t capacity)
{
	struct fixture *f = calloc(1, sizeof(*f));

	for (size_t i = 0; i < THREADS; i++)
		f->pointers[i] = &f->workers[i];
	f->executor = executor_create(f->pointers, THREADS, capacity);
	assert_non_null(f->executor);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, 4);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	atomic_store(&f->hold, false);
	executor_destroy(f->executor);
	free(f);
	return 0;
}

static void run(void *arg, struct worker *worker)
{
	struct fixture *f = arg;

	atomic_store(&f->last, worker);
	atomic_fetch_add(&f->held, 1);
	while (atomic_load(&f->hold))
		usleep(500);
	atomic_fetch_sub(&f->held, 1);
	atomic_fetch_add(&f->run, 1);
}

static void drop(void *arg)
{
	atomic_fetch_add(&((struct fixture *)arg)->dropped, 1);
}

static bool submit(struct fixture *f)
{
	return executor_submit(f->executor, (struct executor_job){ run, drop, f });
}

static void test_executor__runs_what_is_submitted(void **state)
{
	struct fixture *f = *state;
	struct worker *last;
	int n = 0;

	assert_int_equal(executor_start(f->executor, NULL), 0);
	while (n < 200)
		n += submit(f);
	assert_true(WAIT_FOR(5000, atomic_load(&f->run) == 200));
	last = atomic_load(&f->last);
	assert_true(last >= f->workers && last < f->workers + THREADS);
	assert_int_equal(executor_waiting(f->executor), 0);
}

static void test_executor__refuses_when_its_queue_is_full(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(executor_start(f->executor, NULL), 0);
	atomic_store(&f->hold, true);
	for (int i = 0; i < THREADS; i++)
		assert_true(submit(f));
	assert_true(WAIT_FOR(5000, atomic_load(&f->held) == THREADS)); /* all threads at work, so what follows waits */
	for (int i = 0; i < 4; i++)
		assert_true(submit(f));
	assert_false(submit(f));
	assert_int_equal(executor_waiting(f->executor), 4);
	atomic_store(&f->hold, false);
	assert_true(WAIT_FOR(5000, atomic_load(&f->run) == THREADS + 4));
	assert_true(submit(f));
	assert_true(WAIT_FOR(5000, atomic_load(&f->run) == THREADS + 5));
	assert_int_equal(atomic_load(&f->dropped), 0);
}

static void *let_go(void *arg)
{
	struct fixture *f = arg;

	WAIT_FOR(5000, atomic_load(&f->dropped) == 2);
	atomic_store(&f->hold, false);
	return NULL;
}

static void test_executor__stops_after_what_runs_and_drops_what_waits(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;

	assert_int_equal(executor_start(f->executor, NULL), 0);
	atomic_store(&f->hold, true);
	for (int i = 0; i < THREADS; i++)
		assert_true(submit(f));
	assert_true(WAIT_FOR(5000, atomic_load(&f->held) == THREADS));
	assert_true(submit(f));
	assert_true(submit(f));
	assert_int_equal(pthread_create(&thread, NULL, let_go, f), 0);
	executor_stop(f->executor);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&f->run), THREADS);
	assert_int_equal(atomic_load(&f->dropped), 2);
	assert_false(submit(f));
	executor_stop(f->executor); /* again: nothing */
}

struct numbered {
	struct fixture *fixture;
	int number;
};

static void note(void *arg, struct worker *worker)
{
	struct numbered *n = arg;

	n->fixture->order[atomic_load(&n->fixture->n_ordered)] = n->number; /* there is one thread */
	atomic_fetch_add(&n->fixture->n_ordered, 1);
}

/* One thread, and more jobs than the ring has places: first come, first served, round its end. */
static void test_executor__keeps_the_order(void **state)
{
	struct fixture *f = *state;
	struct executor *one = executor_create(f->pointers, 1, 3);
	struct numbered jobs[32];

	assert_int_equal(executor_start(one, NULL), 0);
	for (int i = 0; i < 32; i++) {
		jobs[i] = (struct numbered){ f, i };
		assert_true(WAIT_FOR(5000, executor_submit(one, (struct executor_job){ note, drop, &jobs[i] })));
	}
	assert_true(WAIT_FOR(5000, atomic_load(&f->n_ordered) == 32));
	for (int i = 0; i < 32; i++)
		assert_int_equal(f->order[i], i);
	executor_destroy(one);
}

static void test_executor__drops_all_when_it_never_started(void **state)
{
	struct fixture *f = *state;

	assert_true(submit(f));
	assert_true(submit(f));
	executor_stop(f->executor);
	assert_int_equal(atomic_load(&f->dropped), 2);
}

static void test_executor__is_not_made_without_memory(void **state)
{
	struct fixture *f = *state;

	for (int n = 1; n <= 3; n++) {
		fault_arm(FAULT_ALLOC, n, false);
		assert_null(executor_create(f->pointers, THREADS, 4));
		fault_disarm_all();
	}
	executor_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_executor__runs_what_is_submitted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_executor__refuses_when_its_queue_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_executor__stops_after_what_runs_and_drops_what_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_executor__keeps_the_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_executor__drops_all_when_it_never_started, setup, teardown),
		cmocka_unit_test_setup_teardown(test_executor__is_not_made_without_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
