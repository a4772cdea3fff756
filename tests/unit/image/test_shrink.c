/* Pictures are made and looked at with gd; what others make of ours is looked at in tests/e2e/test_images.py. */
#include "image/shrink.h"

#include <gd.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

static const struct image_frame small = { 100, 100, 85 };

/* Four corners of four colours, the last one unseen. */
static gdImagePtr make_picture(int width, int height)
{
	static const int colours[] = { 0xff0000, 0x00ff00, 0x0000ff, gdTrueColorAlpha(0, 0, 0, gdAlphaTransparent) };
	gdImagePtr image = gdImageCreateTrueColor(width, height);

	gdImageAlphaBlending(image, 0);
	gdImageSaveAlpha(image, 1);
	for (int i = 0; i < 4; i++)
		gdImageFilledRectangle(image, i % 2 * width / 2, i / 2 * height / 2, (i % 2 + 1) * width / 2 - 1,
		                       (i / 2 + 1) * height / 2 - 1, colours[i]);
	return image;
}

static struct str written(enum image_format format, gdImagePtr image)
{
	int n = 0;
	void *bytes;

	if (format == IMAGE_GIF) {
		gdImageColorTransparent(image, gdTrueColorAlpha(0, 0, 0, gdAlphaTransparent));
		gdImageTrueColorToPalette(image, 0, 256);
	}
	bytes = format == IMAGE_PNG    ? gdImagePngPtr(image, &n)
	        : format == IMAGE_JPEG ? gdImageJpegPtr(image, &n, 90)
	        : format == IMAGE_GIF  ? gdImageGifPtr(image, &n)
	                               : gdImageWebpPtrEx(image, &n, gdWebpLossless);
	gdImageDestroy(image);
	assert_non_null(bytes);
	return (struct str){ bytes, (size_t)n };
}

static struct str picture(enum image_format format, int width, int height)
{
	return written(format, make_picture(width, height));
}

static gdImagePtr decoded(const struct image_shrunk *s)
{
	void *p = s->bytes.data;
	int n = (int)s->bytes.len;
	gdImagePtr image = s->format == IMAGE_PNG    ? gdImageCreateFromPngPtr(n, p)
	                   : s->format == IMAGE_JPEG ? gdImageCreateFromJpegPtr(n, p)
	                   : s->format == IMAGE_GIF  ? gdImageCreateFromGifPtr(n, p)
	                                             : gdImageCreateFromWebpPtr(n, p);

	assert_non_null(image);
	return image;
}

static int channel(int colour, int shift)
{
	return colour >> shift & 0xff;
}

static bool is_near(int colour, int wanted)
{
	return abs(channel(colour, 16) - channel(wanted, 16)) < 40 && abs(channel(colour, 8) - channel(wanted, 8)) < 40 &&
	       abs(channel(colour, 0) - channel(wanted, 0)) < 40;
}

static struct image_shrunk shrink(struct str bytes, const struct image_frame *frame)
{
	struct image_shrunk s;
	struct error err = { 0 };

