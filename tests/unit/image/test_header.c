#include "image/header.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

#define BYTES(literal) ((struct str){ literal, sizeof(literal) - 1 })

#define PNG_HEAD "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x02\0\0\0\x03\x08\2\0\0\0CRC4"
#define PNG_DATA "\0\0\0\0IDAT"
#define PNG_ACTL     \
	"\0\0\0\x08" \
	"acTL\0\0\0\2\0\0\0\0CRC4"

#define GIF_HEAD                     \
	"GIF89a\x10\0\x20\0\x80\0\0" \
	"RGBRGB"
#define GIF_PICTURE ",\0\0\0\0\x10\0\x20\0\0\2\2\x44\1\0"
#define GIF_COMMENT "!\xfe\2hi\0"

#define JPEG_FRAME         "\xff\xc0\0\x0b\x08\0\x03\x01\x02\1\1\x11\0"
#define JPEG_END           "\xff\xda\0\2bits\xff\xd9"
#define EXIF(tiff, length) "\xff\xe1\0" length "Exif\0\0" tiff

#define WEBP(chunks) "RIFF\0\0\0\0WEBP" chunks

static struct image_header read_well(struct str bytes)
{
	struct image_header h;
	struct error err = { 0 };

	if (image_read_header(bytes, &h, &err) < 0)
		fail_msg("%s", err.text);
	return h;
}

static void assert_size(struct str bytes, enum image_format format, int64_t width, int64_t height, bool animated)
{
	struct image_header h = read_well(bytes);

	assert_int_equal(h.format, format);
	assert_int_equal(h.width, width);
	assert_int_equal(h.height, height);
	assert_int_equal(h.animated, animated);
}

static void test_header__png(void **state)
{
	assert_size(BYTES(PNG_HEAD PNG_DATA), IMAGE_PNG, 258, 3, false);
	assert_size(BYTES(PNG_HEAD PNG_ACTL PNG_DATA), IMAGE_PNG, 258, 3, true);
}

static void test_header__gif(void **state)
{
	assert_size(BYTES(GIF_HEAD GIF_PICTURE ";"), IMAGE_GIF, 16, 32, false);
	assert_size(BYTES(GIF_HEAD GIF_COMMENT GIF_PICTURE), IMAGE_GIF, 16, 32, false);
	assert_size(BYTES(GIF_HEAD GIF_PICTURE GIF_COMMENT GIF_PICTURE ";"), IMAGE_GIF, 16, 32, true);
	assert_size(BYTES("GIF87a\1\0\1\0\0\0\0,\1\0\2\0\xff\xff\xfe\xff\0\2\0;"), IMAGE_GIF, 65536, 65536, false); /* beyond its screen */
}

static void test_header__jpeg(void **state)
{
	assert_size(BYTES("\xff\xd8" JPEG_FRAME JPEG_END), IMAGE_JPEG, 258, 3, false);
	assert_size(BYTES("\xff\xd8\xff\xfe\0\4hi\xff\xff\xff\xc2\0\x0b\x08\0\x03\x01\x02\1\1\x11\0" JPEG_END), IMAGE_JPEG, 258, 3, false);
	assert_int_equal(read_well(BYTES("\xff\xd8" JPEG_FRAME JPEG_END)).orientation, 1);
}

static void test_header__orientation(void **state)
{
#define LITTLE(value) "II*\0\x08\0\0\0\2\0\x0f\1\3\0\1\0\0\0\0\0\0\0\x12\1\3\0\1\0\0\0" value "\0\0\0"
#define BIG(value)    "MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0" value "\0\0"
	assert_int_equal(read_well(BYTES("\xff\xd8" EXIF(LITTLE("\6"), "\x2a") JPEG_FRAME JPEG_END)).orientation, 6);
	assert_int_equal(read_well(BYTES("\xff\xd8" EXIF(BIG("\x08"), "\x1e") JPEG_FRAME JPEG_END)).orientation, 8);
	assert_int_equal(read_well(BYTES("\xff\xd8" EXIF(BIG("\x09"), "\x1e") JPEG_FRAME JPEG_END)).orientation, 1);
	assert_int_equal(read_well(BYTES("\xff\xd8" EXIF(BIG("\0"), "\x1e") JPEG_FRAME JPEG_END)).orientation, 1);
	/* a directory that is said to be far away, or long */
	assert_int_equal(read_well(BYTES("\xff\xd8" EXIF("MM\0*\xff\xff\xff\xff", "\x10") JPEG_FRAME JPEG_END)).orientation, 1);
	assert_int_equal(read_well(BYTES("\xff\xd8" EXIF("MM\0*\0\0\0\x08\xff\xff", "\x12") JPEG_FRAME JPEG_END)).orientation, 1);
	assert_int_equal(read_well(BYTES("\xff\xd8" EXIF("nothing", "\x0f") JPEG_FRAME JPEG_END)).orientation, 1);
}

