/*
 * The thread sleeps until the next due time by the wall clock, but never for long: somebody may set that clock. It remembers in memory
 * when each entry is due next, and asks the table only then; whoever moves the row on has the due time (db/beat.h).
 */
#include "tasks/beat.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "db/beat.h"
#include "db/outbox.h"

#define MADE_UP_US   (24 * 3600 * US_PER_S)      /* missed by less: once more */
#define FUTURE_US    (40 * 24 * 3600 * US_PER_S) /* further ahead than any entry can be: a clock was wrong when it fired */
#define LONGEST_US   (5 * US_PER_S)              /* sleep */
#define AGAIN_US     (2 * US_PER_S)              /* after the database did not answer */
#define ARENA_BYTES  65536
#define FAILED_LOG_S 60

struct planned {
	const struct beat_entry *entry;
	struct cron cron;
	struct instant next; /* when to look at the table; 0: at once */
};

struct beat {
	struct db *db;
	struct db_conn *conn;
	struct planned *plan;
	size_t n;
	struct arena arena;
	struct log_limit failures;
	_Atomic int64_t pulse_us;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	bool stopping, woken;
};

static const struct beat_entry schedule[] = {
#define BEAT_ENTRY(name, task, cron, args) { name, task, cron, args },
#include "tasks/schedule.def"
#undef BEAT_ENTRY
};

const struct beat_entry *beat_schedule(size_t *ret_n)
{
	*ret_n = N_ELEMENTS(schedule);
	return schedule;
}

enum beat_step beat_decide(const struct cron *cron, struct instant last, struct instant now, struct instant *ret_due)
{
	bool never = last.us == NULL_TIME.us;
	struct instant next;

	if (never || last.us > now.us + FUTURE_US) {
		*ret_due = cron_last(cron, now);
		return never ? BEAT_BEGIN : BEAT_RESET;
	}
	next = cron_next(cron, last);
	*ret_due = next;
	if (next.us == NULL_TIME.us || next.us > now.us)
		return BEAT_WAIT;
	*ret_due = cron_last(cron, now);
	return now.us - ret_due->us < MADE_UP_US ? BEAT_FIRE : BEAT_SKIP;
}

/* ---- one entry ---- */

struct move {
	const struct beat_entry *entry;
	enum beat_step step;
	struct instant due, horizon;
};

static int enqueue(struct db_conn *db, const struct beat_entry *entry)
{
	const struct task_policy *policy = task_find(str_of(entry->task));
	const struct outbox_task task = {
		.name = entry->task,
		.args = { str_of(entry->args) },
		.queue = policy->queue,
		.durable = policy->durable,
		.from_beat = true,
	};

	return outbox_put(db, &task);
}

/* 1: this call moved the entry. */
static int make_move(struct db_conn *db, void *arg)
{
	const struct move *m = arg;
	struct str name = str_of(m->entry->name);
	int r;

	if (m->step == BEAT_BEGIN)
		return beat_begin(db, name, m->due);
	if (m->step == BEAT_RESET)
		return beat_move_back(db, name, m->horizon, m->due);
	r = beat_move(db, name, m->due, m->step == BEAT_FIRE);
	if (r != 1 || m->step == BEAT_SKIP)
		return r;
	r = enqueue(db, m->entry);
	return r < 0 ? r : 1;
}

static void report(const struct move *m, struct instant now)
{
	static const struct {
		enum log_level level;
		const char *event, *outcome, *text;
	} kinds[] = {
		[BEAT_FIRE] = { LOG_INFO, "beat.fired", "fired", "is due: enqueued" },
		[BEAT_SKIP] = { LOG_WARNING, "beat.skipped", "skipped", "was missed by more than a day: passed over" },
		[BEAT_RESET] = { LOG_WARNING, "beat.reset", "reset", "was last due in a future that cannot be: begun anew" },
	};
	char due[CLOCK_ISO_SIZE];

	if (m->step == BEAT_BEGIN)
		return;
	clock_format_log(m->due, due);
	metric_add(metric_seriesf(METRIC_BEAT, "entry=\"%s\",outcome=\"%s\"", m->entry->name, kinds[m->step].outcome), 1);
	log_write(kinds[m->step].level, "tasks", kinds[m->step].event,
	          LOG_FIELDS(LOG_STR("entry", m->entry->name), LOG_STR("task", m->entry->task), LOG_STR("due", due),
	                     LOG_INT("late_s", (now.us - m->due.us) / US_PER_S)),
	          "%s %s", m->entry->name, kinds[m->step].text);
}

static int look_at(struct beat *b, struct planned *p, struct instant now)
{
	struct move m = { .entry = p->entry, .horizon = { now.us + FUTURE_US } };
	struct instant last = NULL_TIME;
	int r = beat_last_due(b->conn, &b->arena, str_of(p->entry->name), &last);

	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	m.step = beat_decide(&p->cron, last, now, &m.due);
	if (m.step == BEAT_WAIT) {
		p->next = m.due.us == NULL_TIME.us ? (struct instant){ INT64_MAX } : m.due;
		return 0;
	}
	if (m.due.us == NULL_TIME.us)
		m.due = now; /* it is never due */
	r = db_write(b->conn, make_move, &m);
	if (r == 1)
		report(&m, now);
	p->next = (struct instant){ 0 }; /* and now, when next? */
	return r < 0 ? r : 1;
}

