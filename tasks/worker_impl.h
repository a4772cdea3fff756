/*
 * Inside of a worker: worker.c is its life, worker_take.c the thread that takes, worker_accept.c what it makes of what came,
 * worker_run.c the threads that run, worker_jobs.c what is held, worker_end.c how a job ends, worker_tell.c what Redis is told
 * of that, worker_keep.c what is due at times. control.c answers for it.
 *
 * A job is a message that is held: in the list of all, and either ready, waiting for its time, running, or ended. Its thread owns it
 * while it runs; who takes it out of the list of all frees it. One lock for all of it; no call to Redis or the database under the lock.
 *
 * A thread that runs asks nothing of Redis: it leaves the end of its job to the thread that takes, and runs the next one. That one
 * tells Redis of all that has ended since its last turn, and takes as many, in one trip. Until then the job is held as before.
 */
#ifndef TASKS_WORKER_IMPL_H
#define TASKS_WORKER_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "resilience/monitor.h"
#include "resilience/redis_waiter.h"
#include "tasks/canvas.h"
#include "tasks/events.h"
#include "tasks/result.h"
#include "tasks/revoked.h"
#include "tasks/worker.h"

#define PREFETCH_MULTIPLIER 4
#define DOUBTS_MAX          8

enum job_state { JOB_READY, JOB_WAITING, JOB_RUNNING, JOB_ENDED };

struct slot;

struct job {
	TAILQ_ENTRY(job) all;
	TAILQ_ENTRY(job) ready;
	struct message message;
	char tag[BROKER_TAG_SIZE];
	const struct task_policy *policy;
	enum job_state state;
	int64_t due_at_us; /* wall clock; waiting */
	size_t place;      /* in the heap of those that wait */
	bool limited;      /* it waits for a rate limit: unlike those with an ETA it raises no limit */
	/* Running */
	struct slot *slot;
	int64_t started_us;     /* monotonic */
	struct instant started; /* wall clock */
	int64_t soft_us;        /* the limit */
	int64_t hard_at_us;     /* monotonic; INT64_MAX: none */
	atomic_bool given_up;   /* its end has been told already: what it still does is void */
	bool ending;            /* its run is over */
};
TAILQ_HEAD(jobs, job);

/* A thread that runs. */
struct slot {
	TAILQ_ENTRY(slot) next;
	struct worker *worker;
	pthread_t thread;
	struct db_conn *db;
	bool abandoned; /* under the lock: it ends when its run does, and frees itself */
	bool left;      /* it runs something at the end of the process, and is not waited for */
};
TAILQ_HEAD(slots, slot);

/* The end of a job that Redis has to be told of. */
struct ending {
	STAILQ_ENTRY(ending) next;
	struct job *job; /* that is held until Redis has been told; NULL: none is any more */
	char tag[BROKER_TAG_SIZE];
	char id[MESSAGE_ID_MAX + 1];
	struct buf result; /* empty: none is stored */
	struct followers followers;
	struct buf event; /* that others hear then; empty: none */
	int64_t born_us;  /* monotonic */
	bool refused;     /* Redis answers, and does not do it: others go before it, and nobody's end waits for it */
};
STAILQ_HEAD(endings, ending);

/* What control may change of a task, by its place in the table. */
struct task_limits {
	int64_t soft_us, hard_us; /* 0: as the policy says */
	int64_t interval_us;      /* rate limit: between two starts; 0: none */
	int64_t next_us;          /* wall clock: not before */
	int64_t total;            /* accepted since the start */
};

struct worker {
	/* Declarative */
	struct worker_config config;
	const struct settings *settings;
	struct redis *redis;
	char name[WORKER_NAME_SIZE];
	int64_t visibility_us, expires_s;
	size_t n_tasks;
	struct instant started;
	/* Parts */
	struct events *events;
	struct revoked *revoked;
	struct control *control;
	struct monitor *monitor;
	pthread_t taker;
	bool taker_runs;
	int wake_fd;
	/* Any thread */
	atomic_bool draining, stopping, wants_end, reconnect;
	_Atomic int64_t taken, processed;
	_Atomic int64_t taker_pulse_us;
	_Atomic int64_t last_take_us; /* monotonic: when the taker last looked at the queues, successfully */
	/* Under lock */
	pthread_mutex_t lock;
	pthread_cond_t work; /* ready, stopping */
	struct jobs all, ready;
	struct job **waiting;                     /* heap by due_at_us */
	size_t n_waiting, waiting_cap, n_limited; /* of those that wait */
	size_t n_held, n_running;
	struct endings ended; /* for the taker to tell */
	bool taker_waits;     /* for something to do: it is to be called */
	bool taker_done;      /* ends are told by whoever makes them */
	struct slots slots;
	size_t n_slots, n_abandoned;
	struct endings unsent;       /* Redis was away: for the monitor to tell */
	size_t n_unsent, n_refused;  /* of them */
	struct task_limits *limits;  /* n_tasks of them */
	struct broker_queues queues; /* what is consumed now; the taker copies it */
	uint64_t queues_version;
	/* The monitor's */
	int64_t watched_taken, watched_since_us;
	int64_t swept_at_us, renewed_at_us, beaten_at_us;
};

