/*
 * AsyncAPI speaks from the server's side: it "receives" what clients send. What no memory is there for is NULL, and NULL makes
 * whatever it is put into NULL (json_pack): it is looked at once, at the end.
 */
#include "realtime/protocol.h"

#include <stddef.h>

#include "realtime/protocol_impl.h"

const struct close_row closes[CLOSES] = {
#define CLOSE(name, code, reason, meaning) [CLOSE_##name] = { code, reason, meaning },
#include "realtime/closes.def"
#undef CLOSE
};

/* A member of a message or of its payload; type NULL: any. */
struct frame_field {
	const char *name, *type, *meaning;
};

struct message {
	const char *type, *meaning;
	unsigned targets;
	bool sent;
	const struct frame_field *fields; /* a nameless one ends them; NULL: none */
	const char *schema;               /* of the API's document, instead of fields; NULL: none */
};

#define NOTHING .fields = NULL
#define FIELDS(...)                            \
	.fields = (const struct frame_field[]) \
	{                                      \
		__VA_ARGS__,                   \
		{                              \
			NULL, NULL, NULL       \
		}                              \
	}
#define SCHEMA(name) .schema = (name)

static const struct message messages[] = {
#define RECEIVED(name, type, targets, function, members, meaning) { type, meaning, targets, false, members },
#define SENT(name, type, targets, payload, meaning)               { type, meaning, targets, true, payload },
#include "realtime/messages.def"
#undef RECEIVED
#undef SENT
};

static const struct {
	const char *name, *address, *parameter, *meaning;
} channels[] = {
	[HUB_CHAT] = { "chat", "/ws/chat/{thread_id}/", "thread_id", "Un fil de discussion, pour ses participants." },
	[HUB_POLL] = { "polls", "/ws/polls/{poll_id}/", "poll_id", "Un scrutin, pour tous." },
};

static const struct {
	const char *setting;
	size_t at; /* an int64_t of struct settings */
	const char *meaning;
} limits[] = {
#define LIMIT(setting, member, meaning)                             \
	{                                                           \
		setting, offsetof(struct settings, member), meaning \
	}
	LIMIT("REALTIME_MAX_MESSAGE_BYTES", realtime_max_message_bytes, "octets d'un message du client, ses fragments ensemble"),
	LIMIT("REALTIME_RATE", realtime_rate, "trames par seconde du client, pings compris"),
	LIMIT("REALTIME_BURST", realtime_burst, "trames qu'il peut envoyer d'un coup"),
	LIMIT("REALTIME_PING_SECONDS", realtime_ping_seconds, "secondes entre deux pings du serveur"),
	LIMIT("REALTIME_PONG_SECONDS", realtime_pong_seconds, "secondes pour y répondre"),
	LIMIT("REALTIME_QUEUE_FRAMES", realtime_queue_frames, "trames qui attendent un client lent"),
	LIMIT("REALTIME_QUEUE_BYTES", realtime_queue_bytes, "octets qui l'attendent"),
	LIMIT("REALTIME_REPLAY_MAX", realtime_replay_max, "messages d'une reprise"),
	LIMIT("REALTIME_MAX_PER_USER", realtime_max_per_user, "connexions d'un compte, ou d'une adresse sans compte"),
	LIMIT("REALTIME_MAX_CONNECTIONS", realtime_max_connections, "connexions du serveur"),
	LIMIT("REALTIME_REFUSALS_MAX", realtime_refusals_max,
	      "refus (4401, 4403, 4404) d'une adresse sur un chemin en une minute, puis 429"),
#undef LIMIT
};

/* ---- messages ---- */

static json_t *schema_of_field(const struct frame_field *f)
{
	json_t *schema = f->type ? json_pack("{s:s}", "type", f->type) : json_object();

	if (*f->meaning && json_object_set_new(schema, "description", json_string(f->meaning)) < 0) {
		json_decref(schema);
		return NULL;
	}
	return schema;
}

/* The fields as members of an object; required: all of them. */
static json_t *schema_of_fields(const struct frame_field *fields, bool required)
{
	json_t *properties = json_object(), *names = json_array();
	int r = 0;

	for (; fields && fields->name; fields++) {
		r += json_object_set_new(properties, fields->name, schema_of_field(fields));
		if (required)
			r += json_array_append_new(names, json_string(fields->name));
	}
	if (r < 0) {
		json_decref(properties);
		properties = NULL;
	}
	return json_pack("{s:s, s:o, s:o}", "type", "object", "properties", properties, "required", names);
}

static json_t *schema_of_payload(const struct message *m)
{
	if (m->schema)
		return json_pack("{s:o}", "$ref", json_sprintf("/api/schema/#/components/schemas/%s", m->schema));
	return schema_of_fields(m->fields, true);
}

