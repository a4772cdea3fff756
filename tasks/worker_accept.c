/* What becomes of a message that came: a job, a failure (unknown task), or a dead letter. */
#include <stdio.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "tasks/report.h"
#include "tasks/worker_impl.h"

#define SHOWN_BYTES 200 /* of what cannot be understood */

void worker_log_bad(struct str item, const char *why)
{
	metric_add(metric_series(METRIC_TASKS_LOST, ""), 1);
	log_write(LOG_ERROR, "tasks.worker", "task.malformed",
	          LOG_FIELDS(LOG_VIEW("item", ((struct str){ item.s, item.len < SHOWN_BYTES ? item.len : SHOWN_BYTES }))),
	          "a message that cannot be understood was moved to " BROKER_DEAD ": %s", why);
}

static void bury(struct worker *w, const struct broker_item *item, const char *why)
{
	broker_bury(w->redis, str_of(item->tag), str_of(w->config.queues.names[0]), (struct str){ item->bytes, item->len }, why);
	worker_log_bad((struct str){ item->bytes, item->len }, why);
}

int worker_bury_large(struct worker *w, struct str list, struct str item)
{
	char key[BROKER_LARGE_SIZE], why[160];
	int r = broker_keep_large(w->redis, item, key);

	if (r < 0)
		return r;
	snprintf(why, sizeof(why), "too large: %zu bytes, all of them are in %s", item.len, key);
	r = broker_bury(w->redis, (struct str)STR(""), list, (struct str){ item.s, BROKER_ITEM_SHOWN }, why);
	if (r == 0)
		worker_log_bad(item, why);
	return r;
}

/* A task that nobody here can run: it is failed, as Celery's worker does (tasks.md 7.4, 7). */
static void refuse_unknown(struct worker *w, struct job *j)
{
	struct task_error error = result_error("celery.exceptions", "NotRegistered", "%.*s", STR_ARG(j->message.task));

	worker_tell(w, ending_failure(w, j, &error, false));
	task_report_lost(j->message.task, j->message.id, "worker", "no such task");
	jobs_free(j);
}

/* A job of what came; NULL: it was none, or has ended. */
static struct job *read_item(struct worker *w, const struct broker_item *item)
{
	struct error why = { 0 };
	struct message m;
	struct job *j;
	int r;

	if (!*item->tag) {
		worker_log_bad((struct str){ item->bytes, item->len }, "it is too large, or no envelope with a delivery tag");
		return NULL;
	}
	r = message_parse((struct str){ item->bytes, item->len }, &m, &why);
	if (r == ERR_INVALID)
		bury(w, item, why.text);
	j = r < 0 ? NULL : jobs_new(&m, item->tag);
	if (!j)
		return NULL; /* without memory it stays registered, and comes back by the sweep */
	if (!j->message.queue.len)
		j->message.queue = str_of(w->config.queues.names[0]);
	j->policy = worker_find_task(w, j->message.task);
	if (j->policy) {
		events_task_received(w->events, &j->message);
		return j;
	}
	refuse_unknown(w, j);
	return NULL;
}

/* Ready, or waiting for its time; without memory to wait it is run too early rather than not at all. With the lock; false: it is held. */
static bool hold(struct worker *w, struct job *j)
{
	if (j->message.redelivered && jobs_find_tag(w, j->tag))
		return false;
	jobs_add(w, j);
	if (j->message.eta.us != NULL_TIME.us && j->message.eta.us > clock_now().us)
		(void)jobs_make_waiting(w, j, j->message.eta.us);
	return true;
}

/* All in one step: threads that run find several jobs instead of waking for each. */
static void hold_all(struct worker *w, struct job **jobs, size_t n)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < n; i++)
		if (hold(w, jobs[i]))
			jobs[i] = NULL;
	pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < n; i++)
		jobs_free(jobs[i]); /* held already: its other delivery ends both */
}

static bool is_held(struct worker *w, const char *tag)
{
	bool held;

	pthread_mutex_lock(&w->lock);
	held = jobs_find_tag(w, tag);
	pthread_mutex_unlock(&w->lock);
	return held;
}

void worker_accept(struct worker *w, struct broker_batch *batch, bool recalled)
{
	struct job *jobs[BROKER_BATCH_MAX];
	size_t n = 0;

	for (size_t i = 0; i < batch->n; i++)
		if (!recalled || !is_held(w, batch->items[i].tag))
			n += (jobs[n] = read_item(w, &batch->items[i])) != NULL;
	hold_all(w, jobs, n);
	atomic_fetch_add(&w->taken, (int64_t)batch->n);
	broker_batch_finish(batch);
}
