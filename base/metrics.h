/*
 * Counters, gauges and histograms, and their Prometheus text (exposition format 0.0.4).
 *
 * A family is a line of base/metrics.def; a series is a family with label values, made once and kept for the life of the
 * process (labels come from tables of ours, never from a client, so their number is bounded). Updating a series is one
 * atomic operation. Any thread.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>

#include "base/buf.h"

enum metric_id {
#define METRIC(id, name, type, help) id,
#include "base/metrics.def"
#undef METRIC
	METRIC_COUNT
};

struct metric; /* one series */

/*
 * The series of a family with these labels ("usage=\"cache\",op=\"get\"", or "" for none); made at the first call, the
 * same pointer after that. Never NULL: without memory it is a series that is not shown. Takes a lock: keep the pointer.
 */
struct metric *metric_series(enum metric_id family, const char *labels);

/* As metric_series, with the labels formatted; labels of 256 bytes or more give the series that is not shown. */
struct metric *metric_seriesf(enum metric_id family, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds to a counter (n >= 0) or a gauge. */
void metric_add(struct metric *, int64_t n);

/* Adds microseconds to a counter that is shown in seconds (a family whose name contains "seconds"). */
void metric_add_us(struct metric *, int64_t us);

/* Sets a gauge. */
void metric_set(struct metric *, int64_t value);

/* One observation of a histogram, in microseconds; shown in seconds. */
void metric_observe_us(struct metric *, int64_t us);

/* The present value of a counter or gauge, or the count of a histogram; for tests and /health. */
int64_t metric_value(const struct metric *);

/* Calls fn before each rendering, to set gauges that are read rather than counted. At most 16; before threads exist. */
void metrics_on_collect(void (*fn)(void *arg), void *arg);

/* Forgets the collectors of this arg, waiting for one that runs: before it is destroyed. Not from a collector. */
void metrics_off_collect(void *arg);

/* Appends all families that have series, with HELP and TYPE. */
void metrics_render(struct buf *);

#endif
