/*
 * What a client sends on one connection, request after request: finds where each begins and ends, and the first byte that
 * RFC 9112 does not allow. It watches only: nothing is changed or held back. Pure but for its buffer; one thread at a time.
 */
#ifndef API_STREAM_H
#define API_STREAM_H

#include "api/chunks.h"
#include "api/head.h"
#include "base/buf.h"

enum stream_place { STREAM_HEAD, STREAM_LENGTH, STREAM_CHUNKS, STREAM_BAD };

struct stream {
	enum stream_place place;
	uint64_t requests; /* heads that have begun: the present request is this one, from 1 */
	size_t max_head_bytes;
	struct head head;
	struct buf partial; /* the part of a head that came before; mostly empty */
	uint64_t left;      /* STREAM_LENGTH: bytes of the body */
	struct chunks chunks;
	struct head_verdict verdict; /* STREAM_BAD: what is wrong with the present request */
};

/* Starts at the first byte of a connection. */
void stream_init(struct stream *, size_t max_head_bytes);
void stream_finish(struct stream *);

/* Looks at the next bytes. After the first that is wrong, nothing more is looked at. */
void stream_feed(struct stream *, const char *bytes, size_t n);

/* The verdict on a request, the first being 1: status 0 as long as nothing of it is wrong. */
struct head_verdict stream_verdict(const struct stream *, uint64_t request);

#endif
