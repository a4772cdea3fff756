#include "api/announce.h"

#include <stdlib.h>

#include "domain/account.h"

void request_announce(struct request *req, struct live_event event)
{
	const struct live *live = req->worker->context->live;

	if (!live)
		return;
	req->announced = strtoull(req->id, NULL, 16);
	event.request = req->announced;
	event.caller = req->caller ? req->caller->id : NULL_INT;
	live->announce(live->arg, &event);
}

void request_answered(struct request *req)
{
	const struct live *live = req->worker->context->live;

	if (req->announced && live)
		live->answered(live->arg, req->announced);
	req->announced = 0;
}
