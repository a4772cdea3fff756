/* The registry and one run: arguments bound as Python binds them, outcomes, effects once for an id. */
#include <pthread.h>

#include "tests/unit/domain/fixture.h"

#include "tasks/task.h"

static struct task_run *run_of(struct fixture *f, const char *name, const char *args, const char *kwargs)
{
	static struct task_run run;

	run = (struct task_run){ .policy = task_find(str_of(name)), .db = f->conn, .arena = &f->arena, .outbox_id = NULL_INT };
	assert_non_null(run.policy);
	run.args = json_loads(args, 0, NULL);
	run.kwargs = json_loads(kwargs, 0, NULL);
	snprintf(run.id, sizeof(run.id), "00000000-0000-4000-8000-000000000001");
	return &run;
}

static void done(struct task_run *run)
{
	json_decref((json_t *)(uintptr_t)run->args);
	json_decref((json_t *)(uintptr_t)run->kwargs);
	task_run_finish(run);
}

static void assert_result(struct fixture *f, const char *name, const char *args, const char *kwargs, const char *expected)
{
	struct task_run *run = run_of(f, name, args, kwargs);

	assert_int_equal(task_execute(run), TASK_SUCCEEDED);
	assert_text(buf_view(&run->result), expected);
	done(run);
}

static void test_task__arguments_by_place_and_by_name(void **state)
{
	assert_result(*state, "interop.add", "[1, 2]", "{}", "3");
	assert_result(*state, "interop.add", "[1]", "{\"y\": 0.5}", "1.5");
	assert_result(*state, "interop.flaky_retry", "[\"k\"]", "{\"failures\": 0}", "{\"key\": \"k\", \"retries\": 0}");
	assert_result(*state, "interop.echo", "[1, null]", "{\"a\": true}", "{\"args\": [1, null], \"kwargs\": {\"a\": true}}");
}

static void test_task__arguments_that_do_not_fit(void **state)
{
	static const struct {
		const char *args, *kwargs, *message;
	} cases[] = {
		{ "[1]", "{}", "add() missing 1 required positional argument: 'y'" },
		{ "[1, 2, 3]", "{}", "add() takes 2 positional arguments but 3 were given" },
		{ "[1, 2]", "{\"x\": 3}", "add() got multiple values for argument 'x'" },
		{ "[1, 2]", "{\"z\": 3}", "add() got an unexpected keyword argument 'z'" },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct task_run *run = run_of(*state, "interop.add", cases[i].args, cases[i].kwargs);

		assert_int_equal(task_execute(run), TASK_FAILED);
		assert_string_equal(run->error.message, cases[i].message);
		assert_string_equal(run->error.type, "TypeError");
		done(run);
	}
}

static void test_task__retries_end(void **state)
{
	for (int retries = 0; retries < 3; retries++) {
		struct task_run *run = run_of(*state, "interop.flaky_retry", "[\"k\", 9, 2, 7]", "{}");

		run->retries = retries;
		assert_int_equal(task_execute(run), retries < 2 ? TASK_RETRY : TASK_FAILED);
		assert_string_equal(run->error.type, "ConnectionError");
		if (retries < 2)
			assert_int_equal(run->retry_after_s, 7);
		done(run);
	}
}

static int write_once(struct db_conn *db, void *arg)
{
	struct task_run *run = arg;
	static const struct db_statement sql = { "INSERT INTO egoejo_beat (name, last_due_at, total_runs) VALUES ('once', $1, 1)" };

	buf_add_text(&run->result, "{\"n\": 1}");
	return db_execute(db, &sql, DB_PARAMS(DB_TIME(clock_now())), NULL);
}

static void test_task__effects_happen_once(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++) {
		struct task_run *run = run_of(f, "interop.add", "[1, 2]", "{}");

		assert_int_equal(task_commit(run, write_once, run, NULL), i ? 1 : 0);
		assert_text(buf_view(&run->result), "{\"n\": 1}");
		done(run);
	}
	write_rows(f, "DELETE FROM egoejo_beat; DELETE FROM egoejo_task_done");
	for (int i = 0; i < 2; i++) { /* once for the week, whatever the id */
		struct task_run *run = run_of(f, "interop.add", "[1, 2]", "{}");

		run->id[0] = (char)('a' + i);
		assert_int_equal(task_commit(run, write_once, run, "2026-W48"), i ? 1 : 0);
		done(run);
	}
}

/* ---- the same message in two hands ---- */

#define RACERS 4
#define ROUNDS 20

struct racer {
	pthread_t thread;
	pthread_barrier_t *start;
	struct db_conn *conn;
	struct arena arena;
	struct task_run run;
	int first, same; /* how often it did the work, how often it heard what another had done */
};

static int add_up(struct db_conn *db, void *arg)
{
	struct task_run *run = arg;
	static const struct db_statement sql = { "UPDATE egoejo_beat SET total_runs = total_runs + 1 WHERE name = 'race'" };

	buf_add_text(&run->result, "{\"n\": 1}");
	return db_execute(db, &sql, DB_NO_PARAMS, NULL);
}

static void *race(void *arg)
{
	struct racer *r = arg;

	for (int round = 0; round < ROUNDS; round++) {
		int done;

		arena_reset(&r->arena);
		snprintf(r->run.id, sizeof(r->run.id), "00000000-0000-4000-8000-%012d", round);
		pthread_barrier_wait(r->start);
		done = task_commit(&r->run, add_up, &r->run, NULL);
		r->first += done == 0;
		r->same += done == 1 && str_is(buf_view(&r->run.result), "{\"n\": 1}");
	}
	return NULL;
}

/* One does the work, the others hear what he said: nobody fails because another was faster. */
static void test_task__of_several_at_once_one_does_it(void **state)
{
	struct fixture *f = *state;
	struct racer racers[RACERS];
	pthread_barrier_t start;
	struct error err;
	int first = 0, same = 0;
	int64_t n;

	write_rows(f, "INSERT INTO egoejo_beat (name, last_due_at, total_runs) VALUES ('race', '2026-01-01 00:00:00', 0)");
	pthread_barrier_init(&start, NULL, RACERS);
	for (int i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ .start = &start, .run = { .policy = task_find(TEXT("interop.add")), .outbox_id = NULL_INT } };
		arena_init(&racers[i].arena, 1 << 20);
		assert_int_equal(db_connect(f->db, &racers[i].conn, &err), 0);
		racers[i].run.db = racers[i].conn;
		racers[i].run.arena = &racers[i].arena;
	}
	for (int i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	for (int i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		first += racers[i].first;
		same += racers[i].same;
		task_run_finish(&racers[i].run);
		arena_finish(&racers[i].arena);
		db_disconnect(racers[i].conn);
	}
	pthread_barrier_destroy(&start);
	assert_int_equal(first, ROUNDS);
	assert_int_equal(same, ROUNDS * (RACERS - 1));
	assert_ok(db_select_int(f->conn, "SELECT total_runs FROM egoejo_beat WHERE name = 'race'", DB_NO_PARAMS, &n));
	assert_int_equal(n, ROUNDS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_task__arguments_by_place_and_by_name),
		CASE(test_task__arguments_that_do_not_fit),
		CASE(test_task__retries_end),
		CASE(test_task__effects_happen_once),
		CASE(test_task__of_several_at_once_one_does_it),
	};

	return RUN_ON_BOTH(tests);
}