/* ---- worker_jobs.c: with the lock held, unless said otherwise ---- */

/* A job of this message (taken: the message's content moves into it); NULL without memory. No lock. */
struct job *jobs_new(struct message *take_message, const char *tag);
void jobs_free(struct job *); /* no lock; NULL is fine */

void jobs_add(struct worker *, struct job *);    /* into the list of all */
void jobs_remove(struct worker *, struct job *); /* out of whatever list it is in */
void jobs_make_ready(struct worker *, struct job *);
int jobs_make_waiting(struct worker *, struct job *, int64_t due_at_us); /* ERR_NOMEM */
int jobs_limit(struct worker *, struct job *, int64_t due_at_us);        /* the same, for a rate limit */

/* Those of the task that wait for its rate limit wait no more. */
void jobs_unlimit(struct worker *, const struct task_policy *);

/* How many may be held: the prefetch count of Celery. */
size_t jobs_most(const struct worker *);

void jobs_start(struct worker *, struct job *, struct slot *); /* out of ready */

/* Those whose time has come become ready; the time of the next one, wall clock, INT64_MAX without. */
int64_t jobs_ripen(struct worker *, int64_t now_us);

struct job *jobs_find(struct worker *, struct str id);
struct job *jobs_find_tag(struct worker *, const char *tag);

/* The run is over, its end still to be told. */
void jobs_end(struct worker *, struct job *);

/* How many more may be taken, when so many of those that are held leave. */
size_t jobs_room(const struct worker *, size_t leaving);

/* ---- worker_take.c ---- */

void *worker_take(void *worker);
void worker_wake(struct worker *); /* calls the taker. Any thread */

/* ---- worker_accept.c: no lock ---- */

/* Makes jobs of what was taken, and empties the batch. recalled: what is held already is left alone. */
void worker_accept(struct worker *, struct broker_batch *, bool recalled);

/* Counts and logs (ERROR, its first bytes) what was given to the dead letters. */
void worker_log_bad(struct str item, const char *why);

/* What BRPOP handed over from that list, larger than BROKER_ITEM_MAX, goes to the dead letters. As broker_bury. */
int worker_bury_large(struct worker *, struct str list, struct str item);

/* ---- worker_run.c: no lock ---- */

/* One more running thread; ERR_INTERNAL, or as db_connect. */
int worker_add_slot(struct worker *, struct error *err);

/* The limits of this job's run, in microseconds; hard may be INT64_MAX. With the lock. */
void worker_limits(struct worker *, const struct job *, int64_t *ret_soft_us, int64_t *ret_hard_us);

/* ---- worker_end.c: no lock, worker_give_up aside ---- */

/*
 * Gives a running job up, with the lock: it ends here with this error (REVOKED when terminated), its thread is left to itself, and
 * frees job and thread when its run is over. Then, without the lock, worker_tell the ending; the monitor makes another thread.
 * NULL without memory: nothing has happened.
 */
struct ending *worker_give_up(struct worker *, struct job *, const struct task_error *, bool terminated);

/* A result that is stored, with what follows; NULL without memory (logged). */
struct ending *ending_create(const struct job *, const struct result *);
void ending_destroy(struct ending *);

/* How a job ends, with its event; NULL without memory: the message is not acknowledged, and comes back by itself. */
struct ending *ending_success(struct worker *, const struct job *, struct str result, int64_t runtime_us);
struct ending *ending_failure(struct worker *, const struct job *, const struct task_error *, bool with_traceback);
struct ending *ending_retry(struct worker *, const struct job *, const struct task_error *, int64_t after_s);
struct ending *ending_revoked(struct worker *, const struct job *, const char *why); /* "revoked", "expired" */
struct ending *ending_done_before(const struct job *);

/* ---- worker_tell.c: no lock ---- */

/* Redis is told soon, or when it is back. NULL is fine. */
void worker_tell(struct worker *, struct ending *take_ending);

/* The same for a job whose run is over: it is held until then. */
void worker_end(struct worker *, struct job *take_job, struct ending *take_ending);

/* What the taker is to tell in one trip: no followers, not too many bytes. */
struct telling {
	struct ending *endings[BROKER_ENDS_MAX];
	struct broker_end ends[BROKER_ENDS_MAX]; /* of these */
	size_t n;
};

/* Collects them, after telling those that go alone; *ret_room: how many more may be taken once they are told. The taker. */
void worker_collect(struct worker *, struct telling *ret_telling, size_t *ret_room);

/* They have been told, or (Redis is away) have to be later. */
void worker_told(struct worker *, struct telling *, bool told);

/* Tells Redis of what it could not be told, as far as it listens. */
void worker_send_unsent(struct worker *);

/* The message goes back to its list; next: served next. 0, or the error of the broker. */
int worker_put_back(struct worker *, const struct job *);

/* ---- worker_keep.c ---- */

/* Adds the watches. ERR_LIMIT. */
int worker_keep(struct worker *);

/* Whether the task is offered here: the four of the interop checks only with INTEROP_TASKS. */
const struct task_policy *worker_find_task(const struct worker *, struct str name);
size_t worker_task_index(const struct task_policy *);

#endif
