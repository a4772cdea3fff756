/*
 * One lock guards the waiting reports and the pools of ids; it is never held while the database works. The thread alone takes
 * reports off the list: some at a time, in one transaction; what the database could not take now goes back to the head.
 * When a transaction fails for another reason one report is at fault, so each is written by itself and the culprit dropped.
 *
 * Ids come from the tables' sequences in blocks, because an answer needs its id before there is a row. A pool is filled up
 * when it runs low; one that is empty all the same drops reports rather than have a client wait.
 */
#include "domain/measures.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "cache/throttle.h"
#include "domain/report_impl.h"
#include "resilience/monitor.h"

#define INTERVAL_US       (100 * US_PER_MS)
#define BATCH             200       /* reports of one transaction */
#define MAX_WAITING_BYTES (8 << 20) /* of reports that wait for the database */
#define IDS               512       /* of a pool; a quarter of it is low */
#define FIRST_IDS_US      (500 * US_PER_MS)
#define RETRY_IDS_US      US_PER_S /* an error of the first reservation stands for so long */
#define PURGE_US          (3600 * US_PER_S)
#define PURGE_ROWS        1000
#define BATCHES           20 /* of one turn, so that the thread is seen to turn (/livez) */

struct id_pool {
	int64_t ids[IDS];
	size_t first, n;
	bool wanted, filled; /* somebody has asked; there have been some */
	int error;           /* of the last reservation */
	int64_t error_at_us;
};

struct measures {
	struct db_conn *db; /* the thread's */
	struct monitor *monitor;
	struct throttle *bound; /* of one address */
	int64_t purge_at_us;
	pthread_mutex_t lock; /* all that follows */
	pthread_cond_t changed;
	struct reports waiting;
	size_t bytes;
	uint64_t taken, settled; /* reports so far: taken in; written or dropped since */
	struct id_pool pools[REPORT_KINDS];
	struct metric *written, *dropped;
};

/* ---- taking them in ---- */

static bool is_within_bound(struct measures *m, struct str address)
{
	const struct throttle_claim claim = { THROTTLE_METRICS, address };

	return throttle_take(m->bound, NULL, THROTTLE_MEMORY, &claim, 1) == 0;
}

/* The lock held. Only a pool that has never been filled is waited for. 0 (none), an id, or an error. */
static int64_t take_id(struct measures *m, struct id_pool *pool)
{
	struct timespec until = clock_wait_until(FIRST_IDS_US);

	pool->wanted = true;
	if (pool->error && clock_monotonic_us() - pool->error_at_us > RETRY_IDS_US)
		pool->error = 0;
	while (!pool->filled && !pool->error) {
		monitor_wake(m->monitor);
		if (pthread_cond_clockwait(&m->changed, &m->lock, CLOCK_MONOTONIC, &until) != 0)
			return pool->filled ? 0 : ERR_TIMEOUT;
	}
	if (!pool->filled)
		return pool->error;
	if (!pool->n)
		return 0;
	pool->n--;
	return pool->ids[pool->first++];
}

/* Takes the report, or frees it. */
static int take_report(struct measures *m, struct report *r, int64_t *ret_id)
{
	int64_t id;

	pthread_mutex_lock(&m->lock);
	id = m->bytes + r->bytes <= MAX_WAITING_BYTES ? take_id(m, &m->pools[r->kind]) : 0;
	if (id > 0) {
		r->id = id;
		TAILQ_INSERT_TAIL(&m->waiting, r, next);
		m->bytes += r->bytes;
		m->taken++;
	}
	pthread_mutex_unlock(&m->lock);
	if (id <= 0) {
		free(r);
		metric_add(m->dropped, 1);
	}
	if (id < 0)
		return (int)id;
	*ret_id = id;
	return 0;
}

static int add(struct measures *m, struct report *r, int64_t *ret_id)
{
	struct str address;

	if (!r)
		return ERR_NOMEM;
	address = r->kind == REPORT_METRIC ? r->metric.from.address : r->alert.from.address;
	if (is_within_bound(m, address))
		return take_report(m, r, ret_id);
	free(r);
	metric_add(m->dropped, 1);
	*ret_id = 0;
	return 0;
}

