/* The numbers of somebody's dashboard, worked out anew. Source: tasks.md 1; projects.md 7. */
#include "domain/dashboard.h"
#include "tasks/jobs_impl.h"

struct refreshing {
	struct task_run *run;
	int64_t user_id;
};

static int refresh(struct db_conn *db, void *arg)
{
	const struct refreshing *f = arg;
	struct dashboard dashboard;
	int r = dashboard_refresh(db, f->user_id, &dashboard);

	buf_addf(&f->run->result, "{\"success\": true, \"user_id\": %lld}", (long long)f->user_id);
	return r;
}

enum task_outcome update_impact_dashboard_metrics(struct task_run *run)
{
	struct refreshing f = { run, task_int(run, "user_id") };
	int r = f.user_id == NULL_INT ? ERR_NOT_FOUND : task_commit(run, refresh, &f, NULL);

	if (r == ERR_NOT_FOUND)
		return task_answer_error(run, "no such user");
	return r < 0 ? task_database_error(run, r) : TASK_SUCCEEDED;
}
