/*
 * SQLite's one writer: callers queue closures, the thread commits them in groups.
 *
 * A group is what waits when the writer turns to its queue, at most GROUP_MAX. One BEGIN IMMEDIATE, each closure in a
 * SAVEPOINT of its own, one COMMIT (one fsync), then all are woken. A closure that fails is rolled back to its savepoint
 * alone; a failed COMMIT fails all. Some failures (a full disk, an interrupted statement) make SQLite roll the whole
 * transaction back by itself: then the others of the group run again without the culprit.
 *
 * A job lives on its caller's stack. One lock guards the queue and the states of jobs.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "db/sqlite_impl.h"

#define GROUP_MAX 64
#define QUEUE_MAX 1024

/* A closure that has not begun after this is taken back: the writer is stuck behind a lock or a slow disk. */
#define START_LIMIT_US (10 * US_PER_S)

enum job_state { JOB_QUEUED, JOB_TAKEN, JOB_DONE };

struct job {
	struct job *next;
	struct db_conn *caller;
	db_write_fn fn;
	void *arg;
	int result;
	enum job_state state;
	pthread_cond_t changed;
};

enum step { BEGIN, SAVEPOINT, RELEASE, ROLLBACK_TO, COMMIT, ROLLBACK, STEPS };

struct writer {
	struct db_conn *conn; /* owned; the thread's */
	sqlite3_stmt *steps[STEPS];
	pthread_t thread;
	bool started, stop;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct job *head, **tail;
	size_t queued;
};

struct group {
	struct job *jobs[GROUP_MAX];
	size_t n;
};

static const char *const step_text[STEPS] = {
	[BEGIN] = "BEGIN IMMEDIATE",   [SAVEPOINT] = "SAVEPOINT closure",
	[RELEASE] = "RELEASE closure", [ROLLBACK_TO] = "ROLLBACK TO closure",
	[COMMIT] = "COMMIT",           [ROLLBACK] = "ROLLBACK",
};

/* Undoing never fails by injection: in production it fails only where the transaction is gone anyway. */
static bool may_fail(enum step step)
{
	return step != ROLLBACK && step != ROLLBACK_TO;
}

static int do_step(struct writer *w, enum step step)
{
	int rc;

	conn_arm_deadline(w->conn, w->conn->db->config.statement_limit_us);
	if (may_fail(step) && fault_due(FAULT_SQL_STEP))
		return conn_fail(w->conn, ERR_IO, "injected fault");
	errno = 0;
	rc = sqlite3_step(w->steps[step]);
	if (rc != SQLITE_DONE)
		rc = sqlite_fail(w->conn, rc);
	else
		rc = 0;
	sqlite3_reset(w->steps[step]);
	return rc;
}

/* SQLite ended the transaction by itself. */
static bool is_lost(const struct writer *w)
{
	return sqlite3_get_autocommit(sqlite_handle(w->conn));
}

/* Foreign keys are deferred to the COMMIT, where a broken one would fail the whole group: ask after each closure. */
static bool breaks_foreign_key(struct writer *w)
{
	int open = 0, high;

	sqlite3_db_status(sqlite_handle(w->conn), SQLITE_DBSTATUS_DEFERRED_FKS, &open, &high, 0);
	return open != 0;
}