int measures_add_metric(struct measures *m, const struct metric_report *metric, int64_t *ret_id)
{
	return db_read_only(db_of(m->db)) ? ERR_READ_ONLY : add(m, report_of_metric(metric), ret_id);
}

int measures_add_alert(struct measures *m, const struct alert_report *alert, int64_t *ret_id)
{
	return db_read_only(db_of(m->db)) ? ERR_READ_ONLY : add(m, report_of_alert(alert), ret_id);
}

/* ---- the thread: ids ---- */

struct reservation {
	enum report_kind kind;
	struct arena arena;
	size_t n;
	int64_t ids[IDS];
};

static int reserve(struct db_conn *db, void *arg)
{
	struct reservation *r = arg;

	return monitoring_reserve_ids(db, r->kind, &r->arena, r->n, r->ids);
}

/* The lock held. */
static void fill_pool(struct id_pool *pool, const struct reservation *r, int result)
{
	pool->error = result < 0 ? result : 0;
	pool->error_at_us = clock_monotonic_us();
	if (result < 0)
		return;
	memmove(pool->ids, pool->ids + pool->first, pool->n * sizeof(pool->ids[0]));
	memcpy(pool->ids + pool->n, r->ids, r->n * sizeof(pool->ids[0]));
	pool->first = 0;
	pool->n += r->n;
	pool->filled = true;
}

