/* What clients say: realtime.md 7, Frames. Messages are those of messages.def; what is none of them is ignored. */
#include "base/json_out.h"
#include "realtime/hub_impl.h"

static void receive_ping(struct session *s, const json_t *message)
{
	(void)message;
	session_push(s, frame_message(SENT_PONG, (struct str){ NULL, 0 }));
}

/* As Python judges: missing, null, false, 0, "", [] and {} are false. */
static bool is_truthy(const json_t *value)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_TRUE:
		return true;
	case JSON_INTEGER:
		return json_integer_value(value) != 0;
	case JSON_REAL:
		return json_real_value(value) != 0;
	case JSON_STRING:
		return json_string_length(value) > 0;
	case JSON_ARRAY:
		return json_array_size(value) > 0;
	case JSON_OBJECT:
		return json_object_size(value) > 0;
	default:
		return false;
	}
}

void inbound_tell_typing(struct session *s, bool typing)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "{\"user_id\":%lld,\"is_typing\":%s}", (long long)s->user, typing ? "true" : "false");
	struct live_event event = { .kind = LIVE_CHAT_TYPING,
		                    .id = s->handshake.id,
		                    .previous = LIVE_NOT_NEW,
		                    .caller = NULL_INT,
		                    .payload = { text, (size_t)n } };

	s->typing = typing;
	safe_group_send(s->hub, &event);
}

static void receive_typing(struct session *s, const json_t *message)
{
	inbound_tell_typing(s, is_truthy(json_object_get(message, "is_typing")));
}

static void receive_resume(struct session *s, const json_t *message)
{
	const json_t *id = json_object_get(message, "last_message_id");

	if (json_is_integer(id) && json_integer_value(id) >= 0)
		replay_begin(s, json_integer_value(id), false);
}

static const struct {
	const char *type;
	unsigned targets;
	void (*receive)(struct session *, const json_t *);
} received[] = {
#define RECEIVED(name, type, targets, function, fields, meaning) { type, targets, function },
#define SENT(name, type, targets, payload, meaning)
#include "realtime/messages.def"
#undef RECEIVED
#undef SENT
};

static void refuse(struct session *s, const char *code)
{
	char text[60];
	int n = snprintf(text, sizeof(text), "{\"code\":\"%s\"}", code);

	if (++s->invalid >= INVALID_MAX) {
		session_close(s, CLOSE_INVALID_FRAMES);
		return;
	}
	session_push(s, frame_message(SENT_ERROR, (struct str){ text, (size_t)n }));
}

bool inbound_takes(enum frame_opcode opcode)
{
	return opcode == FRAME_TEXT;
}

void inbound_message(struct session *s, enum frame_opcode opcode, struct str text)
{
	json_t *message = json_loadb(text.len ? text.s : "", text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	const char *type;

	(void)opcode;
	if (!message) /* numbers beyond 64 bits are JSON too */
		message = json_loadb(text.len ? text.s : "", text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	if (!json_is_object(message)) {
		refuse(s, message ? "invalid_frame" : "invalid_json");
		json_decref(message);
		return;
	}
	type = json_string_value(json_object_get(message, "type"));
	for (size_t i = 0; type && i < N_ELEMENTS(received); i++)
		if (received[i].targets & 1u << s->handshake.target && strcmp(type, received[i].type) == 0)
			received[i].receive(s, message);
	json_decref(message);
}
