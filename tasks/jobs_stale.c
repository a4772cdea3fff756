#include "base/clock.h"
#include "tasks/jobs_impl.h"

void task_stale(struct task_run *run, enum change change, int64_t id)
{
	const struct task_services *services = run->services;
	struct redis_budget budget = { services->settings->redis_request_budget_ms * (US_PER_S / 1000) };

	if (services->cache)
		stale_after(services->cache, &budget, change, id);
}