/* The whole frame: what clients send has its fields beside the type, what they are sent in a payload. */
static json_t *schema_of_frame(const struct message *m)
{
	bool has_payload = m->sent && (m->fields || m->schema);
	json_t *beside = schema_of_fields(m->sent ? NULL : m->fields, false);
	json_t *frame =
	        json_pack("{s:s, s:{s:{s:s}}, s:[s]}", "type", "object", "properties", "type", "const", m->type, "required", "type");
	json_t *properties = json_object_get(frame, "properties");
	int r = json_object_update(properties, json_object_get(beside, "properties"));

	if (has_payload) {
		r += json_object_set_new(properties, "payload", schema_of_payload(m));
		r += json_array_append_new(json_object_get(frame, "required"), json_string("payload"));
	}
	json_decref(beside);
	if (r == 0)
		return frame;
	json_decref(frame);
	return NULL;
}

static json_t *all_messages(void)
{
	json_t *all = json_object();

	for (size_t i = 0; i < N_ELEMENTS(messages); i++) {
		json_t *message = json_pack("{s:s, s:s, s:o}", "name", messages[i].type, "summary", messages[i].meaning, "payload",
		                            schema_of_frame(&messages[i]));

		if (json_object_set_new(all, messages[i].type, message) == 0)
			continue;
		json_decref(all);
		return NULL;
	}
	return all;
}

/* ---- channels ---- */

static json_t *reference(const char *format, const char *a, const char *b)
{
	return json_pack("{s:o}", "$ref", json_sprintf(format, a, b));
}

static json_t *channel(enum hub_target target)
{
	json_t *used = json_object();
	int r = 0;

	for (size_t i = 0; i < N_ELEMENTS(messages); i++)
		if (messages[i].targets & 1u << target)
			r += json_object_set_new(used, messages[i].type, reference("#/components/messages/%s%s", messages[i].type, ""));
	if (r < 0) {
		json_decref(used);
		used = NULL;
	}
	return json_pack("{s:s, s:s, s:{s:{}}, s:o}", "address", channels[target].address, "description", channels[target].meaning,
	                 "parameters", channels[target].parameter, "messages", used);
}

/* What is received on a channel, or sent. */
static json_t *operation(enum hub_target target, bool sent)
{
	json_t *used = json_array();
	int r = 0;

	for (size_t i = 0; i < N_ELEMENTS(messages); i++)
		if (messages[i].sent == sent && messages[i].targets & 1u << target)
			r += json_array_append_new(used, reference("#/channels/%s/messages/%s", channels[target].name, messages[i].type));
	if (r < 0) {
		json_decref(used);
		used = NULL;
	}
	return json_pack("{s:s, s:o, s:o}", "action", sent ? "send" : "receive", "channel",
	                 reference("#/channels/%s%s", channels[target].name, ""), "messages", used);
}

/* ---- what AsyncAPI has no word for ---- */

static json_t *all_closes(void)
{
	json_t *all = json_array();

	for (int i = CLOSE_NONE + 1; i < CLOSES; i++) {
		if (json_array_append_new(all, json_pack("{s:i, s:s, s:s}", "code", closes[i].code, "reason", closes[i].reason, "meaning",
		                                         closes[i].meaning)) == 0)
			continue;
		json_decref(all);
		return NULL;
	}
	return all;
}

static json_t *all_limits(const struct settings *settings)
{
	json_t *all = json_array();

	for (size_t i = 0; i < N_ELEMENTS(limits); i++) {
		json_int_t value = *(const int64_t *)(const void *)((const char *)settings + limits[i].at);

		if (json_array_append_new(all, json_pack("{s:s, s:I, s:s}", "setting", limits[i].setting, "value", value, "meaning",
		                                         limits[i].meaning)) == 0)
			continue;
		json_decref(all);
		return NULL;
	}
	return all;
}

json_t *protocol_describe(const struct settings *settings)
{
	return json_pack("{s:s, s:{s:s, s:s}, s:s, s:{s:o, s:o}, s:{s:o, s:o, s:o, s:o}, s:{s:o}, s:o, s:o}", "asyncapi", "3.0.0", "info",
	                 "title", "EGOEJO : les WebSockets", "version", EGOEJO_VERSION, "defaultContentType", "application/json",
	                 "channels", "chat", channel(HUB_CHAT), "polls", channel(HUB_POLL), "operations", "chatReceive",
	                 operation(HUB_CHAT, false), "chatSend", operation(HUB_CHAT, true), "pollsReceive", operation(HUB_POLL, false),
	                 "pollsSend", operation(HUB_POLL, true), "components", "messages", all_messages(), "x-closes", all_closes(),
	                 "x-limits", all_limits(settings));
}
