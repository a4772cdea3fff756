#include "api/stream.h"

void stream_init(struct stream *s, size_t max_head_bytes)
{
	*s = (struct stream){ .place = STREAM_HEAD, .max_head_bytes = max_head_bytes };
	head_init(&s->head, max_head_bytes);
}

void stream_finish(struct stream *s)
{
	buf_finish(&s->partial);
}

static void condemn(struct stream *s, struct head_verdict v)
{
	s->place = STREAM_BAD;
	s->verdict = v;
}

/* The head is whole: what comes next. */
static void end_head(struct stream *s)
{
	const struct head_framing *f = &s->head.framing;

	buf_clear(&s->partial);
	if (f->codings) {
		s->place = STREAM_CHUNKS;
		chunks_init(&s->chunks);
	} else if (f->length > 0) {
		s->place = STREAM_LENGTH;
		s->left = (uint64_t)f->length;
	}
	head_init(&s->head, s->max_head_bytes);
}

/* Most heads come in one piece and are looked at where they are; the pieces of others are gathered first. */
static size_t feed_head(struct stream *s, const char *bytes, size_t n)
{
	size_t before = s->partial.len, used = n;
	enum head_state state;

	if (!before && !s->head.at)
		s->requests++;
	if (before) {
		if (n > s->max_head_bytes + 1 - before)
			n = s->max_head_bytes + 1 - before; /* one byte too many is enough to know */
		buf_add(&s->partial, bytes, n);
		state = head_scan(&s->head, s->partial.data, s->partial.len);
	} else {
		state = head_scan(&s->head, bytes, n);
	}
	if (state == HEAD_BAD) {
		condemn(s, s->head.verdict);
	} else if (state == HEAD_WHOLE) {
		used = s->head.at - before;
		end_head(s);
	} else if (!before) {
		buf_add(&s->partial, bytes, n);
	}
	if (s->partial.failed)
		condemn(s, (struct head_verdict){ 503, "Service momentanément indisponible." });
	return used;
}

static size_t feed_length(struct stream *s, size_t n)
{
	size_t used = s->left < n ? (size_t)s->left : n;

	s->left -= used;
	if (!s->left)
		s->place = STREAM_HEAD;
	return used;
}

static size_t feed_chunks(struct stream *s, const char *bytes, size_t n)
{
	size_t used;
	enum chunks_state state = chunks_feed(&s->chunks, bytes, n, &used);

	if (state == CHUNKS_BAD)
		condemn(s, (struct head_verdict){ 400, "Corps de requête mal découpé." });
	else if (state == CHUNKS_END)
		s->place = STREAM_HEAD;
	return used;
}

void stream_feed(struct stream *s, const char *bytes, size_t n)
{
	while (n && s->place != STREAM_BAD) {
		size_t used;

		if (s->place == STREAM_HEAD)
			used = feed_head(s, bytes, n);
		else if (s->place == STREAM_LENGTH)
			used = feed_length(s, n);
		else
			used = feed_chunks(s, bytes, n);
		bytes += used;
		n -= used;
	}
}

struct head_verdict stream_verdict(const struct stream *s, uint64_t request)
{
	if (s->place == STREAM_BAD && s->requests == request)
		return s->verdict;
	if (s->requests < request) /* it has not been seen here: then nobody has looked at it */
		return (struct head_verdict){ 400, "Requête invalide." };
	return (struct head_verdict){ 0, NULL };
}
