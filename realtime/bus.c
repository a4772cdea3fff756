/*
 * Other processes: events are published on egoejo:ws:<group> and heard from there (realtime.md 7, "Several processes"). Whoever
 * publishes has told his own sockets already, so he passes over what has his origin. What Redis loses the sweeps find.
 *
 * Hearing runs on the subscription's thread, publishing is any thread's.
 */
#include <stdlib.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "base/random.h"
#include "realtime/hub_impl.h"
#include "resilience/publisher.h"
#include "resilience/subscription.h"

#define PREFIX       "egoejo:ws:"
#define CHANNEL_SIZE 64
#define QUEUE        10000
#define QUEUE_BYTES  (64 * 1024 * 1024)

struct bus {
	struct hub *hub;
	struct subscription *subscription;
	struct publisher *publisher;
	char origin[UUID_HEX_SIZE];
};

static const struct {
	const char *type;
	enum live_kind kind;
	enum hub_target target;
} types[] = {
	{ "chat_message", LIVE_CHAT_MESSAGE, HUB_CHAT },      { "chat_typing", LIVE_CHAT_TYPING, HUB_CHAT },
	{ "poll_update", LIVE_POLL_UPDATE, HUB_POLL },        { "control.members", LIVE_THREAD_MEMBERS, HUB_CHAT },
	{ "control.thread_gone", LIVE_THREAD_GONE, HUB_CHAT }, { "control.poll_gone", LIVE_POLL_GONE, HUB_POLL },
};

static void channel_of(enum hub_target target, int64_t id, char ret_channel[CHANNEL_SIZE])
{
	snprintf(ret_channel, CHANNEL_SIZE, PREFIX "%s%lld", target == HUB_CHAT ? "chat_thread_" : "poll_", (long long)id);
}

/* ---- hearing ---- */

static bool read_envelope(const json_t *envelope, struct live_event *ret_event, struct blob **ret_payload)
{
	const char *type = json_string_value(json_object_get(envelope, "type"));
	json_t *payload = json_object_get(envelope, "payload"), *previous = json_object_get(envelope, "prev");
	const char *group = json_string_value(json_object_get(envelope, "group"));
	const char *digits = group ? strrchr(group, '_') : NULL;
	size_t i = 0;
	char *text;

	while (i < N_ELEMENTS(types) && (!type || strcmp(type, types[i].type) != 0))
		i++;
	*ret_event = (struct live_event){ .caller = NULL_INT, .previous = LIVE_NOT_NEW };
	if (i == N_ELEMENTS(types) || !digits || !str_to_uint(str_of(digits + 1), &ret_event->id))
		return false;
	ret_event->kind = types[i].kind;
	ret_event->message = json_integer_value(json_object_get(payload, "id"));
	if (json_is_integer(previous))
		ret_event->previous = json_integer_value(previous);
	text = payload ? json_dumps(payload, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	*ret_payload = blob_create(text ? text : "null", text ? strlen(text) : 4);
	free(text);
	return *ret_payload;
}

static void on_message(struct str channel, const struct redis_reply *reply, void *arg)
{
	struct bus *bus = arg;
	struct str text = redis_reply_text(reply);
	json_t *envelope = text.s ? json_loadb(text.s, text.len, JSON_ALLOW_NUL, NULL) : NULL;
	const char *origin = json_string_value(json_object_get(envelope, "origin"));
	struct news *news = origin && strcmp(origin, bus->origin) != 0 ? news_create(NEWS_EVENT) : NULL;

	(void)channel;
	if (news && read_envelope(envelope, &news->event, &news->payload))
		hub_tell(bus->hub, news);
	else
		news_free(news);
	json_decref(envelope);
}

static void on_state(bool live, int64_t client_id, void *arg)
{
	struct bus *bus = arg;
	struct news *news = news_create(NEWS_BUS);

	(void)client_id;
	if (!news)
		return;
	news->live = live;
	hub_tell(bus->hub, news);
}

/* ---- telling ---- */

bool bus_publish(struct bus *bus, const struct live_event *event)
{
	struct buf text CLEANUP(buf_finish) = BUF_EMPTY;
	char channel[CHANNEL_SIZE], eid[UUID_HEX_SIZE];
	size_t i = 0;

	while (types[i].kind != event->kind)
		i++;
	if (!bus || !bus->publisher || random_uuid_hex(eid) < 0)
		return false;
	channel_of(types[i].target, event->id, channel);
	buf_addf(&text, "{\"v\":1,\"eid\":\"%s\",\"origin\":\"%s\",\"group\":\"%s\",\"type\":\"%s\"", eid, bus->origin, channel + sizeof(PREFIX) - 1,
	         types[i].type);
	if (event->previous != LIVE_NOT_NEW && event->kind == LIVE_CHAT_MESSAGE)
		buf_addf(&text, ",\"prev\":%lld", (long long)event->previous);
	buf_add_text(&text, ",\"payload\":");
	buf_add_str(&text, event->payload.s ? event->payload : (struct str)STR("null"));
	buf_add_char(&text, '}');
	return !text.failed && publisher_put(bus->publisher, str_of(channel), buf_view(&text));
}

void bus_join(struct bus *bus, const struct group *g)
{
	char channel[CHANNEL_SIZE];

	if (!bus)
		return;
	channel_of(g->target, g->id, channel);
	(void)subscription_join(bus->subscription, channel); /* without memory the sweeps find what it would have told */
}

void bus_leave(struct bus *bus, const struct group *g)
{
	char channel[CHANNEL_SIZE];

	if (!bus)
		return;
	channel_of(g->target, g->id, channel);
	subscription_leave(bus->subscription, channel);
}

int bus_create(struct hub *hub, struct bus **ret_bus, struct error *err)
{
	struct bus *bus = mem_alloc(sizeof(*bus));
	struct subscription_config subscription = { .usage = REDIS_CHANNELS,
		                                    .name = "channels",
		                                    .canary_opens_breaker = true,
		                                    .on_message = on_message,
		                                    .on_state = on_state,
		                                    .arg = bus };
	struct publisher_config publisher = { .usage = REDIS_CHANNELS, .name = "hub-publisher", .max_messages = QUEUE, .max_bytes = QUEUE_BYTES };

	if (!bus)
		return error_set(err, ERR_NOMEM, "out of memory");
	bus->hub = hub;
	*ret_bus = bus;
	if (random_uuid_hex(bus->origin) < 0)
		return error_set(err, ERR_IO, "no random bytes");
	bus->subscription = subscription_create(hub->config.redis, &subscription);
	bus->publisher = publisher_create(hub->config.redis, &publisher);
	if (!bus->subscription || !bus->publisher)
		return error_set(err, ERR_INTERNAL, "cannot start the threads of the channels");
	return 0;
}

void bus_destroy(struct bus *bus)
{
	if (!bus)
		return;
	subscription_destroy(bus->subscription);
	publisher_destroy(bus->publisher);
	free(bus);
}
