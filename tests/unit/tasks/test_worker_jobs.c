/* What a worker holds: the order of those that are ready and those that wait, and how much room there is. No thread, no Redis. */
#include "base/clock.h"
#include "tasks/worker_impl.h"
#include "tests/lib/test.h"

static struct worker *worker(int concurrency)
{
	static struct worker w;

	memset(&w, 0, sizeof(w));
	w.config.concurrency = concurrency;
	TAILQ_INIT(&w.all);
	TAILQ_INIT(&w.ready);
	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.work, NULL);
	return &w;
}

static struct job *add(struct worker *w, const char *id)
{
	struct message m = { .id = str_of(id) };
	struct job *j = jobs_new(&m, id);

	jobs_add(w, j);
	return j;
}

static void drop_all(struct worker *w)
{
	struct job *j;

	while ((j = TAILQ_FIRST(&w->all))) {
		jobs_remove(w, j);
		jobs_free(j);
	}
	assert_true(w->n_held == 0 && w->n_waiting == 0 && w->n_running == 0);
	free(w->waiting);
}

static void test_worker_jobs__room(void **state)
{
	struct worker *w = worker(2);

	assert_int_equal(jobs_room(w, 0), 8);
	for (int i = 0; i < 8; i++)
		add(w, "x");
	assert_int_equal(jobs_room(w, 0), 0);
	jobs_make_waiting(w, TAILQ_FIRST(&w->all), 5);
	assert_int_equal(jobs_room(w, 0), 1); /* one that waits is not in the way */
	jobs_start(w, TAILQ_FIRST(&w->ready), NULL);
	assert_int_equal(jobs_room(w, 0), 1);
	jobs_end(w, TAILQ_FIRST(&w->all)->state == JOB_RUNNING ? TAILQ_FIRST(&w->all) : TAILQ_NEXT(TAILQ_FIRST(&w->all), all));
	assert_int_equal(w->n_running, 0);
	assert_int_equal(jobs_room(w, 0), 1); /* it is held until Redis knows */
	assert_int_equal(jobs_room(w, 1), 2);
	drop_all(w);
}

/* Many times, in an order of their own: taken out in the order of time, whoever is removed in between. */
static void test_worker_jobs__ripen_in_order(void **state)
{
	struct worker *w = worker(1);
	struct job *jobs[500];
	int64_t last = 0;

	for (int i = 0; i < 500; i++) {
		jobs[i] = add(w, "x");
		jobs_make_waiting(w, jobs[i], (int64_t)i * 7919 % 1009);
	}
	for (int i = 0; i < 500; i += 3) {
		jobs_remove(w, jobs[i]);
		jobs_free(jobs[i]);
	}
	while (w->n_waiting) {
		int64_t next = w->waiting[0]->due_at_us;

		assert_true(next >= last);
		assert_true(jobs_ripen(w, next) > next);
		assert_true(TAILQ_LAST(&w->ready, jobs)->due_at_us == next);
		last = next;
	}
	assert_int_equal(jobs_ripen(w, 5000), INT64_MAX);
	drop_all(w);
}

static void test_worker_jobs__found(void **state)
{
	struct worker *w = worker(1);
	struct job *a = add(w, "a"), *b = add(w, "b");

	assert_ptr_equal(jobs_find(w, str_of("b")), b);
	assert_ptr_equal(jobs_find_tag(w, "a"), a);
	assert_null(jobs_find(w, str_of("c")));
	drop_all(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worker_jobs__room),
		cmocka_unit_test(test_worker_jobs__ripen_in_order),
		cmocka_unit_test(test_worker_jobs__found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
