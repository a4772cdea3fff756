/*
 * What has served is thrown away, once a day: refresh tokens that have ended, measures and alerts of browsers, ids of tasks that
 * nobody delivers again. In small transactions, so that nobody waits for it; what is left when time is up waits for the next day.
 * Source: tasks.md 2; accounts.md 1.3, 10 D13; database.md egoejo_task_done.
 */
#include "base/clock.h"
#include "base/json_out.h"
#include "db/task_done.h"
#include "domain/monitoring.h"
#include "domain/session.h"
#include "tasks/jobs_impl.h"

#define BATCH          1000
#define DAY_US         (INT64_C(86400) * US_PER_S)
#define TASK_DONE_DAYS 7

static int purge_metrics(struct db_conn *db, struct instant before, int64_t limit)
{
	return monitoring_purge(db, REPORT_METRIC, before, limit);
}

static int purge_alerts(struct db_conn *db, struct instant before, int64_t limit)
{
	return monitoring_purge(db, REPORT_ALERT, before, limit);
}

static const struct chore {
	const char *name; /* in the result */
	int (*purge)(struct db_conn *, struct instant before, int64_t limit);
	int64_t days; /* what is older goes */
} chores[] = {
	{ "tokens", session_purge, 0 },
	{ "metrics", purge_metrics, MONITORING_DAYS },
	{ "alerts", purge_alerts, MONITORING_DAYS },
	{ "task_done", task_done_purge, TASK_DONE_DAYS },
};

/* How many rows went; an error when one batch failed. */
static int64_t do_chore(const struct task_run *run, const struct chore *chore, struct instant now)
{
	struct instant before = { now.us - chore->days * DAY_US };
	int64_t total = 0;
	int n;

	do {
		n = chore->purge(run->db, before, BATCH);
		total += n;
	} while (n == BATCH && !task_is_late(run));
	return n < 0 ? n : total;
}

enum task_outcome housekeeping(struct task_run *run)
{
	struct instant now = clock_now();

	for (size_t i = 0; i < N_ELEMENTS(chores); i++) {
		int64_t n = do_chore(run, &chores[i], now);

		if (n < 0)
			return task_database_error(run, (int)n);
		buf_add_text(&run->result, i ? ", " : "{");
		json_add_text(&run->result, chores[i].name);
		buf_addf(&run->result, ": %lld", (long long)n);
	}
	buf_add_char(&run->result, '}');
	return TASK_SUCCEEDED;
}
