/*
 * Tasks: what each is called, what it takes, how it is tried again, and how one run of it goes. Whoever has a message (the local
 * workers, the Celery worker, execute_task_sync) makes a struct task_run and calls task_execute; a job reads its arguments, does its
 * work, writes its result, and says how it ended. Source: tasks.md 1, 1.2, 7.5; resilience.md 2.4.
 *
 * The table is tasks/tasks.def; a job is a function there and in tasks/jobs_<family>.c.
 */
#ifndef TASKS_TASK_H
#define TASKS_TASK_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/settings.h"
#include "db/db.h"

struct cache;
struct redis;
struct task_run;

#define TASK_ID_SIZE     256 /* an id as text, with its NUL; ours and Celery's are UUIDs of 36 */
#define TASK_RETRIES_MAX 3

/* How a run ended. */
enum task_outcome {
	TASK_SUCCEEDED, /* result is its JSON */
	TASK_RETRY,     /* to be run again, not before retry_after_s from now; error says why */
	TASK_FAILED,    /* error; never again */
};

typedef enum task_outcome (*task_fn)(struct task_run *);

struct task_policy {
	const char *name;               /* "core.tasks.send_email_task" */
	const char *signature;          /* "to_email, subject, html_content, text_content=null": defaults are JSON; "*": whatever is sent */
	task_fn run;                    /* any worker thread */
	const char *queue;              /* "celery"; "local": never leaves for Redis */
	int max_retries;                /* attempts after the first; 0..TASK_RETRIES_MAX */
	int delays_s[TASK_RETRIES_MAX]; /* before each of them */
	int soft_limit_s, hard_limit_s; /* tasks.md 1, last column */
	bool durable;                   /* changes the database or sends mail: its outbox row stays until its result is known */
};

/* Runs of a process that go on beyond their hard limit, each with a thread and a database connection of its own. */
#define TASK_ABANDONED_ALIVE 8  /* with more of them the process is not alive (/livez): it wants a restart */
#define TASK_ABANDONED_MAX   16 /* with as many nobody takes the place of another one */

/* The task of that name; NULL: there is none. Any thread. */
const struct task_policy *task_find(struct str name);

/* All of them, in the order of the table. */
const struct task_policy *task_all(size_t *ret_n);

/* What tasks work with; one for the process, shared by all its threads. cache and redis may be NULL (command line). */
struct task_services {
	const struct settings *settings;
	struct db *db;
	struct cache *cache;
	struct redis *redis;
};

/* As Celery stores it: "builtins", "ValueError", … A job's own text goes into message. */
struct task_error {
	const char *module; /* static */
	const char *type;   /* static */
	char message[400];
};

/* One run. Belongs to the thread that runs it. */
struct task_run {
	/* set by the caller */
	const struct task_services *services;
	const struct task_policy *policy;
	struct db_conn *db;          /* of this thread */
	struct arena *arena;         /* of this run */
	char id[TASK_ID_SIZE];       /* of the message: the same at each retry and each delivery */
	const json_t *args, *kwargs; /* array and object of the message; NULL: none */
	int retries;                 /* 0: first attempt */
	int max_retries;             /* as the policy says; the job may say otherwise before it asks for one */
	bool from_beat;              /* beat asked for it: its message has the header celery_beat_task */
	const atomic_bool *stop;     /* set when the process ends and what runs should hurry; NULL: never */
	int64_t soft_limit_us;       /* 0: as the policy says */
	const atomic_bool *given_up; /* set when its end has been told without it (hard limit): no effect may be committed; NULL: never */
	int64_t outbox_id;           /* local workers: the row, deleted in the transaction of the effects; NULL_INT: none */
	/* set by task_execute and the job */
	json_t *arguments;        /* by name, defaults filled in; freed by task_run_finish */
	int64_t soft_deadline_us; /* monotonic: see task_is_late */
	struct buf result;        /* JSON; freed by task_run_finish */
	struct task_error error;
	int64_t retry_after_s;
	bool outbox_done; /* the outbox row went with the effects */
	bool hurried;     /* ended by task_fail_late because the process ends, not by its own limit */
};

/*
 * Binds the arguments (TypeError as Python words it when they do not fit) and runs the job. With TASK_RETRY beyond max_retries the
 * outcome is TASK_FAILED with the job's own error. A job that forgets its result has returned null.
 */
enum task_outcome task_execute(struct task_run *);

/* Frees what a run has gathered; not its arena. */
void task_run_finish(struct task_run *);

/* ---- for jobs ---- */

/* Arguments by name. A text is absent, an integer NULL_INT, when it is null or of another type; ids may be numbers in texts. */
struct str task_text(const struct task_run *, const char *name);
int64_t task_int(const struct task_run *, const char *name);
bool task_bool(const struct task_run *, const char *name);
const json_t *task_value(const struct task_run *, const char *name); /* borrowed; never NULL: JSON null */

/* How it ended; the text is printf's. type is a builtin exception's name, or with a dot one of another module. */
enum task_outcome task_fail(struct task_run *, const char *type, const char *format, ...) __attribute__((format(printf, 3, 4)));
enum task_outcome task_retry(struct task_run *, const char *type, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* task_retry, but not before so many seconds, should the policy's delay be shorter (Retry-After). */
enum task_outcome task_retry_after(struct task_run *, int64_t seconds, const char *type, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* What an ERR_ code of the database means for a run: the retry of a task that has any for ERR_UNAVAILABLE and ERR_TIMEOUT, else failure. */
enum task_outcome task_database_error(struct task_run *, int error);

/* {"success": false, "error": text}: a task that ends so has succeeded, and says that nothing came of it. */
enum task_outcome task_answer_error(struct task_run *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Whether the soft limit has passed, or the process is about to end: a long job looks at it between its steps, and ends with
 * SoftTimeLimitExceeded (task_fail_late).
 */
bool task_is_late(const struct task_run *);

/* The failure of a job that is late. Whose process ends is run again elsewhere: it was not his fault. */
enum task_outcome task_fail_late(struct task_run *);

/*
 * The effects of a task in one transaction, once for its id (tasks.md 1.2): runs fn(db, arg) as db_write does, which leaves the
 * result in run->result, and stores it with the id in egoejo_task_done. period (an ISO week, "2026-W48") makes it once for name and
 * period too; NULL: only for the id. 0: done now; 1: it was done before, run->result is what it said then; or an error of db_write.
 */
int task_commit(struct task_run *, db_write_fn fn, void *arg, const char *period);

/* Before any work: 1: it was committed for this id, run->result is what it said then; 0: it was not; or an error of db_select. */
int task_was_done(struct task_run *);

#endif
