/* What a worker holds: the list of all, the queue of those that are ready, and a heap of those that wait for their time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tasks/worker_impl.h"

struct job *jobs_new(struct message *take_message, const char *tag)
{
	struct job *j = mem_alloc(sizeof(*j));

	if (!j) {
		message_finish(take_message);
		return NULL;
	}
	j->message = *take_message;
	*take_message = (struct message){ 0 };
	snprintf(j->tag, sizeof(j->tag), "%s", tag);
	j->hard_at_us = INT64_MAX;
	return j;
}

void jobs_free(struct job *j)
{
	if (!j)
		return;
	message_finish(&j->message);
	free(j);
}

/* ---- the heap ---- */

static void put_at(struct worker *w, size_t place, struct job *j)
{
	w->waiting[place] = j;
	j->place = place;
}

static void sift_up(struct worker *w, size_t place)
{
	struct job *j = w->waiting[place];

	while (place && w->waiting[(place - 1) / 2]->due_at_us > j->due_at_us) {
		put_at(w, place, w->waiting[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put_at(w, place, j);
}

static void sift_down(struct worker *w, size_t place)
{
	struct job *j = w->waiting[place];

	for (;;) {
		size_t child = 2 * place + 1;

		if (child + 1 < w->n_waiting && w->waiting[child + 1]->due_at_us < w->waiting[child]->due_at_us)
			child++;
		if (child >= w->n_waiting || w->waiting[child]->due_at_us >= j->due_at_us)
			break;
		put_at(w, place, w->waiting[child]);
		place = child;
	}
	put_at(w, place, j);
}

static void heap_remove(struct worker *w, struct job *j)
{
	size_t place = j->place;
	struct job *last = w->waiting[--w->n_waiting];

	w->n_limited -= j->limited;
	j->limited = false;
	if (last == j)
		return;
	put_at(w, place, last);
	sift_up(w, place);
	sift_down(w, last->place);
}

int jobs_make_waiting(struct worker *w, struct job *j, int64_t due_at_us)
{
	if (w->n_waiting == w->waiting_cap) {
		size_t cap = w->waiting_cap ? 2 * w->waiting_cap : 64;
		struct job **more = mem_realloc(w->waiting, cap * sizeof(struct job *));

		if (!more)
			return ERR_NOMEM;
		w->waiting = more;
		w->waiting_cap = cap;
	}
	if (j->state == JOB_READY)
		TAILQ_REMOVE(&w->ready, j, ready);
	j->state = JOB_WAITING;
	j->due_at_us = due_at_us;
	put_at(w, w->n_waiting++, j);
	sift_up(w, j->place);
	return 0;
}

int jobs_limit(struct worker *w, struct job *j, int64_t due_at_us)
{
	int r = jobs_make_waiting(w, j, due_at_us);

	j->limited = r == 0;
	w->n_limited += j->limited;
	return r;
}

/* ---- the lists ---- */

void jobs_add(struct worker *w, struct job *j)
{
	j->state = JOB_READY;
	TAILQ_INSERT_TAIL(&w->all, j, all);
	TAILQ_INSERT_TAIL(&w->ready, j, ready);
	w->n_held++;
	pthread_cond_signal(&w->work);
}

void jobs_remove(struct worker *w, struct job *j)
{
	if (j->state == JOB_READY)
		TAILQ_REMOVE(&w->ready, j, ready);
	else if (j->state == JOB_WAITING)
		heap_remove(w, j);
	else if (j->state == JOB_RUNNING)
		w->n_running--;
	TAILQ_REMOVE(&w->all, j, all);
	w->n_held--;
}

void jobs_make_ready(struct worker *w, struct job *j)
{
	if (j->state == JOB_WAITING)
		heap_remove(w, j);
	j->state = JOB_READY;
	TAILQ_INSERT_TAIL(&w->ready, j, ready);
	pthread_cond_signal(&w->work);
}

void jobs_start(struct worker *w, struct job *j, struct slot *slot)
{
	TAILQ_REMOVE(&w->ready, j, ready);
	j->state = JOB_RUNNING;
	j->slot = slot;
	w->n_running++;
}

void jobs_end(struct worker *w, struct job *j)
{
	j->state = JOB_ENDED;
	w->n_running--;
}

int64_t jobs_ripen(struct worker *w, int64_t now_us)
{
	while (w->n_waiting && w->waiting[0]->due_at_us <= now_us)
		jobs_make_ready(w, w->waiting[0]);
	return w->n_waiting ? w->waiting[0]->due_at_us : INT64_MAX;
}

struct job *jobs_find(struct worker *w, struct str id)
{
	struct job *j;

	TAILQ_FOREACH(j, &w->all, all)
	if (str_equal(j->message.id, id))
		return j;
	return NULL;
}

struct job *jobs_find_tag(struct worker *w, const char *tag)
{
	struct job *j;

	TAILQ_FOREACH(j, &w->all, all)
	if (strcmp(j->tag, tag) == 0)
		return j;
	return NULL;
}

void jobs_unlimit(struct worker *w, const struct task_policy *policy)
{
	struct job *j;

	TAILQ_FOREACH(j, &w->all, all)
	if (j->limited && j->policy == policy)
		jobs_make_ready(w, j);
}

size_t jobs_most(const struct worker *w)
{
	return (size_t)w->config.concurrency * PREFETCH_MULTIPLIER + w->n_waiting - w->n_limited;
}

size_t jobs_room(const struct worker *w, size_t leaving)
{
	size_t limit = jobs_most(w), held = w->n_held - leaving;

	return held < limit ? limit - held : 0;
}
