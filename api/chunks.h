/*
 * The chunked coding, read strictly (RFC 9112 section 7.1): only where its end is, and whether every byte of its frame is
 * as it must be. The content is somebody else's. Pure; one thread at a time.
 *
 * Chunk extensions are let through when they are plain text of a modest length, as is a trailer; both are then ignored.
 */
#ifndef API_CHUNKS_H
#define API_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum chunks_state { CHUNKS_MORE, CHUNKS_END, CHUNKS_BAD };

struct chunks {
	int at;            /* private: where in the grammar the next byte stands */
	unsigned digits;   /* of the size so far */
	uint64_t left;     /* bytes of the chunk's data still to come */
	size_t line_bytes; /* of the size line, or of the whole trailer */
	bool named;        /* the trailer line has its colon */
};

void chunks_init(struct chunks *);

/* Goes on with the next bytes; *ret_used is how many belong to the body (all of them, unless it ends or is bad). */
enum chunks_state chunks_feed(struct chunks *, const char *bytes, size_t n, size_t *ret_used);

#endif
