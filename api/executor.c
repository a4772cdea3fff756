/*
 * A ring of jobs behind one mutex, taken by a fixed number of threads, each with a worker (database connection) of its own.
 * Full is an answer, not a wait: the caller is an http thread. Stopping runs what has begun and drops what waits.
 */
#include "api/executor.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

struct executor_thread {
	struct executor *executor;
	struct worker *worker;
	pthread_t id;
};

/* INVARIANT: the jobs waiting are ring[first], …, n_waiting of them, wrapping at capacity. */
struct executor {
	pthread_mutex_t lock;
	pthread_cond_t wanted; /* a job waits, or stopping */
	struct executor_job *ring;
	size_t capacity, first, n_waiting;
	bool stopping;
	struct executor_thread *threads;
	size_t n_threads, n_started;
};

struct executor *executor_create(struct worker *const *workers, size_t n, size_t capacity)
{
	struct executor *e = mem_alloc(sizeof(*e));

	if (!e)
		return NULL;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->wanted, NULL);
	e->ring = mem_array(capacity, sizeof(*e->ring));
	e->threads = mem_array(n, sizeof(*e->threads));
	e->capacity = capacity;
	e->n_threads = n;
	if (!e->ring || !e->threads) {
		executor_destroy(e);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		e->threads[i] = (struct executor_thread){ .executor = e, .worker = workers[i] };
	return e;
}

static struct executor_job take(struct executor *e)
{
	struct executor_job job = e->ring[e->first];

	e->first = (e->first + 1) % e->capacity;
	e->n_waiting--;
	return job;
}

/* The next job; false when the executor stops. */
static bool next_job(struct executor *e, struct executor_job *ret_job)
{
	bool found;

	pthread_mutex_lock(&e->lock);
	while (!e->n_waiting && !e->stopping)
		pthread_cond_wait(&e->wanted, &e->lock);
	found = !e->stopping;
	if (found)
		*ret_job = take(e);
	pthread_mutex_unlock(&e->lock);
	return found;
}

static void *serve(void *arg)
{
	struct executor_thread *t = arg;
	struct executor_job job;

	while (next_job(t->executor, &job))
		job.run(job.arg, t->worker);
	return NULL;
}

int executor_start(struct executor *e, struct error *err)
{
	for (; e->n_started < e->n_threads; e->n_started++) {
		struct executor_thread *t = &e->threads[e->n_started];

		if (pthread_create(&t->id, NULL, serve, t) != 0)
			return error_set(err, ERR_IO, "cannot start an executor thread");
		pthread_setname_np(t->id, "executor");
	}
	return 0;
}

bool executor_submit(struct executor *e, struct executor_job job)
{
	bool room;

	pthread_mutex_lock(&e->lock);
	room = !e->stopping && e->n_waiting < e->capacity;
	if (room)
		e->ring[(e->first + e->n_waiting++) % e->capacity] = job;
	pthread_mutex_unlock(&e->lock);
	if (room)
		pthread_cond_signal(&e->wanted);
	return room;
}

size_t executor_waiting(struct executor *e)
{
	size_t n;

	pthread_mutex_lock(&e->lock);
	n = e->n_waiting;
	pthread_mutex_unlock(&e->lock);
	return n;
}

/* One job that no thread will run; false when there is none. */
static bool next_dropped(struct executor *e, struct executor_job *ret_job)
{
	bool found;

	pthread_mutex_lock(&e->lock);
	found = e->n_waiting > 0;
	if (found)
		*ret_job = take(e);
	pthread_mutex_unlock(&e->lock);
	return found;
}

void executor_stop(struct executor *e)
{
	struct executor_job job;

	pthread_mutex_lock(&e->lock);
	e->stopping = true;
	pthread_mutex_unlock(&e->lock);
	pthread_cond_broadcast(&e->wanted);
	while (next_dropped(e, &job))
		job.drop(job.arg);
	while (e->n_started)
		pthread_join(e->threads[--e->n_started].id, NULL);
}

void executor_destroy(struct executor *e)
{
	if (!e)
		return;
	if (e->ring)
		executor_stop(e);
	pthread_cond_destroy(&e->wanted);
	pthread_mutex_destroy(&e->lock);
	free(e->ring);
	free(e->threads);
	free(e);
}
