/*
 * libgd reads, writes and reduces colours; it is used for what it does alike in all formats. Its scaling by area (gdImageCopyResampled)
 * weighs colours by their opacity, so that nothing shines through from what cannot be seen. Opacity has 7 bits in it.
 */
#include "image/shrink.h"

#include <gd.h>
#include <limits.h>

#include "base/cleanup.h"

static void destroy(gdImagePtr *image)
{
	if (*image)
		gdImageDestroy(*image);
}

#define IMAGE CLEANUP(destroy) gdImagePtr

static int broken(struct error *err, const struct image_header *h)
{
	return error_set(err, ERR_INVALID, "the %s image cannot be decoded", image_format_name(h->format));
}

/* What gd would say is said by the caller. */
static void say_nothing(int priority, const char *format, va_list args)
{
}

static gdImagePtr decode(struct str bytes, const struct image_header *h)
{
	void *p = (void *)(uintptr_t)bytes.s;
	int n = (int)bytes.len;

	gdSetErrorMethod(say_nothing);
	switch (h->format) {
	case IMAGE_PNG:
		return gdImageCreateFromPngPtr(n, p);
	case IMAGE_JPEG:
		return gdImageCreateFromJpegPtr(n, p);
	case IMAGE_GIF:
		return gdImageCreateFromGifPtr(n, p);
	default:
		return gdImageCreateFromWebpPtr(n, p);
	}
}

static gdImagePtr make_canvas(int64_t width, int64_t height)
{
	gdImagePtr canvas = gdImageCreateTrueColor((int)width, (int)height);

	if (canvas) {
		gdImageAlphaBlending(canvas, 0);
		gdImageSaveAlpha(canvas, 1);
	}
	return canvas;
}

static gdImagePtr scale(gdImagePtr image, int64_t width, int64_t height)
{
	gdImagePtr canvas = make_canvas(width, height);

	if (canvas)
		gdImageCopyResampled(canvas, image, 0, 0, 0, 0, (int)width, (int)height, gdImageSX(image), gdImageSY(image));
	return canvas;
}

/* ---- orientation ---- */

/* Exif's 5 to 8 have their rows where columns are shown. */
static bool is_turned(int orientation)
{
	return orientation >= 5;
}

/* Where the point of the picture as shown is in the picture as stored, which is width × height. */
static int stored_point(gdImagePtr image, int orientation, int x, int y)
{
	int last_x = gdImageSX(image) - 1, last_y = gdImageSY(image) - 1;

	if (is_turned(orientation)) {
		int swap = x;

		x = y;
		y = swap;
	}
	if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
		x = last_x - x;
	if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
		y = last_y - y;
	return gdImageGetTrueColorPixel(image, x, y);
}

static gdImagePtr turn(gdImagePtr image, int orientation)
{
	bool turned = is_turned(orientation);
	gdImagePtr canvas = make_canvas(turned ? gdImageSY(image) : gdImageSX(image), turned ? gdImageSX(image) : gdImageSY(image));

	for (int y = 0; canvas && y < gdImageSY(canvas); y++)
		for (int x = 0; x < gdImageSX(canvas); x++)
			gdImageSetPixel(canvas, x, y, stored_point(image, orientation, x, y));
	return canvas;
}

/* ---- writing ---- */

/* GIF knows seen and unseen, nothing between: what is unseen is one colour, which gd then keeps a place for. */
static void reduce_colours(gdImagePtr image)
{
	const int unseen = gdTrueColorAlpha(0, 0, 0, gdAlphaTransparent);

	for (int y = 0; y < gdImageSY(image); y++) {
		for (int x = 0; x < gdImageSX(image); x++) {
			int colour = gdImageTrueColorPixel(image, x, y);
			bool seen = gdTrueColorGetAlpha(colour) <= gdAlphaTransparent / 2;

			gdImageSetPixel(image, x, y, seen ? colour & 0xffffff : unseen);
		}
	}
	gdImageColorTransparent(image, unseen);
	gdImageTrueColorToPalette(image, /* dither: */ 1, gdMaxColors);
}

static void *encode(gdImagePtr image, const struct image_header *h, int quality, int *ret_n)
{
	switch (h->format) {
	case IMAGE_PNG:
		return gdImagePngPtr(image, ret_n);
	case IMAGE_JPEG:
		return gdImageJpegPtr(image, ret_n, quality);
	case IMAGE_GIF:
		reduce_colours(image);
		return gdImageGifPtr(image, ret_n);
	default:
		return gdImageWebpPtrEx(image, ret_n, h->lossless ? gdWebpLossless : quality);
	}
}

static int write_out(gdImagePtr image, const struct image_header *h, const struct image_frame *frame, struct image_shrunk *shrunk,
                     struct error *err)
{
	int n = 0;
	void *bytes = encode(image, h, (int)frame->quality, &n);

	if (!bytes || n <= 0)
		return error_set(err, ERR_NOMEM, "the image cannot be written");
	buf_add(&shrunk->bytes, bytes, (size_t)n);
	gdFree(bytes);
	shrunk->width = gdImageSX(image);
	shrunk->height = gdImageSY(image);
	shrunk->changed = true;
	return shrunk->bytes.failed ? error_set(err, ERR_NOMEM, "out of memory") : 0;
}

/* ---- the whole ---- */

/* Its size within the frame, as stored. */
static void fit(const struct image_header *h, const struct image_frame *frame, int64_t *ret_width, int64_t *ret_height)
{
	bool turned = is_turned(h->orientation);

	*ret_width = h->width;
	*ret_height = h->height;
	image_fit(ret_width, ret_height, turned ? frame->max_height : frame->max_width, turned ? frame->max_width : frame->max_height);
}

static int rework(struct str bytes, const struct image_header *h, const struct image_frame *frame, struct image_shrunk *shrunk,
                  struct error *err)
{
	IMAGE image = decode(bytes, h);
	IMAGE scaled = NULL;
	IMAGE turned = NULL;
	int64_t width, height;

	if (!image)
		return broken(err, h);
	fit(h, frame, &width, &height);
	scaled = scale(image, width, height);
	if (scaled && h->orientation > 1)
		turned = turn(scaled, h->orientation);
	if (!scaled || (h->orientation > 1 && !turned))
		return error_set(err, ERR_NOMEM, "out of memory");
	return write_out(turned ? turned : scaled, h, frame, shrunk, err);
}

static bool is_right(const struct image_header *h, const struct image_frame *frame)
{
	return h->animated || (h->format != IMAGE_JPEG && h->width <= frame->max_width && h->height <= frame->max_height);
}

int image_shrink(struct str bytes, const struct image_frame *frame, struct image_shrunk *ret_shrunk, struct error *err)
{
	struct image_header h;
	int r = image_read_header(bytes, &h, err);

	if (r < 0)
		return r;
	if (bytes.len > INT_MAX || h.width > IMAGE_PIXELS_MAX / h.height)
		return error_set(err, ERR_INVALID, "an image of %lld x %lld pixels is too large", (long long)h.width, (long long)h.height);
	*ret_shrunk = (struct image_shrunk){ h.format, h.width, h.height, false, BUF_EMPTY };
	if (is_right(&h, frame))
		return 0;
	r = rework(bytes, &h, frame, ret_shrunk, err);
	if (r < 0)
		buf_finish(&ret_shrunk->bytes);
	return r;
}
