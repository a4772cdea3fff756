/*
 * What the tests of relay, settling and execute_task_sync share: tasks of their own, rows for them, relays on the fixture's database.
 */
#ifndef TESTS_UNIT_TASKS_RELAYS_H
#define TESTS_UNIT_TASKS_RELAYS_H

#include <stdatomic.h>

#include "base/log.h"
#include "base/metrics.h"
#include "db/outbox.h"
#include "db/outbox_lease.h"
#include "resilience/redis.h"
#include "tasks/relay.h"
#include "tests/lib/fake_redis.h"
#include "tests/lib/wait.h"
#include "tests/unit/domain/fixture.h"

#define ENOUGH_MS 15000
#define RUNS_MAX  1000

static atomic_int runs[RUNS_MAX]; /* by the task's argument */
static atomic_int all_runs;
static atomic_bool held; /* what test.hold waits for the end of */

static int effect(struct db_conn *db, void *arg)
{
	struct task_run *run = arg;
	static const struct db_statement sql = { "INSERT INTO egoejo_beat (name, last_due_at, total_runs) VALUES ($1, $2, 1) "
		                                 "ON CONFLICT (name) DO UPDATE SET total_runs = egoejo_beat.total_runs + 1" };

	buf_add_text(&run->result, "true");
	return db_execute(db, &sql, DB_PARAMS(DB_TEXT(str_of(run->id)), DB_TIME(clock_now())), NULL);
}

static void note_run(struct task_run *run)
{
	atomic_fetch_add(&runs[task_int(run, "n") % RUNS_MAX], 1);
	atomic_fetch_add(&all_runs, 1);
}

static enum task_outcome count_run(struct task_run *run)
{
	note_run(run);
	return TASK_SUCCEEDED;
}

static enum task_outcome change_rows(struct task_run *run)
{
	int r = task_commit(run, effect, run, NULL);

	note_run(run);
	return r < 0 ? task_database_error(run, r) : TASK_SUCCEEDED;
}

static enum task_outcome be_slow(struct task_run *run)
{
	usleep(100 * 1000);
	note_run(run);
	return TASK_SUCCEEDED;
}

static enum task_outcome hold_out(struct task_run *run)
{
	note_run(run);
	while (atomic_load(&held))
		usleep(1000);
	return TASK_SUCCEEDED;
}

/* Until it is told to hurry. */
static enum task_outcome be_long(struct task_run *run)
{
	note_run(run);
	while (!task_is_late(run))
		usleep(1000);
	return task_fail_late(run);
}

static enum task_outcome ask_again(struct task_run *run)
{
	note_run(run);
	return run->retries < 2 ? task_retry(run, "ConnectionError", "attempt %d", run->retries) : TASK_SUCCEEDED;
}

static enum task_outcome go_wrong(struct task_run *run)
{
	note_run(run);
	return task_fail(run, "ValueError", "no good");
}

static const struct task_policy test_policies[] = {
	{ "test.count", "n", count_run, "celery", .soft_limit_s = 60, .hard_limit_s = 90 },
	{ "test.change", "n", change_rows, "celery", .soft_limit_s = 60, .hard_limit_s = 90, .durable = true },
	{ "test.slow", "n", be_slow, "celery", .soft_limit_s = 60, .hard_limit_s = 90 },
	{ "test.hold", "n", hold_out, "celery", .soft_limit_s = 600, .hard_limit_s = 900 },
	{ "test.long", "n", be_long, "celery", .soft_limit_s = 600, .hard_limit_s = 900 },
	{ "test.again", "n", ask_again, "celery", .max_retries = 3, .delays_s = { 60, 120, 240 }, .soft_limit_s = 60, .hard_limit_s = 90 },
	{ "test.wrong", "n", go_wrong, "celery", .soft_limit_s = 60, .hard_limit_s = 90 },
};

static const struct task_policy *find_test_task(struct str name)
{
	for (size_t i = 0; i < N_ELEMENTS(test_policies); i++)
		if (str_is(name, test_policies[i].name))
			return &test_policies[i];
	return NULL;
}

static inline void forget_runs(void)
{
	static bool quiet;

	if (!quiet)
		log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO);
	quiet = true;
	for (int i = 0; i < RUNS_MAX; i++)
		atomic_store(&runs[i], 0);
	atomic_store(&all_runs, 0);
	atomic_store(&held, true);
}

/* ---- rows ---- */

struct wanted_rows {
	const char *name, *queue;
	int from, n;
};

static inline int put_wanted(struct db_conn *db, void *arg)
{
	const struct wanted_rows *w = arg;
	int r = 0;

	for (int i = w->from; i < w->from + w->n && r == 0; i++) {
		char args[24];
		struct outbox_task task = { .name = w->name, .queue = w->queue, .durable = strcmp(w->name, "test.change") == 0 };

		snprintf(args, sizeof(args), "[%d]", i);
		task.args.text = str_of(args);
		r = outbox_put(db, &task);
	}
	return r;
}

/* n tasks with the arguments 0, 1 …, in one transaction. */
static inline void enqueue(struct fixture *f, const char *name, int n)
{
	struct wanted_rows w = { name, NULL, 0, n };

	assert_ok(db_write(f->conn, put_wanted, &w));
}

static inline int64_t number(struct fixture *f, const char *sql)
{
	int64_t n = -1;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}

#define ALL_ROWS  "SELECT count(*) FROM egoejo_outbox"
#define FREE_ROWS ALL_ROWS " WHERE state = 'new' AND lease_owner IS NULL AND lease_until IS NULL AND attempts = 0"

/* ---- relays ---- */

static inline struct relay *start_relay(const struct task_services *services, int workers)
{
	const struct relay_config config = {
		.services = services, .local_workers = workers, .resend_us = 60 * US_PER_S, .find = find_test_task
	};
	struct relay *relay;
	struct error err = { 0 };

	if (relay_create(&config, &relay, &err) < 0 || relay_start(relay, &err) < 0)
		fail_msg("%s", err.text);
	return relay;
}

static inline struct redis *start_core(int port)
{
	struct redis_config config = {
		.connect_timeout_us = US_PER_S, .command_timeout_us = US_PER_S, .retry_us = 100 * US_PER_MS, .pool_size = 4
	};
	char url[64], warning[200];
	struct redis *redis;

	snprintf(url, sizeof(url), "redis://127.0.0.1:%d/2", port);
	assert_int_equal(redis_config_from_urls(NULL, NULL, NULL, url, &config, warning, NULL), 0);
	redis = redis_create(&config);
	assert_non_null(redis);
	assert_int_equal(redis_start(redis, NULL), 0);
	return redis;
}

/* One command of words; the reply is the caller's. */
static inline struct redis_reply *ask(struct redis *redis, const char *line)
{
	struct str words[16], rest = str_of(line);
	struct redis_command command = { words, 0 };
	struct redis_reply *reply = NULL;

	while (str_split(&rest, ' ', &words[command.n]))
		command.n++;
	assert_true(WAIT_FOR(ENOUGH_MS, redis_call(redis, REDIS_TASKS, NULL, "test", &command, 1, &reply) == 0));
	return reply;
}

static inline int64_t ask_int(struct redis *redis, const char *line)
{
	struct redis_reply *reply = ask(redis, line);
	int64_t n = redis_reply_int(reply);

	redis_replies_free(&reply, 1);
	return n;
}

#endif
