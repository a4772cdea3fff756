/* The numbers of somebody's dashboard, worked out anew. Source: tasks.md 1; projects.md 7. Twice is as good as once. */
#include "domain/dashboard.h"
#include "tasks/jobs_impl.h"

enum task_outcome update_impact_dashboard_metrics(struct task_run *run)
{
	int64_t user_id = task_int(run, "user_id");
	struct dashboard dashboard;
	int r = user_id == NULL_INT ? ERR_NOT_FOUND : dashboard_refresh(run->db, user_id, &dashboard);

	if (r == ERR_NOT_FOUND)
		return task_answer_error(run, "no such user");
	if (r < 0)
		return task_database_error(run, r);
	buf_addf(&run->result, "{\"success\": true, \"user_id\": %lld}", (long long)user_id);
	return TASK_SUCCEEDED;
}
