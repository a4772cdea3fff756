#include "app/sockets.h"

#include "api/live_json.h"
#include "api/upgrade.h"
#include "realtime/protocol.h"

static void announce(void *arg, const struct live_event *event)
{
	(void)safe_group_send(arg, event); /* other processes that were not told find out by themselves */
}

static void answered(void *arg, uint64_t request)
{
	hub_answered(arg, request);
}

static void tell_state(void *arg, struct live_state *ret_state)
{
	hub_state(arg, ret_state);
}

struct live sockets_listener(struct hub *hub)
{
	return (struct live){ .announce = announce, .answered = answered, .state = tell_state, .arg = hub };
}

int sockets_take(void *hub, const struct upgrade *u)
{
	const struct hub_handshake handshake = { .fd = u->fd,
		                                 .head_bytes = u->head_bytes,
		                                 .target = u->target == UPGRADE_CHAT ? HUB_CHAT : HUB_POLL,
		                                 .id = u->id,
		                                 .path = u->path,
		                                 .key = u->key,
		                                 .offers_v1 = u->offers_v1,
		                                 .token = u->token,
		                                 .last_message_id = u->last_message_id,
		                                 .client = u->client,
		                                 .origin_prefix = u->origin_prefix };

	return hub_take(hub, &handshake);
}

int sockets_start(const struct settings *settings, struct db *db, struct redis *redis, struct hub **ret_hub, struct error *err)
{
	const struct hub_config config = {
		.settings = settings, .db = db, .redis = redis, .render_message = chat_message_render, .render_poll = poll_render
	};
	int r = hub_create(&config, ret_hub, err);

	return r < 0 ? r : hub_start(*ret_hub, err);
}

int sockets_describe(const struct settings *settings, struct openapi *openapi, struct error *err)
{
	json_t *document = protocol_describe(settings);
	bool added = document && openapi_add_realtime(openapi, document);

	json_decref(document);
	return added ? 0 : error_set(err, ERR_NOMEM, "out of memory");
}
