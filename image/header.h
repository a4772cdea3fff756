/*
 * What an image file says of itself, read without decoding it: PNG, JPEG, GIF, WebP. Nothing is believed that is not there: each length is
 * held against what is left of the file. Pure; any thread.
 */
#ifndef IMAGE_HEADER_H
#define IMAGE_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define IMAGE_PIXELS_MAX INT64_C(50000000) /* an image of more is not decoded (tasks.md 8) */

enum image_format { IMAGE_PNG, IMAGE_JPEG, IMAGE_GIF, IMAGE_WEBP };

struct image_header {
	enum image_format format;
	int64_t width, height; /* as stored: before orientation. 1 or more each */
	bool animated;         /* of more than one picture */
	bool lossless;         /* WebP */
	int orientation;       /* JPEG: 1 to 8 as Exif numbers them; 1 for all others */
};

/* ERR_INVALID: none of these, or its head is cut or makes no sense; *err says which. */
int image_read_header(struct str bytes, struct image_header *ret_header, struct error *err);

/* "PNG", "JPEG", "GIF", "WEBP". */
const char *image_format_name(enum image_format);

/* The largest size within a frame that has the same shape, never larger than it is, 1 or more each. */
void image_fit(int64_t *width, int64_t *height, int64_t max_width, int64_t max_height);

#endif
