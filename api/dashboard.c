/* /api/impact/dashboard/: projects.md 7. */
#include "domain/dashboard.h"

#include "api/handlers_impl.h"
#include "api/reply.h"
#include "base/log.h"
#include "domain/account.h"

struct answer {
	struct dashboard of;
	struct str message;
};

static const struct field dashboard_field_list[] = {
	FIELD(struct answer, "total_contributions", of.total_contributions, FLOAT, .meaning = "Euros."),
	FIELD(struct answer, "projects_supported", of.projects_supported, INT),
	FIELD(struct answer, "cagnottes_contributed", of.cagnottes_contributed, INT),
	FIELD(struct answer, "intentions_submitted", of.intentions_submitted, INT),
	FIELD(struct answer, "impact_message", message, TEXT),
	FIELD(struct answer, "last_updated", of.last_updated, TIME),
};
const struct fields dashboard_fields = FIELDS(struct answer, dashboard_field_list);

void dashboard_show(struct request *req)
{
	struct answer answer;
	int r = dashboard_read(req->worker->db, req->worker->context->cache, &req->budget, req->caller->id, &answer.of);

	if (r == 0 && answer.of.asking < 0)
		log_write(LOG_WARNING, "impact", "dashboard.not_asked",
		          LOG_FIELDS(LOG_STR("request_id", req->id), LOG_STR("error", error_name(answer.of.asking))),
		          "A dashboard is shown as it is: no task could be asked to refresh it");
	if (r == 0)
		answer.message = str_of(dashboard_message(&answer.of));
	reply_found(req, r, &dashboard_fields, &answer);
}
