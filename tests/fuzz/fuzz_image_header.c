/* Heads of images: what is accepted has a size, and the bytes that begin it with more behind them are of the same format. */
#include "image/header.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct image_header h;
	int64_t width, height;

	if (image_read_header((struct str){ (const char *)bytes, n }, &h, NULL) < 0)
		return 0;
	FUZZ_CHECK(h.width >= 1 && h.height >= 1 && h.width <= UINT32_MAX && h.height <= UINT32_MAX);
	FUZZ_CHECK(h.orientation >= 1 && h.orientation <= 8 && (h.orientation == 1 || h.format == IMAGE_JPEG));
	FUZZ_CHECK(!h.lossless || h.format == IMAGE_WEBP);
	width = h.width;
	height = h.height;
	image_fit(&width, &height, 1920, 1080);
	FUZZ_CHECK(width >= 1 && height >= 1 && width <= 1920 && height <= 1080 && width <= h.width && height <= h.height);
	return 0;
}
