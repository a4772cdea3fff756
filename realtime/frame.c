/*
 * Heads are read from their beginning each time that more of one has come: they are short, and what no client may send is found
 * at the byte that shows it. Text is checked by the ranges in which the next byte of a character may be (RFC 3629 section 4).
 */
#include "realtime/frame.h"

#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define FIN    0x80
#define RSV    0x70
#define MASKED 0x80

/* ---- reading ---- */

static bool is_control(unsigned char opcode)
{
	return opcode & 8;
}

static bool may_begin(unsigned char first)
{
	unsigned char opcode = first & 0x0f;

	if (first & RSV || opcode > FRAME_PONG || (opcode > FRAME_BINARY && opcode < FRAME_CLOSE))
		return false;
	return !is_control(opcode) || first & FIN;
}

static bool may_follow(unsigned char first, unsigned char second)
{
	return second & MASKED && (!is_control(first & 0x0f) || (second & 0x7f) <= FRAME_CONTROL_MAX);
}

/* Numbers are written as short as they can be. */
static bool is_shortest(size_t extended, uint64_t bytes)
{
	return extended == 0 || (extended == 2 && bytes > FRAME_CONTROL_MAX) || (extended == 8 && bytes > UINT16_MAX && bytes <= INT64_MAX);
}

int frame_read_head(const unsigned char *bytes, size_t n, struct frame_head *ret)
{
	size_t extended, whole;
	uint64_t length = 0;

	if ((n > 0 && !may_begin(bytes[0])) || (n > 1 && !may_follow(bytes[0], bytes[1])))
		return -1;
	if (n < 2)
		return 0;
	extended = (bytes[1] & 0x7f) == 127 ? 8 : (bytes[1] & 0x7f) == 126 ? 2 : 0;
	whole = 2 + extended + 4;
	for (size_t i = 0; i < extended && 2 + i < n; i++)
		length = length << 8 | bytes[2 + i];
	if (!extended)
		length = bytes[1] & 0x7f;
	if (n >= 2 + extended && !is_shortest(extended, length))
		return -1;
	if (n < whole)
		return 0;
	*ret = (struct frame_head){ .opcode = bytes[0] & 0x0f, .fin = bytes[0] & FIN, .bytes = length };
	memcpy(ret->mask, bytes + whole - 4, 4);
	return (int)whole;
}

void frame_unmask(const struct frame_head *head, uint64_t at, unsigned char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] ^= head->mask[(at + i) & 3];
}

/* The first byte of a character of more than one: RFC 3629 section 4. */
static bool begin_character(struct frame_text *t, unsigned char c)
{
	if (c < 0xc2 || c > 0xf4)
		return false;
	t->missing = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	t->low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	t->high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	return true;
}

bool frame_text_add(struct frame_text *t, const void *bytes, size_t n)
{
	const unsigned char *p = bytes, *end = p + n;

	for (; p < end; p++) {
		if (!t->missing) {
			if (*p >= 0x80 && !begin_character(t, *p))
				return false;
			continue;
		}
		if (*p < t->low || *p > t->high)
			return false;
		t->missing--;
		t->low = 0x80;
		t->high = 0xbf;
	}
	return true;
}

enum close_cause frame_judge_close(struct str payload)
{
	const unsigned char *p = (const unsigned char *)payload.s;
	unsigned code;

	if (payload.len == 0)
		return CLOSE_CLIENT;
	if (payload.len == 1)
		return CLOSE_PROTOCOL;
	code = (unsigned)p[0] << 8 | p[1];
	if (code < 1000 || (code >= 1004 && code <= 1006) || (code >= 1015 && code < 3000) || code >= 5000)
		return CLOSE_PROTOCOL;
	return str_valid_utf8((struct str){ payload.s + 2, payload.len - 2 }) ? CLOSE_CLIENT : CLOSE_NOT_UTF8;
}

/* ---- writing ---- */

struct blob *frame_create(enum frame_opcode opcode, struct str payload)
{
	unsigned char head[10] = { (unsigned char)(FIN | opcode) };
	size_t n = payload.len < 126 ? 2 : payload.len < 65536 ? 4 : 10;
	struct blob *frame = blob_create(NULL, n + payload.len);

	if (!frame)
		return NULL;
	head[1] = n == 2 ? (unsigned char)payload.len : n == 4 ? 126 : 127;
	for (size_t i = 2; i < n; i++)
		head[i] = (unsigned char)(payload.len >> 8 * (n - 1 - i));
	memcpy(frame->data, head, n);
	if (payload.len)
		memcpy(frame->data + n, payload.s, payload.len);
	return frame;
}

struct blob *frame_create_close(const struct close_row *row)
{
	char payload[FRAME_CONTROL_MAX] = { (char)(row->code >> 8), (char)(row->code & 0xff) };
	size_t n = strnlen(row->reason, sizeof(payload) - 2);

	memcpy(payload + 2, row->reason, n);
	return frame_create(FRAME_CLOSE, (struct str){ payload, 2 + n });
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
	return text.failed ? NULL : frame_create(FRAME_TEXT, buf_view(&text));
}