static void test_header__webp(void **state)
{
	assert_size(BYTES(WEBP("VP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a\x02\x41\x03\x80")), IMAGE_WEBP, 258, 3, false);
	assert_size(BYTES(WEBP("VP8L\5\0\0\0\x2f\x01\xc1\0\0")), IMAGE_WEBP, 258, 4, false);
	assert_true(read_well(BYTES(WEBP("VP8L\5\0\0\0\x2f\x01\xc1\0\0"))).lossless);
	assert_size(BYTES(WEBP("VP8X\x0a\0\0\0\2\0\0\0\x01\1\0\2\0\0")), IMAGE_WEBP, 258, 3, true);
	assert_size(BYTES(WEBP("VP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff")), IMAGE_WEBP, 1 << 24, 1 << 24, false);
	assert_true(read_well(BYTES(WEBP("VP8X\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0"
	                                 "ICCP\1\0\0\0x\0"
	                                 "VP8L\2\0\0\0/x")))
	                    .lossless);
	assert_false(read_well(BYTES(WEBP("VP8X\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0"
	                                  "VP8 \2\0\0\0xx")))
	                     .lossless);
}

static void assert_refused(struct str bytes)
{
	struct image_header h;
	struct error err = { 0 };

	assert_int_equal(image_read_header(bytes, &h, &err), ERR_INVALID);
	assert_true(err.text[0]);
}

static void test_header__what_is_none(void **state)
{
	static const struct str none[] = {
		{ NULL, 0 },
		BYTES("%PDF-1.4"),
		BYTES("<svg/>"),
		BYTES("\x89PNG\r\n\x1a\n\0\0\0\rIDAT"),
		BYTES("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\0\0\0\0\3\x08\2\0\0\0CRC4" PNG_DATA),
		BYTES(PNG_HEAD "\xff\xff\xff\xff"
		               "tEXt"),
		BYTES(GIF_HEAD ";"),
		BYTES(GIF_HEAD "?"),
		BYTES("GIF89a\1\0\1\0\0\0\0,\0\0\0\0\0\0\0\0\0\2\xff"),
		BYTES("\xff\xd8\xff"),
		BYTES("\xff\xd8" JPEG_END),                            /* no frame */
		BYTES("\xff\xd8" JPEG_FRAME "\xff\xda\0\2bits"),       /* cut */
		BYTES("\xff\xd8\xff\xe1\xff\xff" JPEG_FRAME JPEG_END), /* a segment longer than the file */
		BYTES("\xff\xd8\xff\xe1\0\1" JPEG_FRAME JPEG_END),
		BYTES("\xff\xd8\xff\xc0\0\x0b\x08\0\0\x01\x02\1\1\x11\0" JPEG_END),
		BYTES(WEBP("VP8 ")),
		BYTES(WEBP("VP8 \x0a\0\0\0\0\0\0\0\0\0\x02\x41\x03\x80")),
		BYTES(WEBP("VP8L\5\0\0\0\0\x01\xc1\0\0")),
		BYTES(WEBP("VP8X\x0a\0\0\0\0\0\0\0\0\0")),
		BYTES(WEBP("VP8X\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0"
		           "VP8 \xff\xff\xff\xff/x")),
		BYTES(WEBP("ALPH\1\0\0\0x")),
	};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_refused(none[i]);
}

/* Cut anywhere, it is refused, or says the same: nothing beyond its end is read (a sanitizer sees that). */
static void test_header__cut_anywhere(void **state)
{
	static const struct str whole[] = { BYTES(PNG_HEAD PNG_ACTL PNG_DATA), BYTES(GIF_HEAD GIF_COMMENT GIF_PICTURE ";"),
		                            BYTES("\xff\xd8" EXIF(BIG("\x08"), "\x1e") JPEG_FRAME JPEG_END),
		                            BYTES(WEBP("VP8L\5\0\0\0\x2f\x01\xc1\0\0")),
		                            BYTES(WEBP("VP8X\x0a\0\0\0\2\0\0\0\x01\1\0\2\0\0")) };

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		struct image_header all = read_well(whole[i]);

		for (size_t n = 0; n < whole[i].len; n++) {
			char *copy = memcpy(malloc(n + !n), whole[i].s, n);
			struct image_header h;

			if (image_read_header((struct str){ copy, n }, &h, NULL) == 0) {
				assert_int_equal(h.format, all.format);
				assert_int_equal(h.width, all.width);
				assert_int_equal(h.height, all.height);
			}
			free(copy);
		}
	}
}

static void test_header__fitting(void **state)
{
	static const struct {
		int64_t width, height, max_width, max_height, to_width, to_height;
	} cases[] = {
		{ 100, 100, 1920, 1080, 100, 100 },        { 1920, 1080, 1920, 1080, 1920, 1080 }, { 3840, 2160, 1920, 1080, 1920, 1080 },
		{ 4000, 1000, 1920, 1080, 1920, 480 },     { 1000, 4000, 1920, 1080, 270, 1080 },  { 1921, 1080, 1920, 1080, 1920, 1079 },
		{ 50000, 1, 1920, 1080, 1920, 1 },         { 1, 50000, 1920, 1080, 1, 1080 },      { 3, 2, 1, 1, 1, 1 },
		{ 4294967295, 1, 65535, 65535, 65535, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t width = cases[i].width, height = cases[i].height;

		image_fit(&width, &height, cases[i].max_width, cases[i].max_height);
		assert_int_equal(width, cases[i].to_width);
		assert_int_equal(height, cases[i].to_height);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header__png),          cmocka_unit_test(test_header__gif),
		cmocka_unit_test(test_header__jpeg),         cmocka_unit_test(test_header__orientation),
		cmocka_unit_test(test_header__webp),         cmocka_unit_test(test_header__what_is_none),
		cmocka_unit_test(test_header__cut_anywhere), cmocka_unit_test(test_header__fitting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
