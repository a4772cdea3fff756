#include <pthread.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/unit/domain/grains.h"
#include "tests/unit/tasks/runs.h"

#define COMPOST "core.tasks.saka_run_compost_cycle"
#define SHARE   "core.tasks.run_saka_silo_redistribution"

static const struct task_services services = { .settings = &rules };

/* Executes, and gives the result; it lives in the arena. */
static struct str result_of(struct fixture *f, const struct task_services *with, const char *name, const char *args, int id, bool from_beat)
{
	struct task_run run = run_of(f, with, name, args, id);
	struct str result;

	run.from_beat = from_beat;
	assert_int_equal(task_execute(&run), TASK_SUCCEEDED);
	result = arena_str(&f->arena, buf_view(&run.result));
	run_done(&run);
	return result;
}

static void assert_composts(struct fixture *f, const char *args, int id, bool from_beat, int64_t wallets, int64_t grains, bool dry_run)
{
	char expected[300];
	struct str result = result_of(f, &services, COMPOST, args, id, from_beat);
	int64_t log_id = number(f, "SELECT MAX(id) FROM core_sakacompostlog");

	snprintf(expected, sizeof(expected),
	         "{\"cycles\": %d, \"wallets_affected\": %lld, \"total_composted\": %lld, \"dry_run\": %s, \"log_id\": %lld}",
	         wallets && !dry_run, (long long)wallets, (long long)grains, dry_run ? "true" : "false", (long long)log_id);
	assert_text(result, expected);
}

static void test_jobs_saka__compost_tells_what_it_did(void **state)
{
	struct fixture *f = *state;

	add_wallets(f, 1, 3, 200, 91);
	assert_composts(f, "[true]", 1, false, 3, 60, true);
	assert_composts(f, "[]", 2, false, 3, 60, false);
	assert_composts(f, "[false]", 3, false, 0, 0, false);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakacompostlog WHERE source = 'celery' AND finished_at IS NOT NULL"), 3);
	assert_books_balance(f);
}

static void test_jobs_saka__a_second_delivery_answers_what_the_first_did(void **state)
{
	struct fixture *f = *state;
	struct str first, second;

	add_wallets(f, 1, 3, 200, 91);
	first = result_of(f, &services, COMPOST, "[false]", 1, false);
	clock_advance_for_tests(200 * DAY_US);
	second = result_of(f, &services, COMPOST, "[false]", 1, false);
	clock_advance_for_tests(-200 * DAY_US);
	assert_true(str_equal(first, second));
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakacompostlog"), 1);
	assert_int_equal(silo_now(f).total_cycles, 1);
	first = result_of(f, &services, SHARE, "[]", 2, false);
	second = result_of(f, &services, SHARE, "[]", 2, false);
	assert_text(first, "{\"ok\": true, \"total_before\": 60, \"total_after\": 57, \"redistributed\": 3, \"per_wallet\": 1, "
	                   "\"eligible_wallets\": 3}");
	assert_true(str_equal(first, second));
	assert_int_equal(silo_now(f).total_balance, 57);
}

/* Monday of a week far ahead, so that no test crosses into the next. */
static int64_t to_a_monday(void)
{
	int64_t week_us = 7 * DAY_US, monday_us = (INT64_C(1767571200) + 3 * 3600) * US_PER_S; /* 2026-01-05 03:00, W02 */
	int64_t move_us = week_us - (clock_now().us - monday_us) % week_us;

	clock_advance_for_tests(move_us);
	return move_us;
}

static void test_jobs_saka__beat_composts_once_in_a_week(void **state)
{
	struct fixture *f = *state;
	int64_t moved_us = to_a_monday(), day_us = DAY_US;

	add_wallets(f, 1, 3, 200, 91);
	result_of(f, &services, COMPOST, "[true]", 1, true); /* a dry run is not the week's */
	assert_int_equal(silo_now(f).total_cycles, 0);
	result_of(f, &services, COMPOST, "[false]", 2, true);
	assert_int_equal(silo_now(f).total_cycles, 1);
	write_rows(f, "UPDATE core_sakawallet SET last_activity_date = NULL");
	clock_advance_for_tests(6 * day_us + 20 * 3600 * US_PER_S); /* Sunday, 23:00 */
	result_of(f, &services, COMPOST, "[false]", 3, true);
	assert_int_equal(silo_now(f).total_cycles, 1);
	result_of(f, &services, COMPOST, "[false]", 4, false); /* by hand: not refused */
	assert_int_equal(silo_now(f).total_cycles, 2);
	write_rows(f, "UPDATE core_sakawallet SET last_activity_date = NULL");
	clock_advance_for_tests(2 * 3600 * US_PER_S);
	result_of(f, &services, COMPOST, "[false]", 5, true);
	assert_int_equal(silo_now(f).total_cycles, 3);
	clock_advance_for_tests(-moved_us - 6 * day_us - 22 * 3600 * US_PER_S);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM egoejo_task_done WHERE period IS NOT NULL AND name = '" COMPOST "'"), 2);
	assert_books_balance(f);
}

