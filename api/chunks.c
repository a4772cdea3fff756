/*
 * A machine with one state per place of the grammar of RFC 9112 section 7.1; the data of a chunk is skipped in one step. A
 * byte that cannot stand where it does leads nowhere, and nowhere is never left.
 */
#include "api/chunks.h"

#include <string.h>

#include "api/head.h"

#define MAX_LINE_BYTES    1024 /* of a size line: real extensions are rare and short */
#define MAX_TRAILER_BYTES 8192
#define MAX_SIZE_DIGITS   15 /* hexadecimal: below 2^60 */

enum {
	AT_SIZE,      /* hexadecimal digits */
	AT_EXTENSION, /* after the first ";" */
	AT_SIZE_LF,   /* after the CR of the size line */
	AT_DATA,
	AT_DATA_CR, /* right behind the data */
	AT_DATA_LF,
	AT_TRAILER,      /* at the start of a line behind the last chunk */
	AT_TRAILER_LINE, /* within a field of the trailer */
	AT_TRAILER_LF,   /* after the CR of such a field */
	AT_END_LF,       /* after the CR of the empty line */
	AT_END,
	AT_NOWHERE, /* no byte can follow: bad */
};

void chunks_init(struct chunks *c)
{
	*c = (struct chunks){ .at = AT_SIZE };
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static int after_size_byte(struct chunks *c, unsigned char byte)
{
	int value = hex_value(byte);

	if (value >= 0) {
		c->left = c->left << 4 | (uint64_t)value;
		return ++c->digits <= MAX_SIZE_DIGITS ? AT_SIZE : AT_NOWHERE;
	}
	if (!c->digits)
		return AT_NOWHERE;
	if (byte == ';')
		return AT_EXTENSION;
	return byte == '\r' ? AT_SIZE_LF : AT_NOWHERE;
}

static int after_extension_byte(unsigned char byte)
{
	if (byte == '\r')
		return AT_SIZE_LF;
	return is_text(byte) ? AT_EXTENSION : AT_NOWHERE;
}

static int after_size_line(struct chunks *c)
{
	int next = c->left ? AT_DATA : AT_TRAILER;

	c->line_bytes = 0;
	c->digits = 0;
	return next;
}

static int after_trailer_byte(struct chunks *c, unsigned char byte)
{
	if (byte == '\r')
		return c->named ? AT_TRAILER_LF : AT_NOWHERE;
	if (c->named)
		return is_text(byte) ? AT_TRAILER_LINE : AT_NOWHERE;
	if (byte == ':' && c->at == AT_TRAILER_LINE) { /* a name has come before it */
		c->named = true;
		return AT_TRAILER_LINE;
	}
	return head_is_token((struct str){ (const char *)&byte, 1 }) ? AT_TRAILER_LINE : AT_NOWHERE;
}

static int after(struct chunks *c, unsigned char byte)
{
	switch (c->at) {
	case AT_SIZE:
		return after_size_byte(c, byte);
	case AT_EXTENSION:
		return after_extension_byte(byte);
	case AT_SIZE_LF:
		return byte == '\n' ? after_size_line(c) : AT_NOWHERE;
	case AT_DATA_CR:
		return byte == '\r' ? AT_DATA_LF : AT_NOWHERE;
	case AT_DATA_LF:
		return byte == '\n' ? AT_SIZE : AT_NOWHERE;
	case AT_TRAILER:
		c->named = false;
		return byte == '\r' ? AT_END_LF : after_trailer_byte(c, byte);
	case AT_TRAILER_LINE:
		return after_trailer_byte(c, byte);
	case AT_TRAILER_LF:
		return byte == '\n' ? AT_TRAILER : AT_NOWHERE;
	case AT_END_LF:
		return byte == '\n' ? AT_END : AT_NOWHERE;
	default:
		return AT_NOWHERE;
	}
}

/* Lines have their limits: those of a size line until its end, those of the trailer together. */
static bool is_too_long(struct chunks *c)
{
	bool trailer = c->at >= AT_TRAILER;

	if (c->at == AT_DATA_CR || c->at == AT_DATA_LF)
		return false;
	return ++c->line_bytes > (trailer ? MAX_TRAILER_BYTES : MAX_LINE_BYTES);
}

static size_t skip_data(struct chunks *c, size_t n)
{
	size_t skip = c->left < n ? (size_t)c->left : n;

	c->left -= skip;
	if (!c->left)
		c->at = AT_DATA_CR;
	return skip;
}

enum chunks_state chunks_feed(struct chunks *c, const char *bytes, size_t n, size_t *ret_used)
{
	size_t i = 0;

	while (i < n && c->at != AT_END && c->at != AT_NOWHERE) {
		if (c->at == AT_DATA) {
			i += skip_data(c, n - i);
			continue;
		}
		c->at = is_too_long(c) ? AT_NOWHERE : after(c, (unsigned char)bytes[i++]);
	}
	*ret_used = i;
	if (c->at == AT_NOWHERE)
		return CHUNKS_BAD;
	return c->at == AT_END ? CHUNKS_END : CHUNKS_MORE;
}