static int file_is_ours(struct writer *w)
{
	int moved = 0;

	sqlite3_file_control(sqlite_handle(w->conn), "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	return moved ? conn_fail(w->conn, ERR_UNAVAILABLE, "the database file was moved or deleted") : 0;
}

static void set_result(struct writer *w, struct job *job, int result)
{
	job->result = result;
	if (result < 0)
		memcpy(job->caller->error, w->conn->error, sizeof(job->caller->error));
}

static int run_closure(struct writer *w, struct job *job)
{
	int r;

	w->conn->told = false;
	w->conn->error[0] = '\0';
	r = conn_run_closure(w->conn, job->fn, job->arg);
	if (r >= 0 && breaks_foreign_key(w))
		r = conn_count_failure(w->conn, conn_fail(w->conn, ERR_CONFLICT, "FOREIGN KEY constraint failed"));
	memcpy(job->caller->after, w->conn->after, sizeof(w->conn->after[0]) * w->conn->n_after);
	job->caller->n_after = w->conn->n_after;
	return r;
}

/* Runs one job in the open transaction; its result is set. False: the transaction is lost. */
static bool run_job(struct writer *w, struct job *job)
{
	int r = do_step(w, SAVEPOINT), undone;

	if (r < 0) {
		set_result(w, job, conn_count_failure(w->conn, r));
		return !is_lost(w);
	}
	r = run_closure(w, job);
	if (r >= 0 && is_lost(w))
		r = conn_count_failure(w->conn, conn_fail(w->conn, ERR_INTERNAL, "the transaction was lost"));
	set_result(w, job, r);
	if (is_lost(w))
		return false;
	undone = r < 0 ? do_step(w, ROLLBACK_TO) : 0;
	r = do_step(w, RELEASE);
	if (r < 0 || undone < 0)
		set_result(w, job, conn_count_failure(w->conn, r < 0 ? r : undone));
	return r == 0 && undone == 0;
}

static void fail_group(struct writer *w, struct group *g, int r)
{
	conn_count_failure(w->conn, r);
	for (size_t i = 0; i < g->n; i++)
		if (g->jobs[i]->result >= 0)
			set_result(w, g->jobs[i], r);
	if (!is_lost(w))
		do_step(w, ROLLBACK);
}

static int begin(struct writer *w)
{
	int r = file_is_ours(w);

	return r < 0 ? r : do_step(w, BEGIN);
}

static size_t count_good(const struct group *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		n += g->jobs[i]->result >= 0;
	return n;
}

/* One transaction over the jobs that have not failed yet. False: it was lost to one of them, which has failed now. */
static bool try_group(struct writer *w, struct group *g)
{
	int r;

	w->conn->told = false;
	r = begin(w);
	if (r < 0) {
		fail_group(w, g, r);
		return true;
	}
	for (size_t i = 0; i < g->n; i++) {
		if (g->jobs[i]->result < 0 || run_job(w, g->jobs[i]))
			continue;
		if (!is_lost(w))
			do_step(w, ROLLBACK);
		return false;
	}
	w->conn->told = false;
	r = do_step(w, COMMIT);
	if (r < 0)
		fail_group(w, g, r);
	else
		db_count_commit(w->conn->db, count_good(g));
	return true;
}

static void take_group(struct writer *w, struct group *g)
{
	for (g->n = 0; w->head && g->n < GROUP_MAX; w->queued--) {
		struct job *job = w->head;

		w->head = job->next;
		job->state = JOB_TAKEN;
		g->jobs[g->n++] = job;
	}
	if (!w->head)
		w->tail = &w->head;
}

static void finish_group(struct group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		g->jobs[i]->state = JOB_DONE;
		pthread_cond_signal(&g->jobs[i]->changed);
	}
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	struct group g;

	pthread_setname_np(pthread_self(), "db-writer");
	pthread_mutex_lock(&w->lock);
	while (w->head || !w->stop) {
		if (!w->head) {
			pthread_cond_wait(&w->work, &w->lock);
			continue;
		}
		take_group(w, &g);
		pthread_mutex_unlock(&w->lock);
		while (!try_group(w, &g))
			;
		pthread_mutex_lock(&w->lock);
		finish_group(&g);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static int prepare_steps(struct writer *w)
{
	conn_arm_deadline(w->conn, w->conn->db->config.statement_limit_us);
	for (int i = 0; i < STEPS; i++) {
		int rc = sqlite3_prepare_v3(sqlite_handle(w->conn), step_text[i], -1, SQLITE_PREPARE_PERSISTENT, &w->steps[i], NULL);

		if (rc != SQLITE_OK)
			return rc == SQLITE_NOMEM ? ERR_NOMEM : ERR_INTERNAL;
	}
	return 0;
}

int writer_create(struct db_conn *taken, struct writer **ret_writer)
{
	struct writer *w = mem_alloc(sizeof(*w));
	int r;

	if (!w) {
		sqlite_disconnect(taken);
		return ERR_NOMEM;
	}
	w->conn = taken;
	w->tail = &w->head;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	r = prepare_steps(w);
	if (r == 0 && pthread_create(&w->thread, NULL, writer_main, w) != 0)
		r = ERR_INTERNAL;
	w->started = r == 0;
	if (r < 0) {
		writer_destroy(w);
		return r;
	}
	*ret_writer = w;
	return 0;
}

void writer_destroy(struct writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	if (w->started)
		pthread_join(w->thread, NULL);
	for (int i = 0; i < STEPS; i++)
		sqlite3_finalize(w->steps[i]);
	sqlite_disconnect(w->conn);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->work);
	free(w);
}

size_t writer_waiting(struct writer *w)
{
	size_t n;

	pthread_mutex_lock(&w->lock);
	n = w->queued;
	pthread_mutex_unlock(&w->lock);
	return n;
}

static int enqueue(struct writer *w, struct job *job)
{
	if (w->queued >= QUEUE_MAX)
		return ERR_LIMIT;
	*w->tail = job;
	w->tail = &job->next;
	w->queued++;
	pthread_cond_signal(&w->work);
	return 0;
}

/* Takes a job back that has not begun. */
static void dequeue(struct writer *w, struct job *job)
{
	struct job **link = &w->head;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	if (!job->next)
		w->tail = link;
	w->queued--;
}

/* Waits under the lock until the job is done, or until it has not begun in time. */
static void wait_for(struct writer *w, struct job *job)
{
	struct timespec limit;

	clock_gettime(CLOCK_MONOTONIC, &limit);
	limit.tv_sec += START_LIMIT_US / US_PER_S;
	while (job->state == JOB_QUEUED)
		if (pthread_cond_clockwait(&job->changed, &w->lock, CLOCK_MONOTONIC, &limit) == ETIMEDOUT && job->state == JOB_QUEUED) {
			dequeue(w, job);
			job->result = conn_count_failure(job->caller, conn_fail(job->caller, ERR_TIMEOUT, "the writer is busy"));
			job->state = JOB_DONE;
		}
	while (job->state != JOB_DONE)
		pthread_cond_wait(&job->changed, &w->lock);
}

int writer_write(struct writer *w, struct db_conn *caller, db_write_fn fn, void *arg)
{
	struct job job = { .caller = caller, .fn = fn, .arg = arg, .changed = PTHREAD_COND_INITIALIZER };
	int r;

	pthread_mutex_lock(&w->lock);
	r = enqueue(w, &job);
	if (r == 0)
		wait_for(w, &job);
	pthread_mutex_unlock(&w->lock);
	pthread_cond_destroy(&job.changed);
	if (r < 0)
		return conn_count_failure(caller, conn_fail(caller, r, "too many writes wait"));
	return job.result;
}
