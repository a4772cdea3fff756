/* Between crew.c (threads, rows that wait) and crew_run.c (what a thread does with a row). */
#ifndef TASKS_CREW_IMPL_H
#define TASKS_CREW_IMPL_H

#include <pthread.h>

#include "tasks/crew.h"

struct metric;

struct crew_job {
	struct crew_job *next;
	struct outbox_row row;
	char texts[]; /* of the row */
};

struct crew_hand {
	struct crew_hand *next;
	struct crew *crew;
	struct db_conn *db;
	struct arena arena;
	pthread_t thread;
	/* under the lock */
	struct crew_job *job;
	int64_t hard_deadline_us; /* monotonic */
	bool abandoned, ended;
};

struct crew {
	struct crew_config config;
	atomic_bool hurry;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t work, idle;
	struct crew_job *jobs, **last;
	int64_t waiting, running; /* not counting abandoned ones */
	int abandoned;
	bool ending;
	struct crew_hand *hands;
	struct metric *queue_metric, *running_metric;
};

struct crew_late {
	int64_t id;
	char name[200], task_id[64];
};

/* Runs the job to its end and writes down how it ended; on the hand's thread, without the lock. */
void crew_run(struct crew_hand *, const struct crew_job *);

/* How a row ends: what the closures below need. */
struct crew_end {
	struct str owner;
	int64_t id;
	struct str error, envelope;
	struct instant due_at;
};

int crew_bury(struct db_conn *, void *end);

#endif
