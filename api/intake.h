/*
 * The body of a request as it comes in: in memory, or, where an upload may come, in a file without a name under MEDIA_ROOT
 * as soon as it is longer than INTAKE_MEMORY_BYTES; then read through a map of that file. A zeroed one is empty and of the
 * first kind. One thread at a time.
 */
#ifndef API_INTAKE_H
#define API_INTAKE_H

#include "base/arena.h"
#include "base/error.h"

#define INTAKE_MEMORY_BYTES (64 * 1024)
#define INTAKE_MAX_FILES    256 /* at once in this process: they bound what unfinished uploads can take of a disk */

struct intake {
	const char *media_root; /* where files may be made; NULL: memory only */
	size_t expected;        /* bytes that were announced; 0 = unknown */
	size_t len;             /* bytes that have come */
	/* Private state of intake.c */
	char *bytes; /* in the arena */
	size_t cap;
	bool in_file;
	int file;
	void *map;
};

/*
 * Takes the next bytes. ERR_NOMEM; ERR_FULL, ERR_IO (text in *err) and ERR_LIMIT, too many files, for one that goes to a
 * file: what has come is then of no use.
 */
int intake_add(struct intake *, struct arena *, const void *bytes, size_t n, struct error *err);

/* All that has come, valid until intake_finish. ERR_IO when a file cannot be mapped. */
int intake_view(struct intake *, struct str *ret_body, struct error *err);

/* Gives file and map back; the bytes in memory are the arena's. Leaves a zeroed one; harmless for one. */
void intake_finish(struct intake *);

#endif