static void test_jobs_saka__off_is_said_and_nothing_done(void **state)
{
	struct fixture *f = *state;
	const struct settings off = { .enable_saka = true };
	const struct task_services without = { .settings = &off };

	assert_text(result_of(f, &without, COMPOST, "[false]", 1, true),
	            "{\"cycles\": 0, \"wallets_affected\": 0, \"total_composted\": 0, \"skipped\": \"disabled\"}");
	assert_text(result_of(f, &without, SHARE, "[]", 2, false), "{\"ok\": false, \"reason\": \"disabled\"}");
	assert_text(result_of(f, &without, "core.tasks.saka_silo_redistribution_task", "[]", 3, false),
	            "{\"ok\": false, \"reason\": \"disabled\"}");
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakacompostlog"), 0);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM egoejo_task_done"), 0);
}

static void test_jobs_saka__redistribution_says_why_not(void **state)
{
	struct fixture *f = *state;
	int id = 1;

	assert_text(result_of(f, &services, SHARE, "[]", id++, false),
	            "{\"ok\": false, \"reason\": \"nothing_to_redistribute\", \"total_before\": 0}");
	write_rows(f, "UPDATE core_sakasilo SET total_balance = 19, total_composted = 19");
	assert_text(result_of(f, &services, SHARE, "[]", id++, false),
	            "{\"ok\": false, \"reason\": \"too_small_to_redistribute\", \"total_before\": 19}");
	write_rows(f, "UPDATE core_sakasilo SET total_balance = 100, total_composted = 100");
	assert_text(result_of(f, &services, SHARE, "[]", id++, false),
	            "{\"ok\": false, \"reason\": \"no_eligible_wallets\", \"total_before\": 100, \"redistributed\": 0}");
	add_wallets(f, 1, 6, 5, 1);
	assert_text(result_of(f, &services, SHARE, "[]", id++, false), "{\"ok\": false, \"reason\": \"insufficient_per_wallet\", "
	                                                               "\"total_before\": 100, \"redistributed\": 0, "
	                                                               "\"eligible_wallets\": 6}");
}

static void test_jobs_saka__what_is_no_boolean_does_not_compost(void **state)
{
	static const char *const args[] = { "[\"true\"]", "[1]", "[null]", "[0]", "[true, true]" };
	struct fixture *f = *state;

	add_wallets(f, 1, 3, 200, 91);
	for (size_t i = 0; i < N_ELEMENTS(args); i++) {
		struct task_run run = run_of(f, &services, COMPOST, args[i], (int)i);

		assert_int_equal(task_execute(&run), TASK_FAILED);
		assert_string_equal(run.error.type, "TypeError");
		run_done(&run);
	}
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakacompostlog"), 0);
}

static void test_jobs_saka__a_failure_leaves_its_row_unfinished_and_may_be_run_again(void **state)
{
	struct fixture *f = *state;
	struct task_run run;

	add_wallets(f, 1, 3, 200, 91);
	fill_silo(f, 0, INT32_MAX);
	run = run_of(f, &services, COMPOST, "[false]", 1);
	run.from_beat = true;
	assert_int_equal(task_execute(&run), TASK_FAILED);
	assert_string_equal(run.error.type, "RuntimeError");
	run_done(&run);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakacompostlog WHERE finished_at IS NULL"), 1);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM egoejo_task_done"), 0);
	write_rows(f, "UPDATE core_sakasilo SET total_composted = 0");
	result_of(f, &services, COMPOST, "[false]", 1, true);
	assert_int_equal(silo_now(f).total_balance, 60);
}

