/*
 * egoejo-image MAX_WIDTH MAX_HEIGHT QUALITY: shrinks one image, from standard input to standard output. A program of its own, which
 * egoejo starts for each image (tasks/image.h), so that a file that breaks a decoder breaks nothing else.
 *
 * It answers one line: "ok FORMAT WIDTH HEIGHT changed", and the image's bytes up to the end; "ok FORMAT WIDTH HEIGHT same"; or
 * "refused" and why. Then it exits with 0; with 1 when it could not even do that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/confine.h"
#include "image/shrink.h"

#define INPUT_MAX (64 * 1024 * 1024)

static int read_input(struct buf *ret_input, struct error *err)
{
	ssize_t n;

	do {
		if (ret_input->len > INPUT_MAX)
			return error_set(err, ERR_INVALID, "the file is larger than %d MiB", INPUT_MAX >> 20);
		if (!buf_reserve(ret_input, 256 * 1024))
			return error_set(err, ERR_NOMEM, "out of memory");
		n = read(STDIN_FILENO, ret_input->data + ret_input->len, 256 * 1024);
		if (n > 0)
			ret_input->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? error_set(err, ERR_IO, "the file cannot be read") : 0;
}

static bool write_all(struct str bytes)
{
	while (bytes.len) {
		ssize_t n = write(STDOUT_FILENO, bytes.s, bytes.len);

		if (n < 0 && errno != EINTR)
			return false;
		bytes.s += n > 0 ? n : 0;
		bytes.len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool answer(int r, const struct image_shrunk *shrunk, const struct error *err)
{
	CLEANUP(buf_finish) struct buf line = BUF_EMPTY;

	if (r < 0)
		buf_addf(&line, "refused %s\n", err->text);
	else
		buf_addf(&line, "ok %s %lld %lld %s\n", image_format_name(shrunk->format), (long long)shrunk->width,
		         (long long)shrunk->height, shrunk->changed ? "changed" : "same");
	return !line.failed && write_all(buf_view(&line)) && (r < 0 || write_all(buf_view(&shrunk->bytes)));
}

static bool read_number(const char *text, int64_t max, int64_t *ret_number)
{
	return str_to_uint(str_of(text), ret_number) && *ret_number >= 1 && *ret_number <= max;
}

static int read_frame(int argc, char **argv, struct image_frame *ret_frame, struct error *err)
{
	if (argc == 4 && read_number(argv[1], IMAGE_SIDE_MAX, &ret_frame->max_width) &&
	    read_number(argv[2], IMAGE_SIDE_MAX, &ret_frame->max_height) && read_number(argv[3], 100, &ret_frame->quality))
		return 0;
	return error_set(err, ERR_INVALID, "usage: egoejo-image MAX_WIDTH MAX_HEIGHT QUALITY <image");
}

int main(int argc, char **argv)
{
	CLEANUP(buf_finish) struct buf input = BUF_EMPTY;
	struct image_shrunk shrunk = { .bytes = BUF_EMPTY };
	struct image_frame frame;
	struct error err = { 0 };
	int r = read_frame(argc, argv, &frame, &err);
	bool told;

	if (r == 0)
		r = confine_process(&err);
	if (r == 0)
		r = read_input(&input, &err);
	if (r == 0)
		r = image_shrink(buf_view(&input), &frame, &shrunk, &err);
	told = answer(r, &shrunk, &err);
	buf_finish(&shrunk.bytes);
	return told ? EXIT_SUCCESS : EXIT_FAILURE;
}
