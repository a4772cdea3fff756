#include "tasks/report.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/metrics.h"

static void count(const struct task_run *run, const char *state, int64_t duration_us)
{
	metric_add(metric_seriesf(METRIC_TASK_RUNS, "task=\"%s\",state=\"%s\"", run->policy->name, state), 1);
	metric_observe_us(metric_seriesf(METRIC_TASK_SECONDS, "task=\"%s\"", run->policy->name), duration_us);
}

struct telling {
	enum log_level level;
	const char *state, *event, *text;
};

static const struct telling *kind_of(const struct task_run *run, enum task_outcome outcome)
{
	static const struct telling kinds[] = {
		[TASK_SUCCEEDED] = { LOG_INFO, "succeeded", "task.succeeded", "done" },
		[TASK_RETRY] = { LOG_WARNING, "retried", "task.retried", "to be tried again" },
		[TASK_FAILED] = { LOG_ERROR, "failed", "task.failed", "failed" },
	};
	static const struct telling handed_back = { LOG_INFO, "handed_back", "task.handed_back", "handed back, the process ends" };

	return outcome == TASK_FAILED && run->hurried ? &handed_back : &kinds[outcome];
}

void task_report(const struct task_run *run, enum task_outcome outcome, int64_t duration_us, const char *where)
{
	const struct telling *kind = kind_of(run, outcome);
	bool good = outcome == TASK_SUCCEEDED;
	char error[sizeof(run->error.message) + 100] = "";

	if (!good)
		snprintf(error, sizeof(error), "%s: %s", run->error.type, run->error.message);
	count(run, kind->state, duration_us);
	log_write(kind->level, "tasks", kind->event,
	          LOG_FIELDS(LOG_STR("task", run->policy->name), LOG_STR("id", run->id), LOG_INT("retries", run->retries),
	                     LOG_FLOAT("duration_ms", (double)duration_us / (double)US_PER_MS), LOG_STR("where", where),
	                     LOG_STR("error", good ? NULL : error)),
	          "%s %s%s%s", run->policy->name, kind->text, good ? "" : ": ", error);
}

void task_report_lost(struct str name, struct str id, const char *where, const char *error)
{
	metric_add(metric_series(METRIC_TASKS_LOST, ""), 1);
	log_write(LOG_ERROR, "tasks", "task.failed",
	          LOG_FIELDS(LOG_VIEW("task", name), LOG_VIEW("id", id), LOG_STR("where", where), LOG_STR("error", error)),
	          "%.*s failed: %s", STR_ARG(name), error);
}
