/* The answers that depend on nothing but the settings: http.md 2. */
#include "api/handlers_impl.h"
#include "api/reply.h"
#include "api/site.h"

static const struct field chat_paths[] = { SHAPE("threads", TEXT), SHAPE("messages", TEXT) };
static const struct fields chat_shape = SHAPES(chat_paths);
static const struct field intents_paths[] = { SHAPE("rejoindre", TEXT), SHAPE("admin", TEXT), SHAPE("export", TEXT) };
static const struct fields intents_shape = SHAPES(intents_paths);
static const struct field moderation_paths[] = { SHAPE("reports", TEXT), SHAPE("audit_logs", TEXT) };
static const struct fields moderation_shape = SHAPES(moderation_paths);
static const struct field endpoints_shape_list[] = {
	SHAPE("health", TEXT),
	SHAPE("api_root", TEXT),
	SHAPE("admin", TEXT),
	SHAPE("intents", OBJECT, .of = &intents_shape),
	SHAPE("chat", OBJECT, .of = &chat_shape),
	SHAPE("polls", TEXT),
	SHAPE("projets", TEXT),
	SHAPE("cagnottes", TEXT),
	SHAPE("moderation", OBJECT, .of = &moderation_shape),
};
static const struct fields endpoints_shape = SHAPES(endpoints_shape_list);
static const struct field site_root_shape_list[] = {
	SHAPE("service", TEXT),      SHAPE("status", TEXT), SHAPE("version", TEXT), SHAPE("endpoints", OBJECT, .of = &endpoints_shape),
	SHAPE("documentation", URL),
};
const struct fields site_root_shape = SHAPES(site_root_shape_list);

static const struct field site_features_shape_list[] = {
	SHAPE("investment_enabled", BOOL),         SHAPE("commission_rate", FLOAT),     SHAPE("stripe_fee_estimate", FLOAT),
	SHAPE("founder_group_name", TEXT),         SHAPE("saka_enabled", BOOL),         SHAPE("saka_vote_enabled", BOOL),
	SHAPE("saka_project_boost_enabled", BOOL), SHAPE("saka_compost_enabled", BOOL),
};
const struct fields site_features_shape = SHAPES(site_features_shape_list);

static const struct field site_index_shape_list[] = {
	SHAPE("chat/threads", URL),       SHAPE("chat/messages", URL), SHAPE("chat/reports", URL), SHAPE("polls", URL),
	SHAPE("moderation/reports", URL), SHAPE("audit/logs", URL),    SHAPE("contents", URL),     SHAPE("investment/shareholders", URL),
	SHAPE("help-requests", URL),      SHAPE("engagements", URL),
};
const struct fields site_index_shape = SHAPES(site_index_shape_list);

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
	struct buf b = BUF_EMPTY;

	for (size_t i = 0; i < site_index_shape.n; i++) {
		const char *family = site_index_shape.list[i].name;

		buf_add_text(&b, i ? ",\"" : "{\"");
		buf_addf(&b, "%s\":\"%.*s/api/%s/\"", family, STR_ARG(req->origin_prefix), family);
	}
	buf_add_char(&b, '}');
	reply_json_take(req, 200, &b);
}
