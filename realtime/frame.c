/* Frames as they go out: RFC 6455 section 5.2, from a server: one fragment, not masked. */
#include <string.h>

#include "base/json_out.h"
#include "realtime/hub_impl.h"

#define FIN_TEXT 0x81

struct blob *frame_create(struct str payload)
{
	unsigned char head[10] = { FIN_TEXT };
	size_t n = payload.len < 126 ? 2 : payload.len < 65536 ? 4 : 10;
	struct blob *frame = blob_create(NULL, n + payload.len);

	if (!frame)
		return NULL;
	head[1] = n == 2 ? (unsigned char)payload.len : n == 4 ? 126 : 127;
	for (size_t i = 2; i < n; i++)
		head[i] = (unsigned char)(payload.len >> 8 * (n - 1 - i));
	memcpy(frame->data, head, n);
	memcpy(frame->data + n, payload.s, payload.len);
	return frame;
}

static const char *const types[] = {
#define RECEIVED(name, type, targets, function, fields, meaning)
#define SENT(name, type, targets, payload, meaning) type,
#include "realtime/messages.def"
#undef RECEIVED
#undef SENT
};

struct blob *frame_message(enum sent sent, struct str payload)
{
	struct buf text CLEANUP(buf_finish) = BUF_EMPTY;

	buf_addf(&text, "{\"type\":\"%s\"", types[sent]);
	if (payload.s)
		buf_add_text(&text, ",\"payload\":");
	buf_add_str(&text, payload);
	buf_add_char(&text, '}');
	return text.failed ? NULL : frame_create(buf_view(&text));
}