static void top_up(struct measures *m, enum report_kind kind)
{
	struct reservation r = { .kind = kind };
	struct id_pool *pool = &m->pools[kind];
	int result;

	pthread_mutex_lock(&m->lock);
	r.n = pool->wanted && pool->n < IDS / 4 ? IDS / 2 : 0;
	pthread_mutex_unlock(&m->lock);
	if (!r.n)
		return;
	arena_init(&r.arena, 1 << 20);
	result = db_write(m->db, reserve, &r);
	arena_finish(&r.arena);
	pthread_mutex_lock(&m->lock);
	fill_pool(pool, &r, result);
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

/* ---- the thread: rows ---- */

static size_t take_batch(struct measures *m, struct reports *batch)
{
	struct report *r;
	size_t n = 0;

	TAILQ_INIT(batch);
	pthread_mutex_lock(&m->lock);
	for (; n < BATCH && (r = TAILQ_FIRST(&m->waiting)); n++) {
		TAILQ_REMOVE(&m->waiting, r, next);
		TAILQ_INSERT_TAIL(batch, r, next);
		m->bytes -= r->bytes;
	}
	pthread_mutex_unlock(&m->lock);
	return n;
}

static void put_back(struct measures *m, struct reports *batch)
{
	struct report *r;

	pthread_mutex_lock(&m->lock);
	while ((r = TAILQ_LAST(batch, reports))) {
		TAILQ_REMOVE(batch, r, next);
		TAILQ_INSERT_HEAD(&m->waiting, r, next);
		m->bytes += r->bytes;
	}
	pthread_mutex_unlock(&m->lock);
}

static void settle(struct measures *m, size_t n)
{
	pthread_mutex_lock(&m->lock);
	m->settled += n;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

/* Whether it is the database that fails, not what it was told. */
static bool may_work_later(int r)
{
	return r == ERR_UNAVAILABLE || r == ERR_TIMEOUT || r == ERR_LIMIT || r == ERR_FULL || r == ERR_READ_ONLY || r == ERR_NOMEM ||
	       r == ERR_IO;
}

/* Each by itself; stops where the database fails. */
static int write_each(struct measures *m, struct reports *batch)
{
	struct reports one;
	struct report *report;
	int r;

	while ((report = TAILQ_FIRST(batch))) {
		TAILQ_REMOVE(batch, report, next);
		TAILQ_INIT(&one);
		TAILQ_INSERT_TAIL(&one, report, next);
		r = db_write(m->db, reports_write, &one);
		if (may_work_later(r)) {
			TAILQ_INSERT_HEAD(batch, report, next);
			return r;
		}
		metric_add(r < 0 ? m->dropped : m->written, 1);
		free(report);
		settle(m, 1);
	}
	return 0;
}

/* False: the database fails, or nothing waits. */
static bool write_batch(struct measures *m)
{
	struct reports batch;
	size_t n = take_batch(m, &batch);
	int r = n ? db_write(m->db, reports_write, &batch) : ERR_NOT_FOUND;

	if (n && r < 0 && !may_work_later(r))
		r = write_each(m, &batch);
	else if (r >= 0) {
		metric_add(m->written, (int64_t)n);
		reports_drop(&batch);
		settle(m, n);
	}
	put_back(m, &batch);
	return r >= 0;
}

/* A large backlog takes several turns, a second of each. */
static void purge(struct measures *m)
{
	struct instant before = { clock_now().us - MONITORING_DAYS * INT64_C(86400) * US_PER_S };
	int64_t now_us = clock_monotonic_us(), until_us = now_us + US_PER_S;
	int n = 0;

	if (now_us < m->purge_at_us)
		return;
	for (int kind = 0; kind < REPORT_KINDS; kind++)
		do
			n = monitoring_purge(m->db, (enum report_kind)kind, before, PURGE_ROWS);
		while (n == PURGE_ROWS && clock_monotonic_us() < until_us);
	m->purge_at_us = n == PURGE_ROWS ? now_us : now_us + PURGE_US;
}

static void work(void *arg)
{
	struct measures *m = arg;

	for (int kind = 0; kind < REPORT_KINDS; kind++)
		top_up(m, (enum report_kind)kind);
	for (int i = 0; i < BATCHES && write_batch(m); i++)
		;
	purge(m);
}

void measures_settle(struct measures *m, int64_t wait_us)
{
	struct timespec until = clock_wait_until(wait_us);
	uint64_t target;

	pthread_mutex_lock(&m->lock);
	target = m->taken;
	if (m->settled < target)
		monitor_wake(m->monitor);
	while (m->settled < target && pthread_cond_clockwait(&m->changed, &m->lock, CLOCK_MONOTONIC, &until) == 0)
		;
	pthread_mutex_unlock(&m->lock);
}

/* ---- life ---- */

int measures_create(struct db *db, struct measures **ret_measures, struct error *err)
{
	const struct throttle_config bound = { .rates = { [THROTTLE_METRICS] = { MEASURES_PER_SECOND, US_PER_S } }, .unlisted = true };
	struct measures *m = mem_alloc(sizeof(*m));
	int r;

	if (!m)
		return error_set(err, ERR_NOMEM, "out of memory");
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	TAILQ_INIT(&m->waiting);
	m->written = metric_series(METRIC_MEASURES, "outcome=\"written\"");
	m->dropped = metric_series(METRIC_MEASURES, "outcome=\"dropped\"");
	m->purge_at_us = clock_monotonic_us() + PURGE_US;
	m->bound = throttle_create(&bound);
	m->monitor = monitor_create("measures");
	r = m->bound && m->monitor ? monitor_watch(m->monitor, INTERVAL_US, work, m) : error_set(err, ERR_NOMEM, "out of memory");
	if (r == 0)
		r = db_connect(db, &m->db, err);
	if (r < 0) {
		measures_destroy(m);
		return r;
	}
	*ret_measures = m;
	return 0;
}

int measures_start(struct measures *m, struct error *err)
{
	int r = monitor_start(m->monitor);

	return r < 0 ? error_set(err, r, "cannot start the thread of the measures") : 0;
}

void measures_destroy(struct measures *m)
{
	if (!m)
		return;
	monitor_destroy(m->monitor);
	while (m->db && write_batch(m))
		;
	reports_drop(&m->waiting);
	throttle_destroy(m->bound);
	if (m->db)
		db_disconnect(m->db);
	pthread_mutex_destroy(&m->lock);
	pthread_cond_destroy(&m->changed);
	free(m);
}

int64_t measures_pulse_age_us(const struct measures *m)
{
	return monitor_pulse_age_us(m->monitor);
}
