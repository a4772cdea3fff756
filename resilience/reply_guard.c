#include "resilience/reply_guard_impl.h"

#include <string.h>

#include "base/str.h"

void reply_guard_init(struct reply_guard *g)
{
	memset(g, 0, sizeof(*g));
}

bool reply_guard_between(const struct reply_guard *g)
{
	return g->depth == 0 && g->type == 0 && g->skip == 0;
}

/* One value is whole: so may be the lists that it was the last element of. */
static void end_value(struct reply_guard *g)
{
	g->type = 0;
	while (g->depth > 0 && --g->left[g->depth - 1] == 0)
		g->depth--;
	if (g->depth == 0) {
		g->bytes = g->elements = 0;
		g->whole++;
	}
}

static enum reply_fault begin_text(struct reply_guard *g, int64_t n)
{
	if (n < 0) {
		end_value(g);
		return REPLY_FINE;
	}
	if ((uint64_t)n + g->bytes > REPLY_MAX_BYTES)
		return REPLY_TOO_LARGE;
	g->skip = (size_t)n + 2;
	return REPLY_FINE;
}

static enum reply_fault begin_list(struct reply_guard *g, int64_t n)
{
	if (n <= 0) {
		end_value(g);
		return REPLY_FINE;
	}
	if (g->depth == REPLY_MAX_DEPTH)
		return REPLY_TOO_DEEP;
	if ((uint64_t)n > REPLY_MAX_ELEMENTS - g->elements)
		return REPLY_TOO_LARGE;
	g->elements += (size_t)n;
	g->left[g->depth++] = n;
	g->type = 0;
	return REPLY_FINE;
}

/* The line of a value has ended with CR LF. */
static enum reply_fault end_line(struct reply_guard *g)
{
	int64_t n;

	if (g->type != '$' && g->type != '*') {
		end_value(g);
		return REPLY_FINE;
	}
	if (!str_to_int((struct str){ g->digits, g->line_bytes }, &n) || n < -1)
		return REPLY_MALFORMED;
	return g->type == '$' ? begin_text(g, n) : begin_list(g, n);
}

static enum reply_fault pass_line_byte(struct reply_guard *g, char c)
{
	char before = g->last;

	g->last = c;
	if (c == '\n' && before == '\r') {
		g->line_bytes--;
		return end_line(g);
	}
	if (g->type == '$' || g->type == '*') {
		if (g->line_bytes >= sizeof(g->digits))
			return REPLY_MALFORMED;
		g->digits[g->line_bytes] = c;
	}
	return ++g->line_bytes > REPLY_MAX_LINE_BYTES ? REPLY_TOO_LARGE : REPLY_FINE;
}

/* The body of a text, then CR LF; returns how many bytes it took. */
static size_t pass_text(struct reply_guard *g, const char *p, size_t n, enum reply_fault *fault)
{
	size_t body = g->skip > 2 ? g->skip - 2 : 0;

	if (body) {
		n = n < body ? n : body;
	} else {
		n = 1;
		if (*p != (g->skip == 2 ? '\r' : '\n'))
			*fault = REPLY_MALFORMED;
	}
	g->skip -= n;
	if (g->skip == 0)
		end_value(g);
	return n;
}

static enum reply_fault begin_value(struct reply_guard *g, char c)
{
	if (!c || !strchr("+-:$*", c))
		return REPLY_MALFORMED;
	g->type = c;
	g->line_bytes = 0;
	g->last = 0;
	return REPLY_FINE;
}

enum reply_fault reply_guard_pass(struct reply_guard *g, const char *bytes, size_t n)
{
	enum reply_fault fault = REPLY_FINE;

	for (size_t i = 0; i < n && fault == REPLY_FINE;) {
		size_t taken = 1;

		if (g->bytes > REPLY_MAX_BYTES)
			return REPLY_TOO_LARGE;
		if (g->skip) {
			size_t before = g->bytes;

			taken = pass_text(g, bytes + i, n - i, &fault);
			if (!reply_guard_between(g))
				g->bytes = before + taken;
		} else {
			g->bytes++;
			fault = g->type ? pass_line_byte(g, bytes[i]) : begin_value(g, bytes[i]);
		}
		i += taken;
	}
	return fault;
}
