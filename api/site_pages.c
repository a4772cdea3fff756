/* The answers that depend on nothing but the settings: http.md 2. */
#include "api/handlers_impl.h"
#include "api/reply.h"
#include "api/site.h"

void site_root(struct request *req)
{
	reply_ready(req, req->worker->context->site->root);
}

void site_features(struct request *req)
{
	reply_ready(req, req->worker->context->site->features);
}

void site_api_index(struct request *req)
{
	static const char *const families[] = { "chat/threads",       "chat/messages", "chat/reports", "polls",
		                                "moderation/reports", "audit/logs",    "contents",     "investment/shareholders",
		                                "help-requests",      "engagements" };
	struct buf b = BUF_EMPTY;

	for (size_t i = 0; i < N_ELEMENTS(families); i++) {
		buf_add_text(&b, i ? ",\"" : "{\"");
		buf_addf(&b, "%s\":\"%.*s/api/%s/\"", families[i], STR_ARG(req->origin_prefix), families[i]);
	}
	buf_add_char(&b, '}');
	reply_json_take(req, 200, &b);
}
