/*
 * Frames of WebSockets, as clients send them and as they are sent: RFC 6455 sections 5 and 7.4. Pure; any thread.
 */
#ifndef REALTIME_FRAME_H
#define REALTIME_FRAME_H

#include "base/blob.h"
#include "base/str.h"
#include "realtime/protocol_impl.h"

enum frame_opcode {
	FRAME_CONTINUATION = 0,
	FRAME_TEXT = 1,
	FRAME_BINARY = 2,
	FRAME_CLOSE = 8, /* from here on: control frames, of at most FRAME_CONTROL_MAX bytes and in one piece */
	FRAME_PING = 9,
	FRAME_PONG = 10,
};

#define FRAME_HEAD_MAX    14
#define FRAME_CONTROL_MAX 125

struct frame_head {
	enum frame_opcode opcode;
	bool fin;
	uint64_t bytes; /* of the payload */
	unsigned char mask[4];
};

/*
 * Reads the head of a client's frame from its first n bytes: the length of the head; 0: it goes on beyond them; -1: no client may
 * send this (CLOSE_PROTOCOL), which is said at the first byte that shows it.
 */
int frame_read_head(const unsigned char *bytes, size_t n, struct frame_head *ret_head);

/* Takes the mask off n bytes of the payload, the first of which has the number `at` in it. */
void frame_unmask(const struct frame_head *, uint64_t at, unsigned char *bytes, size_t n);

/* UTF-8 that comes in pieces; all zero between two characters. */
struct frame_text {
	unsigned char missing;   /* bytes that the character still lacks */
	unsigned char low, high; /* between which the next of them must be */
};

/* Whether the text may go on like this: false at the first byte that no text has there. */
bool frame_text_add(struct frame_text *, const void *bytes, size_t n);

/* How a client's close frame is answered: CLOSE_CLIENT; CLOSE_PROTOCOL or CLOSE_NOT_UTF8 when it is none. */
enum close_cause frame_judge_close(struct str payload);

/* A frame with this payload (not masked, in one piece); NULL without memory. */
struct blob *frame_create(enum frame_opcode, struct str payload);

/* A close frame with code and reason of the row; NULL without memory. */
struct blob *frame_create_close(const struct close_row *);

/* A text frame {"type":…,"payload":…}; payload absent: without one. NULL without memory. */
struct blob *frame_message(enum sent, struct str payload);

#endif
