/*
 * What processes tell one another, as JSON (realtime.md 7, "Several processes"). Whatever comes from Redis is read as if anybody had
 * written it: what is no envelope is none, and says nothing.
 */
#include <stdlib.h>

#include "base/json_out.h"
#include "realtime/hub_impl.h"

#define CHAT "chat_thread_"
#define POLL "poll_"
#define LOST "control.lost" /* something was not published: have a look */

static const struct {
	const char *type;
	enum live_kind kind;
	enum hub_target target;
	bool has_payload;
} types[] = {
	{ "chat_message", LIVE_CHAT_MESSAGE, HUB_CHAT, true },        { "chat_typing", LIVE_CHAT_TYPING, HUB_CHAT, true },
	{ "poll_update", LIVE_POLL_UPDATE, HUB_POLL, true },          { "control.members", LIVE_THREAD_MEMBERS, HUB_CHAT, false },
	{ "control.thread_gone", LIVE_THREAD_GONE, HUB_CHAT, false }, { "control.poll_gone", LIVE_POLL_GONE, HUB_POLL, false },
};

static const char *prefix_of(enum hub_target target)
{
	return target == HUB_CHAT ? CHAT : POLL;
}

void group_name(enum hub_target target, int64_t id, char ret_name[GROUP_NAME_SIZE])
{
	snprintf(ret_name, GROUP_NAME_SIZE, "%s%lld", prefix_of(target), (long long)id);
}

bool group_read_name(struct str name, enum hub_target *ret_target, int64_t *ret_id)
{
	enum hub_target target = str_starts(name, CHAT) ? HUB_CHAT : HUB_POLL;
	size_t n = strlen(prefix_of(target));

	if (!str_starts(name, prefix_of(target)) || !str_to_uint((struct str){ name.s + n, name.len - n }, ret_id))
		return false;
	*ret_target = target;
	return true;
}

enum hub_target event_target(enum live_kind kind)
{
	return kind == LIVE_POLL_UPDATE || kind == LIVE_POLL_GONE ? HUB_POLL : HUB_CHAT;
}

/* ---- reading ---- */

/* The whole text, so that a NUL in it is no end. */
static struct str text_of(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_string(value) ? (struct str){ json_string_value(value), json_string_length(value) } : (struct str){ NULL, 0 };
}

static struct blob *read_payload(const json_t *payload)
{
	char *text = payload ? json_dumps(payload, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	struct blob *blob = blob_create(text ? text : "null", text ? strlen(text) : 4);

	free(text);
	return blob;
}

static bool read_event(const json_t *envelope, struct live_event *ret_event, struct blob **ret_payload)
{
	struct str type = text_of(envelope, "type");
	const json_t *payload = json_object_get(envelope, "payload"), *previous = json_object_get(envelope, "prev");
	enum hub_target target;
	size_t i = 0;

	while (i < N_ELEMENTS(types) && !str_is(type, types[i].type))
		i++;
	*ret_event = (struct live_event){ .caller = NULL_INT, .previous = LIVE_NOT_NEW };
	if (i == N_ELEMENTS(types) || !group_read_name(text_of(envelope, "group"), &target, &ret_event->id) || target != types[i].target)
		return false;
	if (types[i].has_payload && !json_is_object(payload))
		return false;
	ret_event->kind = types[i].kind;
	ret_event->message = json_integer_value(json_object_get(payload, "id"));
	if (json_is_integer(previous) && json_integer_value(previous) >= 0)
		ret_event->previous = json_integer_value(previous);
	ret_event->members = json_integer_value(json_object_get(envelope, "members"));
	*ret_payload = read_payload(payload);
	return *ret_payload;
}

struct news *envelope_read(struct str text, const char *own_origin)
{
	json_t *envelope = text.s ? json_loadb(text.s, text.len, JSON_ALLOW_NUL, NULL) : NULL;
	struct str origin = text_of(envelope, "origin"), eid = text_of(envelope, "eid");
	struct news *news = origin.s && !str_is(origin, own_origin) ? news_create(NEWS_EVENT) : NULL;

	if (news && str_is(text_of(envelope, "type"), LOST)) {
		news->kind = NEWS_LOST;
	} else if (news && !read_event(envelope, &news->event, &news->payload)) {
		news_free(news);
		news = NULL;
	}
	if (news)
		news->eid = digest_of(eid.s ? eid : text);
	json_decref(envelope);
	return news;
}

/* ---- writing ---- */

void envelope_write(const struct live_event *event, const char *eid, const char *origin, struct buf *b)
{
	char group[GROUP_NAME_SIZE];
	size_t i = 0;

	while (types[i].kind != event->kind)
		i++;
	group_name(types[i].target, event->id, group);
	buf_addf(b, "{\"v\":1,\"eid\":\"%s\",\"origin\":\"%s\",\"group\":\"%s\",\"type\":\"%s\"", eid, origin, group, types[i].type);
	if (event->previous != LIVE_NOT_NEW && event->kind == LIVE_CHAT_MESSAGE)
		buf_addf(b, ",\"prev\":%lld", (long long)event->previous);
	if (event->members)
		buf_addf(b, ",\"members\":%lld", (long long)event->members);
	buf_add_text(b, ",\"payload\":");
	buf_add_str(b, event->payload.s ? event->payload : (struct str)STR("null"));
	buf_add_char(b, '}');
}

void envelope_write_lost(const char *origin, struct buf *b)
{
	buf_addf(b, "{\"v\":1,\"origin\":\"%s\",\"type\":\"" LOST "\"}", origin);
}
