/*
 * What browsers report of themselves: measures and alerts. Source: accounts.md 8; database.md monitoring_performance_metric,
 * monitoring_alert. Rows come in by the batches of domain/measures.h. Errors are those of db_select and db_execute.
 */
#ifndef DOMAIN_MONITORING_H
#define DOMAIN_MONITORING_H

#include "db/db.h"

#define MONITORING_MAX_NAME     50         /* characters of a metric's name */
#define MONITORING_MAX_MESSAGE  2000       /* characters */
#define MONITORING_MAX_URL      500        /* characters of an address, or of a user agent */
#define MONITORING_MAX_METADATA (8 * 1024) /* bytes of JSON */
#define MONITORING_DAYS         90         /* older rows are purged */

/* Metrics that have a name of their own; all others are "Custom". X(type, what it is called in the statistics) */
#define MONITORING_METRICS(X)                       \
	X("LCP", "Largest Contentful Paint")        \
	X("FID", "First Input Delay")               \
	X("CLS", "Cumulative Layout Shift")         \
	X("TTFB", "Time to First Byte")             \
	X("FCP", "First Contentful Paint")          \
	X("PageLoad", "Page Load Time")             \
	X("DOMContentLoaded", "DOM Content Loaded") \
	X("API_Duration", "API Request Duration")   \
	X("Custom", "Custom Metric")

/* The type that a measure of this name gets: its own, or "Custom". Static. */
const char *monitoring_metric_type(struct str name);

/* The level of an alert: one of critical, error, warning, info, performance, api; "info" for anything else. Static. */
const char *monitoring_alert_level(struct str level);

/* Who reported, and from where: common to both. */
struct report_origin {
	struct str url;        /* may be absent */
	struct str user_agent; /* may be absent */
	struct str address;    /* IPv4 or IPv6; may be absent */
	int64_t user_id;       /* NULL_INT: nobody; an account that is gone by then counts as nobody */
	struct instant timestamp;
	struct json_text metadata;
};

struct metric_report {
	const char *type; /* monitoring_metric_type */
	double value;     /* finite */
	struct report_origin from;
};

struct alert_report {
	const char *level; /* monitoring_alert_level */
	struct str message;
	struct report_origin from;
};

enum report_kind { REPORT_METRIC, REPORT_ALERT, REPORT_KINDS };

/*
 * Inside a db_write closure: n ids of the table's own sequence, which nobody else will get, in ascending order; for rows
 * that are written later. Those not used leave a gap.
 */
int monitoring_reserve_ids(struct db_conn *, enum report_kind, struct arena *, size_t n, int64_t *ret_ids);

/* Inside a db_write closure: a row under a reserved id; a row that is there already stays as it is. */
int monitoring_write_metric(struct db_conn *, int64_t id, const struct metric_report *);
int monitoring_write_alert(struct db_conn *, int64_t id, const struct alert_report *);

/* Deletes up to limit rows older than the time, in a transaction of its own; how many, or an error. */
int monitoring_purge(struct db_conn *, enum report_kind, struct instant before, int64_t limit);

struct metric_stats {
	struct str type; /* one of MONITORING_METRICS */
	struct str name; /* what people call it */
	int64_t count;
	double avg, min, max;
};

/* The measures since a time, of one type (absent: of all): a row for each type that has any, in the order of the list. */
int monitoring_stats(struct db_conn *, struct arena *, struct instant since, struct str type, struct db_rows *ret_stats);

struct monitoring_alert {
	int64_t id;
	struct str level, message;
	struct str url; /* may be null */
	struct instant timestamp;
	bool resolved;
	struct json_text metadata;
};

#define MONITORING_LIST_MAX 100

/* Alerts since a time, resolved or not, of one level (absent: of all), newest first, at most MONITORING_LIST_MAX of *ret_count. */
int monitoring_alerts(struct db_conn *, struct arena *, struct instant since, bool resolved, struct str level, struct db_rows *ret_alerts,
                      int64_t *ret_count);

/* Marks an alert as dealt with, now; ERR_NOT_FOUND. */
int monitoring_resolve(struct db_conn *, int64_t id);

#endif