static void test_jobs_saka__integrity_counts_what_is_broken(void **state)
{
	struct fixture *f = *state;

	assert_text(result_of(f, &services, "egoejo.saka_integrity", "[]", 1, true), "{\"wallets\": 0, \"breaches\": 0}");
	add_wallets(f, 1, 9, 200, 91);
	write_rows(f, "UPDATE core_sakawallet SET balance = balance + 1 WHERE user_id < 3");
	assert_text(result_of(f, &services, "egoejo.saka_integrity", "[]", 2, true), "{\"wallets\": 9, \"breaches\": 2}");
	assert_int_equal(number(f, "SELECT COUNT(*) FROM egoejo_outbox WHERE name = 'egoejo.critical_alert' AND queue = 'local'"), 2);
}

#define THREADS 4

struct thread {
	pthread_t id;
	struct fixture *f;
	const char *name;
	struct buf result;
	bool from_beat;
	int n; /* makes the id */
};

static void *execute(void *arg)
{
	struct thread *t = arg;
	struct arena arena;
	struct task_run run;
	struct error err = { 0 };

	arena_init(&arena, 1 << 20);
	run = run_of(t->f, &services, t->name, "[]", t->n);
	run.arena = &arena;
	run.from_beat = t->from_beat;
	run.db = NULL;
	if (db_connect(t->f->db, &run.db, &err) == 0 && task_execute(&run) == TASK_SUCCEEDED)
		buf_add_str(&t->result, buf_view(&run.result));
	db_disconnect(run.db);
	run_done(&run);
	arena_finish(&arena);
	return NULL;
}

/* All answer, and all the same. */
static void assert_all_answer_the_same(struct fixture *f, const char *name, bool same_id, bool from_beat)
{
	struct thread threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){ .f = f, .name = name, .from_beat = from_beat, .n = same_id ? 1 : i };
		assert_int_equal(pthread_create(&threads[i].id, NULL, execute, &threads[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i].id, NULL);
	for (int i = 0; i < THREADS; i++) {
		assert_true(threads[i].result.len > 0);
		assert_true(str_equal(buf_view(&threads[i].result), buf_view(&threads[0].result)));
	}
	for (int i = 0; i < THREADS; i++)
		buf_finish(&threads[i].result);
}

static void test_jobs_saka__many_deliveries_at_once_do_the_work_of_one(void **state)
{
	struct fixture *f = *state;

	add_wallets(f, 1, 50, 200, 91);
	assert_all_answer_the_same(f, COMPOST, true, false);
	assert_int_equal(silo_now(f).total_balance, 1000);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakacompostlog"), 1);
	write_rows(f, "DELETE FROM egoejo_task_done");
	assert_all_answer_the_same(f, SHARE, true, false);
	assert_int_equal(silo_now(f).total_balance, 950);
}

static void test_jobs_saka__many_beats_at_once_compost_once(void **state)
{
	struct fixture *f = *state;
	int64_t moved_us = to_a_monday();

	add_wallets(f, 1, 50, 200, 91);
	assert_all_answer_the_same(f, COMPOST, false, true);
	clock_advance_for_tests(-moved_us);
	assert_int_equal(silo_now(f).total_cycles, 1);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM core_sakacompostlog"), 1);
	assert_int_equal(number(f, "SELECT COUNT(*) FROM egoejo_task_done"), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_jobs_saka__compost_tells_what_it_did),
		CASE(test_jobs_saka__a_second_delivery_answers_what_the_first_did),
		CASE(test_jobs_saka__beat_composts_once_in_a_week),
		CASE(test_jobs_saka__off_is_said_and_nothing_done),
		CASE(test_jobs_saka__redistribution_says_why_not),
		CASE(test_jobs_saka__what_is_no_boolean_does_not_compost),
		CASE(test_jobs_saka__a_failure_leaves_its_row_unfinished_and_may_be_run_again),
		CASE(test_jobs_saka__integrity_counts_what_is_broken),
		CASE(test_jobs_saka__many_deliveries_at_once_do_the_work_of_one),
		CASE(test_jobs_saka__many_beats_at_once_compost_once),
	};

	log_init(LOG_JSON, LOG_CRITICAL, STDERR_FILENO);
	return RUN_ON_BOTH(tests);
}
