/*
 * A family's series are a linked list that only grows: whoever holds a series updates it without a lock, and rendering
 * needs the lock only against a new one. Histogram buckets are counted apart and summed when shown, so that an
 * observation touches one bucket, not all that are above it.
 */
#include "base/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/mem.h"

enum metric_type { COUNTER, GAUGE, HISTOGRAM_HTTP, HISTOGRAM_REDIS, HISTOGRAM_TASK };

#define MAX_BUCKETS    14
#define MAX_COLLECTORS 16

struct metric {
	struct metric *next; /* of the same family */
	char *labels;
	atomic_llong value;                /* counter, gauge; microseconds in families shown in seconds */
	atomic_llong buckets[MAX_BUCKETS]; /* histogram: observations up to each limit, not cumulative */
	atomic_llong sum_us, count;        /* histogram */
	const int *limits_us;              /* histogram: NULL otherwise */
};

/* Upper limits in microseconds, 0 ends. The Redis ones are those of resilience.md 2.9. */
static const int http_limits_us[] = { 50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 100000, 250000, 1000000, 0 };
static const int redis_limits_us[] = { 1000, 2000, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 0 };
static const int task_limits_us[] = { 1000, 5000, 25000, 100000, 500000, 1000000, 5000000, 15000000, 60000000, 180000000, 600000000, 0 };

static const struct family {
	const char *name;
	enum metric_type type;
	const char *help;
} families[] = {
#define METRIC(id, name, type, help) [id] = { name, type, help },
#include "base/metrics.def"
#undef METRIC
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of series */
static struct metric *series[METRIC_COUNT];              /* kept for the life of the process */
static struct metric lost;                               /* what metric_series gives without memory */

/* Held while collectors run, so that metrics_off_collect returns only when its arg is no longer used. */
static pthread_mutex_t collectors_lock = PTHREAD_MUTEX_INITIALIZER;
static struct collector {
	void (*fn)(void *arg);
	void *arg;
} collectors[MAX_COLLECTORS];

static const int *limits_of(enum metric_type type)
{
	if (type == HISTOGRAM_HTTP)
		return http_limits_us;
	if (type == HISTOGRAM_TASK)
		return task_limits_us;
	return type == HISTOGRAM_REDIS ? redis_limits_us : NULL;
}

static struct metric *add_series(enum metric_id family, const char *labels, struct metric **end)
{
	struct metric *m = mem_alloc(sizeof(*m));

	if (m)
		m->labels = mem_strdup(labels);
	if (!m || !m->labels) {
		free(m);
		return &lost;
	}
	m->limits_us = limits_of(families[family].type);
	*end = m;
	return m;
}

struct metric *metric_series(enum metric_id family, const char *labels)
{
	struct metric **at, *m;

	pthread_mutex_lock(&lock);
	for (at = &series[family]; *at; at = &(*at)->next)
		if (strcmp((*at)->labels, labels) == 0)
			break;
	m = *at ? *at : add_series(family, labels, at);
	pthread_mutex_unlock(&lock);
	return m;
}

struct metric *metric_seriesf(enum metric_id family, const char *format, ...)
{
	char labels[256];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(labels, sizeof(labels), format, args);
	va_end(args);
	return n < 0 || (size_t)n >= sizeof(labels) ? &lost : metric_series(family, labels);
}

void metric_add(struct metric *m, int64_t n)
{
	atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}

void metric_add_us(struct metric *m, int64_t us)
{
	metric_add(m, us);
}

void metric_set(struct metric *m, int64_t value)
{
	atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

void metric_observe_us(struct metric *m, int64_t us)
{
	int i = 0;

	if (!m->limits_us)
		return;
	while (m->limits_us[i] && us > m->limits_us[i])
		i++;
	atomic_fetch_add_explicit(&m->buckets[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->sum_us, us, memory_order_relaxed);
	atomic_fetch_add_explicit(&m->count, 1, memory_order_relaxed);
}

int64_t metric_value(const struct metric *m)
{
	return m->limits_us ? atomic_load(&m->count) : atomic_load(&m->value);
}

void metrics_on_collect(void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&collectors_lock);
	for (int i = 0; i < MAX_COLLECTORS; i++) {
		if (!collectors[i].fn) {
			collectors[i] = (struct collector){ fn, arg };
			break;
		}
	}
	pthread_mutex_unlock(&collectors_lock);
}

void metrics_off_collect(void *arg)
{
	pthread_mutex_lock(&collectors_lock);
	for (int i = 0; i < MAX_COLLECTORS; i++)
		if (collectors[i].arg == arg)
			collectors[i] = (struct collector){ NULL, NULL };
	pthread_mutex_unlock(&collectors_lock);
}

static void render_histogram(struct buf *b, const char *name, const struct metric *m)
{
	const char *comma = *m->labels ? "," : "";
	long long total = 0;

	for (int i = 0;; i++) {
		total += atomic_load(&m->buckets[i]);
		if (!m->limits_us[i])
			break;
		buf_addf(b, "%s_bucket{%s%sle=\"%g\"} %lld\n", name, m->labels, comma, m->limits_us[i] / 1e6, total);
	}
	buf_addf(b, "%s_bucket{%s%sle=\"+Inf\"} %lld\n", name, m->labels, comma, total);
	buf_addf(b, *m->labels ? "%s_sum{%s} %.6f\n" : "%s_sum%s %.6f\n", name, m->labels, (double)atomic_load(&m->sum_us) / 1e6);
	buf_addf(b, *m->labels ? "%s_count{%s} %lld\n" : "%s_count%s %lld\n", name, m->labels, total);
}

static void render_value(struct buf *b, const char *name, const struct metric *m)
{
	buf_addf(b, *m->labels ? "%s{%s} " : "%s%s ", name, m->labels);
	if (strstr(name, "seconds"))
		buf_addf(b, "%.6f\n", (double)atomic_load(&m->value) / 1e6);
	else
		buf_addf(b, "%lld\n", (long long)atomic_load(&m->value));
}

static void render_family(struct buf *b, const struct family *f, const struct metric *m)
{
	const char *type = f->type == COUNTER ? "counter" : f->type == GAUGE ? "gauge" : "histogram";

	buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, type);
	for (; m; m = m->next) {
		if (m->limits_us)
			render_histogram(b, f->name, m);
		else
			render_value(b, f->name, m);
	}
}

void metrics_render(struct buf *b)
{
	pthread_mutex_lock(&collectors_lock);
	for (size_t i = 0; i < N_ELEMENTS(collectors); i++)
		if (collectors[i].fn)
			collectors[i].fn(collectors[i].arg);
	pthread_mutex_unlock(&collectors_lock);
	pthread_mutex_lock(&lock);
	for (int i = 0; i < METRIC_COUNT; i++)
		if (series[i])
			render_family(b, &families[i], series[i]);
	pthread_mutex_unlock(&lock);
}
