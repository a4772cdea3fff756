/*
 * What somebody has brought about, in four numbers that are kept in a row of his own. Source: projects.md 7; tasks.md 1, 1.1;
 * database.md impact_dashboard.
 */
#ifndef DOMAIN_DASHBOARD_H
#define DOMAIN_DASHBOARD_H

#include "cache/cache.h"
#include "db/db.h"

#define DASHBOARD_REFRESH_TASK "core.tasks.update_impact_dashboard_metrics" /* user_id */

struct dashboard {
	double total_contributions; /* euros */
	int64_t projects_supported; /* of the cagnottes contributed to; none counts as one */
	int64_t cagnottes_contributed;
	int64_t intentions_submitted; /* under the account's address, exactly */
	struct instant last_updated;
	int asking; /* an error: no task could be asked to refresh it; the next look a minute later asks again */
};

/*
 * The row, made when it is missing and worked out anew when it is more than an hour old. One that is more than a minute old is
 * answered as it is, and a task asked to refresh it, once a minute; that it could not be asked changes nothing else (tasks.md 1.1).
 * Not inside a closure; errors of db_select and db_write.
 */
int dashboard_read(struct db_conn *, struct cache *, struct redis_budget *, int64_t user_id, struct dashboard *ret_dashboard);

/* Works the row out now, inside a db_write closure. ERR_NOT_FOUND: no such user; errors of db_execute. */
int dashboard_refresh(struct db_conn *, int64_t user_id, struct dashboard *ret_dashboard);

/* What it says to its owner, in French; static. */
const char *dashboard_message(const struct dashboard *);

#endif
