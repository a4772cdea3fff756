/*
 * Looking takes a ping of the workers (at most a second, at once when all that are connected have answered) and a few small reads. Beat
 * is late when an entry's next due time is over by more than it can be: whoever runs beat moves its row within seconds.
 */
#include "tasks/pulse.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "db/beat.h"
#include "domain/saka_compost.h"
#include "resilience/monitor.h"
#include "tasks/beat.h"
#include "tasks/control.h"

#define LOOK_US      (5 * US_PER_S)
#define LATE_US      (600 * US_PER_S) /* beat sleeps for seconds only; ten minutes leave room for its restart */
#define COMPOST_DAYS 8                /* as core.tasks.check_celery_beat_health */
#define DAY_US       (INT64_C(86400) * US_PER_S)
#define ARENA_BYTES  65536

struct pulse {
	const struct task_services *services;
	struct db_conn *db;
	struct arena arena;
	struct monitor *monitor;
	struct metric *workers, *overdue;
	pthread_mutex_t lock; /* of state */
	struct tasks_state state;
};

static void look_at_workers(struct pulse *p, struct tasks_state *s)
{
	struct redis *redis = p->services->redis;

	s->workers = NULL_INT;
	if (redis && redis_usable(redis, REDIS_TASKS) && control_count_workers(redis, &s->workers) < 0)
		s->workers = NULL_INT;
	metric_set(p->workers, s->workers == NULL_INT ? 0 : s->workers);
}

/* How long ago the entry should have moved on; 0: it is in time. */
static int64_t overdue_us(const struct beat_entry *entry, struct instant last, struct instant now)
{
	struct cron cron;
	struct instant next;

	if (cron_parse(str_of(entry->cron), &cron, NULL) < 0)
		return 0;
	next = cron_next(&cron, last);
	return next.us == NULL_TIME.us || next.us > now.us ? 0 : now.us - next.us;
}

static int look_at_beat(struct pulse *p, struct tasks_state *s)
{
	struct instant now = clock_now(), last;
	int64_t most_us = 0;
	size_t n, seen = 0;
	const struct beat_entry *entries = beat_schedule(&n);

	s->beat_due = NULL_TIME;
	for (size_t i = 0; i < n; i++) {
		int r = beat_last_due(p->db, &p->arena, str_of(entries[i].name), &last);
		int64_t us = r == 0 ? overdue_us(&entries[i], last, now) : 0;

		if (r < 0 && r != ERR_NOT_FOUND)
			return r;
		seen += r == 0;
		most_us = us > most_us ? us : most_us;
		if (r == 0 && last.us > s->beat_due.us)
			s->beat_due = last;
	}
	s->beat = !seen ? "never" : most_us > LATE_US ? "late" : "ok";
	metric_set(p->overdue, most_us);
	return 0;
}

static int look_at_compost(struct pulse *p, struct tasks_state *s)
{
	int64_t runs = 0;
	int r = saka_compost_runs_since(p->db, (struct instant){ clock_now().us - COMPOST_DAYS * DAY_US }, &runs);

	s->compost = !p->services->settings->saka_compost_enabled ? "off" : runs ? "ok" : "error";
	return r;
}

void pulse_look(struct pulse *p)
{
	struct tasks_state s = p->state; /* what the database does not tell stays as it was; nobody else writes it */

	arena_reset(&p->arena);
	look_at_workers(p, &s);
	if (look_at_beat(p, &s) < 0 || look_at_compost(p, &s) < 0) {
		s.beat = p->state.beat;
		s.beat_due = p->state.beat_due;
		s.compost = p->state.compost;
	}
	pthread_mutex_lock(&p->lock);
	p->state = s;
	pthread_mutex_unlock(&p->lock);
}

void pulse_state(struct pulse *p, struct tasks_state *ret_state)
{
	pthread_mutex_lock(&p->lock);
	*ret_state = p->state;
	pthread_mutex_unlock(&p->lock);
}

/* ---- life ---- */

static void look(void *arg)
{
	pulse_look(arg);
}

int pulse_create(const struct task_services *services, struct pulse **ret_pulse, struct error *err)
{
	struct pulse *p = mem_alloc(sizeof(*p));
	int r;

	if (!p)
		return error_set(err, ERR_NOMEM, "out of memory");
	p->services = services;
	p->state = (struct tasks_state){ NULL_INT, services->settings->tasks_local_workers, "never", NULL_TIME, "off" };
	p->workers = metric_series(METRIC_TASKS_WORKERS, "");
	p->overdue = metric_series(METRIC_BEAT_OVERDUE, "");
	pthread_mutex_init(&p->lock, NULL);
	arena_init(&p->arena, ARENA_BYTES);
	r = db_connect(services->db, &p->db, err);
	if (r < 0) {
		pulse_destroy(p);
		return r;
	}
	*ret_pulse = p;
	return 0;
}

int pulse_start(struct pulse *p, struct error *err)
{
	p->monitor = monitor_create("tasks-pulse");
	if (!p->monitor || monitor_watch(p->monitor, LOOK_US, look, p) < 0 || monitor_start(p->monitor) < 0)
		return error_set(err, ERR_INTERNAL, "cannot start the pulse of the tasks");
	return 0;
}

void pulse_destroy(struct pulse *p)
{
	if (!p)
		return;
	monitor_destroy(p->monitor);
	db_disconnect(p->db);
	arena_finish(&p->arena);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int64_t pulse_age_us(const struct pulse *p)
{
	return monitor_pulse_age_us(p->monitor);
}
