/*
 * The mission's tests of tasks, by their names (spec resilience.md, part 3), and the rest of execute_task_sync's contract.
 */
#include <signal.h>

#include "tasks/sync.h"
#include "tests/unit/tasks/relays.h"

static struct test_redis server;
static struct task_services services;
static struct task_answer answer;

static enum task_outcome double_it(struct task_run *run)
{
	int64_t x = task_int(run, "x");

	if (x == NULL_INT)
		return task_fail(run, "TypeError", "not a number");
	buf_addf(&run->result, "%lld", 2 * (long long)x);
	return TASK_SUCCEEDED;
}

static const struct task_policy twice = { "double", "x", double_it, "celery", .soft_limit_s = 60, .hard_limit_s = 90 };

static int set_up(void **state)
{
	begin(state);
	forget_runs();
	test_redis_start(&server, 0, NULL, NULL);
	services = (struct task_services){ .db = ((struct fixture *)*state)->db, .redis = start_core(server.port) };
	assert_true(WAIT_FOR(ENOUGH_MS, redis_usable(services.redis, REDIS_TASKS)));
	return 0;
}

static int tear_down(void **state)
{
	task_answer_finish(&answer);
	fault_disarm_all();
	redis_destroy(services.redis);
	test_redis_stop(&server);
	return end(state);
}

static void execute(struct fixture *f, const struct task_policy *task, const char *args)
{
	task_answer_finish(&answer);
	assert_ok(execute_task_sync(&services, f->conn, task, str_of(args), NOTHING, &answer));
}

static void assert_ten(void)
{
	assert_false(answer.queued);
	assert_int_equal(answer.outcome, TASK_SUCCEEDED);
	assert_text(buf_view(&answer.result), "10");
}

static void test_redis_resilience_celery_fallback_on_redis_failure(void **state)
{
	test_redis_signal(&server, SIGKILL);
	assert_true(WAIT_FOR(ENOUGH_MS, !redis_usable(services.redis, REDIS_TASKS)));
	execute(*state, &twice, "[5]");
	assert_ten();
}

static void test_redis_resilience_celery_fallback_on_celery_error(void **state)
{
	struct metric *sync = metric_series(METRIC_TASKS_SYNC, "task=\"double\"");
	int64_t before = metric_value(sync);

	assert_true(redis_usable(services.redis, REDIS_TASKS)); /* it looks up, and then it is not */
	fault_arm(FAULT_REDIS, 1, true);
	execute(*state, &twice, "[5]");
	assert_ten();
	assert_int_equal(metric_value(sync), before + 1);
}

static void test_redis_resilience_a_broker_that_refuses_is_a_broker_that_fails(void **state)
{
	struct redis_reply *reply = ask(services.redis, "SET celery nonsense");

	redis_replies_free(&reply, 1);
	execute(*state, &twice, "[5]");
	assert_ten();
}

static void test_redis_resilience_while_the_broker_is_up_it_gets_the_task(void **state)
{
	execute(*state, &twice, "[5]");
	assert_true(answer.queued);
	assert_int_equal(strlen(answer.id), 36);
	assert_int_equal(ask_int(services.redis, "LLEN celery"), 1);
}

static void test_redis_resilience_an_error_is_the_callers_to_see(void **state)
{
	fault_arm(FAULT_REDIS, 1, true);
	execute(*state, &twice, "[null]");
	assert_int_equal(answer.outcome, TASK_FAILED);
	assert_string_equal(answer.error.message, "not a number");
	execute(*state, &twice, "[]");
	assert_string_equal(answer.error.type, "TypeError");
}

static void test_redis_resilience_a_retry_is_the_schedulers(void **state)
{
	struct fixture *f = *state;

	fault_arm(FAULT_REDIS, 1, true);
	execute(f, find_test_task(TEXT("test.again")), "[1]");
	assert_int_equal(answer.outcome, TASK_RETRY);
	assert_int_equal(atomic_load(&all_runs), 1);
	assert_int_equal(number(f, FREE_ROWS), 1);
	assert_int_equal(number(f, ALL_ROWS " WHERE due_at > created_at"), 1);
}

static void test_redis_resilience_without_a_redis_it_is_run_here(void **state)
{
	struct redis *redis = services.redis;

	services.redis = NULL;
	execute(*state, &twice, "[5]");
	assert_ten();
	services.redis = redis;
}

static void test_redis_resilience_arguments_that_are_none(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(execute_task_sync(&services, f->conn, &twice, TEXT("{}"), NOTHING, &answer), ERR_INVALID);
	assert_int_equal(execute_task_sync(&services, f->conn, &twice, TEXT("[5]"), TEXT("[]"), &answer), ERR_INVALID);
	assert_int_equal(execute_task_sync(&services, f->conn, &twice, TEXT("[5"), NOTHING, &answer), ERR_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_redis_resilience_##name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(celery_fallback_on_redis_failure),
		TEST(celery_fallback_on_celery_error),
		TEST(a_broker_that_refuses_is_a_broker_that_fails),
		TEST(while_the_broker_is_up_it_gets_the_task),
		TEST(an_error_is_the_callers_to_see),
		TEST(a_retry_is_the_schedulers),
		TEST(without_a_redis_it_is_run_here),
		TEST(arguments_that_are_none),
	};

	return RUN_ON_BOTH(tests);
}