	if (image_shrink(bytes, frame, &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static void test_shrink__each_format_keeps_its_own(void **state)
{
	static const enum image_format formats[] = { IMAGE_PNG, IMAGE_JPEG, IMAGE_GIF, IMAGE_WEBP };

	for (size_t i = 0; i < 4; i++) {
		struct str bytes = picture(formats[i], 400, 200);
		struct image_shrunk s = shrink(bytes, &small);
		gdImagePtr image = decoded(&s);

		assert_int_equal(s.format, formats[i]);
		assert_true(s.changed && s.width == 100 && s.height == 50);
		assert_int_equal(gdImageSX(image), 100);
		assert_int_equal(gdImageSY(image), 50);
		assert_true(is_near(gdImageGetTrueColorPixel(image, 10, 10), 0xff0000));
		assert_true(is_near(gdImageGetTrueColorPixel(image, 90, 10), 0x00ff00));
		assert_true(is_near(gdImageGetTrueColorPixel(image, 10, 40), 0x0000ff));
		if (formats[i] != IMAGE_JPEG)
			assert_int_equal(gdTrueColorGetAlpha(gdImageGetTrueColorPixel(image, 90, 40)), gdAlphaTransparent);
		gdImageDestroy(image);
		buf_finish(&s.bytes);
		gdFree((void *)(uintptr_t)bytes.s);
	}
}

static void test_shrink__what_fits_stays(void **state)
{
	static const enum image_format formats[] = { IMAGE_PNG, IMAGE_GIF, IMAGE_WEBP };

	for (size_t i = 0; i < 3; i++) {
		struct str bytes = picture(formats[i], 100, 40);
		struct image_shrunk s = shrink(bytes, &small);

		assert_true(!s.changed && s.width == 100 && s.height == 40 && s.bytes.len == 0);
		gdFree((void *)(uintptr_t)bytes.s);
	}
}

static void test_shrink__a_jpeg_is_written_anew_at_its_quality(void **state)
{
	struct str bytes = picture(IMAGE_JPEG, 90, 40);
	struct image_frame frame = small;
	size_t last = 0;

	for (frame.quality = 1; frame.quality <= 100; frame.quality += 33) {
		struct image_shrunk s = shrink(bytes, &frame);

		assert_true(s.changed && s.width == 90 && s.height == 40);
		assert_true(s.bytes.len > last);
		last = s.bytes.len;
		buf_finish(&s.bytes);
	}
	gdFree((void *)(uintptr_t)bytes.s);
}

/* The orientation n, put behind the mark of the beginning. */
static struct str with_orientation(struct str jpeg, int n)
{
	static const char exif[] = "\xff\xe1\0\x1e"
	                           "Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0?\0\0";
	size_t length = 4 + 0x1e - 2;
	char *bytes = malloc(jpeg.len + length);

	memcpy(bytes, jpeg.s, 2);
	memcpy(bytes + 2, exif, length);
	bytes[2 + length - 3] = (char)n;
	memcpy(bytes + 2 + length, jpeg.s + 2, jpeg.len - 2);
	return (struct str){ bytes, jpeg.len + length };
}

/* Red is first at the upper left, green at its right, blue below it: where red and green are shown then. */
static void test_shrink__a_jpeg_is_turned(void **state)
{
	static const struct {
		int red_x, red_y, green_x, green_y;
	} corners[] = { { 0 },          { 0, 0, 1, 0 }, { 1, 0, 0, 0 }, { 1, 1, 0, 1 }, { 0, 1, 1, 1 },
		        { 0, 0, 0, 1 }, { 1, 0, 1, 1 }, { 1, 1, 1, 0 }, { 0, 1, 0, 0 } };
	struct str jpeg = picture(IMAGE_JPEG, 400, 200);

	for (int n = 1; n <= 8; n++) {
		struct str bytes = with_orientation(jpeg, n);
		struct image_shrunk s = shrink(bytes, &small);
		gdImagePtr image = decoded(&s);
		int w = gdImageSX(image), h = gdImageSY(image);

		assert_int_equal(s.width, n < 5 ? 100 : 50);
		assert_int_equal(s.height, n < 5 ? 50 : 100);
		assert_true(w == s.width && h == s.height);
		assert_true(is_near(gdImageGetTrueColorPixel(image, corners[n].red_x ? w - 8 : 8, corners[n].red_y ? h - 8 : 8), 0xff0000));
		assert_true(
		        is_near(gdImageGetTrueColorPixel(image, corners[n].green_x ? w - 8 : 8, corners[n].green_y ? h - 8 : 8), 0x00ff00));
		gdImageDestroy(image);
		buf_finish(&s.bytes);
		free((void *)(uintptr_t)bytes.s);
	}
	gdFree((void *)(uintptr_t)jpeg.s);
}

static void assert_refused(struct str bytes, const char *why)
{
	struct image_shrunk s;
	struct error err = { 0 };

	assert_int_equal(image_shrink(bytes, &small, &s, &err), ERR_INVALID);
	assert_string_equal(err.text, why);
}

/* Heads that ask for more memory than there is; nothing behind them would decode. */
static void test_shrink__too_many_pixels_are_not_decoded(void **state)
{
	static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x27\x10\0\0\x13\x89\x08\2\0\0\0CRC4\0\0\0\0IDAT";
	static const char huge[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xff\xff\xff\xff\xff\xff\xff\x08\2\0\0\0CRC4\0\0\0\0IDAT";
	static const char gif[] = "GIF89a\1\0\1\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\0;";

	assert_refused((struct str){ png, sizeof(png) - 1 }, "an image of 10000 x 5001 pixels is too large");
	assert_refused((struct str){ huge, sizeof(huge) - 1 }, "an image of 4294967295 x 4294967295 pixels is too large");
	assert_refused((struct str){ gif, sizeof(gif) - 1 }, "an image of 65535 x 65535 pixels is too large");
}

static void test_shrink__half_a_picture_is_none(void **state)
{
	static const enum image_format formats[] = { IMAGE_PNG, IMAGE_JPEG, IMAGE_GIF, IMAGE_WEBP };

	for (size_t i = 0; i < 4; i++) {
		struct str bytes = picture(formats[i], 400, 200);
		struct image_shrunk s;
		struct error err = { 0 };

		assert_int_equal(image_shrink((struct str){ bytes.s, bytes.len / 2 }, &small, &s, &err), ERR_INVALID);
		gdFree((void *)(uintptr_t)bytes.s);
	}
	assert_refused((struct str){ NULL, 0 }, "not a PNG, JPEG, GIF or WebP image");
}

static void test_shrink__what_is_animated_stays(void **state)
{
	gdImagePtr image = gdImageCreate(300, 300);
	struct buf bytes = BUF_EMPTY;
	struct image_shrunk s;
	void *part;
	int n;

	gdImageColorAllocate(image, 1, 2, 3);
	part = gdImageGifAnimBeginPtr(image, &n, 1, 0);
	buf_add(&bytes, part, (size_t)n);
	gdFree(part);
	for (int i = 0; i < 2; i++) {
		part = gdImageGifAnimAddPtr(image, &n, 0, 0, 0, 10, 1, NULL);
		buf_add(&bytes, part, (size_t)n);
		gdFree(part);
	}
	buf_add_text(&bytes, ";");
	s = shrink(buf_view(&bytes), &small);
	assert_true(!s.changed && s.width == 300 && s.height == 300);
	buf_finish(&bytes);
	gdImageDestroy(image);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shrink__each_format_keeps_its_own),
		cmocka_unit_test(test_shrink__what_fits_stays),
		cmocka_unit_test(test_shrink__a_jpeg_is_written_anew_at_its_quality),
		cmocka_unit_test(test_shrink__a_jpeg_is_turned),
		cmocka_unit_test(test_shrink__too_many_pixels_are_not_decoded),
		cmocka_unit_test(test_shrink__half_a_picture_is_none),
		cmocka_unit_test(test_shrink__what_is_animated_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
