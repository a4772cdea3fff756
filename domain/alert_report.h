/*
 * What critical alerts there were: the rows of core_criticalalertevent, counted. Source: tasks.md 4, 5. Errors as db_select.
 */
#ifndef DOMAIN_ALERT_REPORT_H
#define DOMAIN_ALERT_REPORT_H

#include "db/db.h"

struct alert_count {
	struct str name;
	int64_t n;
};

struct alert_report {
	int64_t total;
	struct instant first, last; /* NULL_TIME: there were none */
	struct db_rows by_type;     /* of struct alert_count, the largest first; of the arena */
	struct db_rows by_channel;
};

/* Those from a time on, up to but not including another. */
int alert_report(struct db_conn *, struct arena *, struct instant from, struct instant to, struct alert_report *ret_report);

#endif
