/*
 * A report that waits for its row, with all its texts in one block. For domain/measures.c.
 */
#ifndef DOMAIN_REPORT_IMPL_H
#define DOMAIN_REPORT_IMPL_H

#include <sys/queue.h>

#include "domain/monitoring.h"

struct report {
	TAILQ_ENTRY(report) next;
	enum report_kind kind;
	int64_t id;
	union {
		struct metric_report metric;
		struct alert_report alert;
	};
	size_t bytes;
	char text[]; /* what the texts point into */
};

TAILQ_HEAD(reports, report);

/* A copy; freed with free. NULL without memory. */
struct report *report_of_metric(const struct metric_report *);
struct report *report_of_alert(const struct alert_report *);

/* The rows of a list of reports: a closure of db_write. */
int reports_write(struct db_conn *, void *list);

/* Frees all; the list is empty afterwards. */
void reports_drop(struct reports *);

#endif
