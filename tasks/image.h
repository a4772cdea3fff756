/*
 * Shrinking an image in a process of its own: starts egoejo-image (image/main.c), which gives up all but what it needs, hands it the
 * file as standard input and reads its answer; it is killed when that does not come in time. Any thread; waits.
 */
#ifndef TASKS_IMAGE_H
#define TASKS_IMAGE_H

#include "base/buf.h"
#include "base/error.h"

#define IMAGE_ANSWER_MAX ((size_t)64 * 1024 * 1024)
#define IMAGE_PATH_SIZE  4096

struct image_order {
	const char *program;           /* path of egoejo-image */
	int64_t max_width, max_height; /* the frame that it is to fit into */
	int64_t quality;               /* of a JPEG */
	int64_t deadline_us;           /* monotonic */
	bool (*stop)(void *arg);       /* asked while it waits; NULL: nobody */
	void *arg;
};

struct image_answer {
	char format[8]; /* PNG, JPEG, GIF, WEBP */
	int64_t width, height;
	bool changed;     /* false: the file is right as it is */
	struct buf bytes; /* the new file; the caller's to finish */
};

/*
 * ERR_INVALID: it was refused, *err says why (no image, too many pixels, broken, a frame that makes no sense); ERR_TIMEOUT: the
 * deadline, or stop; ERR_IO: there is no such program, or it ended without an answer; ERR_LIMIT: too long an answer; ERR_NOMEM.
 */
int image_ask(const struct image_order *, int fd, struct image_answer *ret_answer, struct error *err);

/* Where egoejo-image is: beside the program that runs. ERR_IO. */
int image_find_program(char ret_path[IMAGE_PATH_SIZE], struct error *err);

/* The first line of its answer, without the line feed, taken apart. ERR_INVALID: it refused; ERR_IO: that is no answer. */
int image_read_answer(struct str line, struct image_answer *ret_answer, struct error *err);

#endif
