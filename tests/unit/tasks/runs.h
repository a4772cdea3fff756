/* Runs of tasks for tests of jobs: a message's id, name and arguments, and what came of it. */
#ifndef TESTS_UNIT_TASKS_RUNS_H
#define TESTS_UNIT_TASKS_RUNS_H

#include "tasks/task.h"
#include "tests/unit/domain/fixture.h"

/* A run of the task, not yet executed; n makes its id. Arguments are a JSON array. End it with run_done. */
static inline struct task_run run_of(struct fixture *f, const struct task_services *services, const char *name, const char *args, int n)
{
	struct task_run run = { .services = services,
		                .policy = task_find(str_of(name)),
		                .db = f->conn,
		                .arena = &f->arena,
		                .outbox_id = NULL_INT,
		                .args = json_loads(args, 0, NULL) };

	assert_non_null(run.policy);
	assert_non_null(run.args);
	snprintf(run.id, sizeof(run.id), "00000000-0000-4000-8000-%012d", n);
	return run;
}

static inline void run_done(struct task_run *run)
{
	json_decref((json_t *)(uintptr_t)run->args);
	task_run_finish(run);
}

#endif