/* ---- all of them ---- */

static void report_failure(struct beat *b, int error)
{
	int64_t suppressed;

	if (log_limit_pass(&b->failures, FAILED_LOG_S * US_PER_S, &suppressed))
		log_write(LOG_WARNING, "tasks", "beat.failed",
		          LOG_FIELDS(LOG_STR("error", error_name(error)), LOG_INT("suppressed", suppressed)),
		          "the schedule cannot be looked at: %s", error_name(error));
}

/* Does what is due; how long to sleep. */
static int64_t turn(struct beat *b)
{
	struct instant now = clock_now();
	int64_t sleep_us = LONGEST_US;

	for (size_t i = 0; i < b->n; i++) {
		struct planned *p = &b->plan[i];
		int r = 1;

		while (r == 1 && p->next.us <= now.us) {
			arena_reset(&b->arena);
			r = look_at(b, p, now);
		}
		if (r < 0) {
			report_failure(b, r);
			return AGAIN_US;
		}
		if (p->next.us - now.us < sleep_us)
			sleep_us = p->next.us - now.us;
	}
	return sleep_us;
}

/* False: the end. */
static bool sleep_for(struct beat *b, int64_t us)
{
	struct timespec until = clock_wait_until(us);
	bool stay;

	pthread_mutex_lock(&b->lock);
	if (!b->stopping && !b->woken)
		pthread_cond_timedwait(&b->changed, &b->lock, &until);
	b->woken = false;
	stay = !b->stopping;
	pthread_mutex_unlock(&b->lock);
	return stay;
}

static void *run(void *arg)
{
	struct beat *b = arg;

	pthread_setname_np(pthread_self(), "beat");
	do
		atomic_store(&b->pulse_us, clock_monotonic_us());
	while (sleep_for(b, turn(b)));
	return NULL;
}

/* ---- life ---- */

static int make_plan(struct beat *b, const struct beat_entry *entries, size_t n, struct error *err)
{
	b->plan = mem_array(n, sizeof(*b->plan));
	if (!b->plan)
		return error_set(err, ERR_NOMEM, "out of memory");
	for (b->n = 0; b->n < n; b->n++) {
		struct planned *p = &b->plan[b->n];
		struct error why = { 0 };

		p->entry = &entries[b->n];
		if (cron_parse(str_of(p->entry->cron), &p->cron, &why) < 0)
			return error_set(err, ERR_INVALID, "%s: %s", p->entry->name, why.text);
		if (!task_find(str_of(p->entry->task)))
			return error_set(err, ERR_INVALID, "%s: there is no task %s", p->entry->name, p->entry->task);
	}
	return 0;
}

int beat_create(struct db *db, const struct beat_entry *entries, size_t n, struct beat **ret_beat, struct error *err)
{
	struct beat *b = mem_alloc(sizeof(*b));
	pthread_condattr_t monotonic;
	int r;

	if (!b)
		return error_set(err, ERR_NOMEM, "out of memory");
	b->db = db;
	arena_init(&b->arena, ARENA_BYTES);
	atomic_init(&b->pulse_us, clock_monotonic_us());
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&b->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (!entries)
		entries = beat_schedule(&n);
	r = make_plan(b, entries, n, err);
	if (r < 0) {
		beat_destroy(b);
		return r;
	}
	*ret_beat = b;
	return 0;
}

int beat_start(struct beat *b, struct error *err)
{
	int r = db_connect(b->db, &b->conn, err);

	if (r < 0)
		return r;
	if (pthread_create(&b->thread, NULL, run, b) != 0)
		return error_set(err, ERR_INTERNAL, "cannot start the beat");
	b->started = true;
	return 0;
}

void beat_wake(struct beat *b)
{
	pthread_mutex_lock(&b->lock);
	b->woken = true;
	pthread_cond_signal(&b->changed);
	pthread_mutex_unlock(&b->lock);
}

void beat_stop(struct beat *b)
{
	if (!b || !b->started)
		return;
	pthread_mutex_lock(&b->lock);
	b->stopping = true;
	pthread_cond_signal(&b->changed);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	b->started = false;
	atomic_store(&b->pulse_us, INT64_MAX);
}

void beat_destroy(struct beat *b)
{
	if (!b)
		return;
	beat_stop(b);
	db_disconnect(b->conn);
	pthread_mutex_destroy(&b->lock);
	pthread_cond_destroy(&b->changed);
	arena_finish(&b->arena);
	free(b->plan);
	free(b);
}

int64_t beat_pulse_age_us(const struct beat *b)
{
	int64_t pulse_us = atomic_load(&b->pulse_us);

	return pulse_us == INT64_MAX ? 0 : clock_monotonic_us() - pulse_us;
}
