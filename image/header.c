/*
 * Four small readers over one cursor, which fails once and for all when it would leave the file. GIF is walked to its end, for only
 * that tells how many pictures it has, and whether all of it is there; a JPEG's end is looked for.
 */
#include "image/header.h"

#include <string.h>

/* A place in the file; reading beyond its end gives zeros, and lost. */
struct cursor {
	const unsigned char *p;
	size_t left;
	bool lost;
};

static void skip(struct cursor *c, size_t n)
{
	c->lost |= n > c->left;
	n = n > c->left ? c->left : n;
	c->p += n;
	c->left -= n;
}

static uint32_t peek(const struct cursor *c, size_t at)
{
	return at < c->left ? c->p[at] : 0;
}

static uint32_t take(struct cursor *c)
{
	uint32_t byte = peek(c, 0);

	skip(c, 1);
	return byte;
}

static uint32_t take_be16(struct cursor *c)
{
	uint32_t high = take(c);

	return high << 8 | take(c);
}

static uint32_t take_be32(struct cursor *c)
{
	uint32_t high = take_be16(c);

	return high << 16 | take_be16(c);
}

static uint32_t take_le16(struct cursor *c)
{
	uint32_t low = take(c);

	return low | take(c) << 8;
}

static uint32_t take_le24(struct cursor *c)
{
	uint32_t low = take_le16(c);

	return low | take(c) << 16;
}

static uint32_t take_le32(struct cursor *c)
{
	uint32_t low = take_le16(c);

	return low | take_le16(c) << 16;
}

static bool is_next(const struct cursor *c, const char *bytes, size_t n)
{
	return c->left >= n && memcmp(c->p, bytes, n) == 0;
}

/* ---- PNG ---- */

static bool read_png(struct cursor *c, struct image_header *h)
{
	if (!is_next(c, "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16))
		return false;
	skip(c, 16);
	h->width = take_be32(c);
	h->height = take_be32(c);
	skip(c, 5 + 4);
	while (!c->lost && c->left >= 8) {
		uint32_t length = take_be32(c);

		if (is_next(c, "IDAT", 4))
			return true;
		h->animated |= is_next(c, "acTL", 4);
		skip(c, 4);
		skip(c, length);
		skip(c, 4);
	}
	return false;
}

/* ---- GIF ---- */

static void skip_sub_blocks(struct cursor *c)
{
	uint32_t length;

	while ((length = take(c)) && !c->lost)
		skip(c, length);
}

static void skip_colours(struct cursor *c, uint32_t flags)
{
	if (flags & 0x80)
		skip(c, (size_t)3 << ((flags & 7) + 1));
}

/* A picture may reach beyond the screen that the head speaks of. */
static void read_picture(struct cursor *c, struct image_header *h)
{
	int64_t left = take_le16(c), top = take_le16(c), width = left + take_le16(c), height = top + take_le16(c);

	h->width = width > h->width ? width : h->width;
	h->height = height > h->height ? height : h->height;
	skip_colours(c, take(c));
	skip(c, 1);
	skip_sub_blocks(c);
}

/* A last block that is missing is common, and harmless; one that is cut is not. */
static bool read_gif(struct cursor *c, struct image_header *h)
{
	int pictures = 0;
	uint32_t flags;

	skip(c, 6);
	h->width = take_le16(c);
	h->height = take_le16(c);
	flags = take(c);
	skip(c, 2);
	skip_colours(c, flags);
	while (!c->lost && c->left && !is_next(c, ";", 1)) {
		uint32_t kind = take(c);

		if (kind == ',') {
			read_picture(c, h);
			pictures += pictures < 2;
		} else if (kind == '!') {
			skip(c, 1);
			skip_sub_blocks(c);
		} else {
			return false;
		}
	}
	h->animated = pictures > 1;
	return pictures > 0;
}

/* ---- JPEG ---- */

/* The orientation in the first directory of a TIFF head, in either byte order. */
static int read_tiff(struct cursor tiff)
{
	const struct cursor start = tiff;
	bool big = is_next(&tiff, "MM\0*", 4);
	uint32_t n;

	if (!big && !is_next(&tiff, "II*\0", 4))
		return 1;
	skip(&tiff, 4);
	n = big ? take_be32(&tiff) : take_le32(&tiff);
	tiff = start;
	skip(&tiff, n);
	n = big ? take_be16(&tiff) : take_le16(&tiff);
	for (; n && !tiff.lost; n--) {
		uint32_t tag = big ? take_be16(&tiff) : take_le16(&tiff), value;

		skip(&tiff, 6);
		value = big ? take_be16(&tiff) : take_le16(&tiff);
		skip(&tiff, 2);
		if (tag == 0x0112 && !tiff.lost)
			return value >= 1 && value <= 8 ? (int)value : 1;
	}
	return 1;
}

static void read_exif(struct cursor segment, struct image_header *h)
{
	if (!is_next(&segment, "Exif\0\0", 6))
		return;
	skip(&segment, 6);
	h->orientation = read_tiff(segment);
}

static bool is_frame(uint32_t marker)
{
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static uint32_t take_marker(struct cursor *c)
{
	uint32_t byte = take(c);

	if (byte != 0xff)
		c->lost = true;
	while (byte == 0xff && !c->lost)
		byte = take(c);
	return byte;
}

/* The decoder makes grey of what is missing: half a picture is none. In what is compressed the mark of the end cannot be. */
static bool has_end(const struct cursor *c)
{
	return c->left && memmem(c->p, c->left, "\xff\xd9", 2);
}

static bool read_jpeg(struct cursor *c, struct image_header *h)
{
	skip(c, 2);
	while (!c->lost) {
		uint32_t marker = take_marker(c), length = take_be16(c);
		struct cursor segment = *c;

		if (length < 2 || length - 2 > c->left || marker == 0xda)
			return false;
		segment.left = length - 2;
		if (marker == 0xe1 && h->orientation == 1)
			read_exif(segment, h);
		if (is_frame(marker)) {
			skip(&segment, 1);
			h->height = take_be16(&segment);
			h->width = take_be16(&segment);
			return !segment.lost && has_end(c);
		}
		skip(c, length - 2);
	}
	return false;
}

/* ---- WebP ---- */

static bool read_lossy(struct cursor *c, struct image_header *h)
{
	skip(c, 3);
	if (!is_next(c, "\x9d\x01\x2a", 3))
		return false;
	skip(c, 3);
	h->width = take_le16(c) & 0x3fff;
	h->height = take_le16(c) & 0x3fff;
	return true;
}

static bool read_lossless(struct cursor *c, struct image_header *h)
{
	uint32_t bits;

	if (take(c) != 0x2f)
		return false;
	bits = take_le32(c);
	h->width = (bits & 0x3fff) + 1;
	h->height = (bits >> 14 & 0x3fff) + 1;
	h->lossless = true;
	return true;
}

/* The canvas; what the picture is made of follows. */
static bool read_extended(struct cursor *c, uint32_t length, struct image_header *h)
{
	struct cursor chunk = *c;

	h->animated = take(&chunk) & 2;
	skip(&chunk, 3);
	h->width = (int64_t)take_le24(&chunk) + 1;
	h->height = (int64_t)take_le24(&chunk) + 1;
	if (chunk.lost)
		return false;
	while (!c->lost && c->left) {
		skip(c, length);
		skip(c, c->left ? length & 1 : 0);
		h->lossless |= is_next(c, "VP8L", 4);
		skip(c, c->left < 4 ? 0 : 4);
		length = c->left < 4 ? 0 : take_le32(c);
		if (length == 0)
			return true;
	}
	return !c->lost;
}

static bool read_webp(struct cursor *c, struct image_header *h)
{
	bool lossy, lossless, extended;
	uint32_t length;

	skip(c, 12);
	lossy = is_next(c, "VP8 ", 4);
	lossless = is_next(c, "VP8L", 4);
	extended = is_next(c, "VP8X", 4);
	skip(c, 4);
	length = take_le32(c);
	return lossy ? read_lossy(c, h) : lossless ? read_lossless(c, h) : extended && read_extended(c, length, h);
}

/* ---- all ---- */

static bool find_format(const struct cursor *c, enum image_format *ret_format)
{
	struct cursor form = *c;

	skip(&form, 8);
	if (is_next(c, "\x89PNG\r\n\x1a\n", 8))
		*ret_format = IMAGE_PNG;
	else if (is_next(c, "\xff\xd8\xff", 3))
		*ret_format = IMAGE_JPEG;
	else if (is_next(c, "GIF87a", 6) || is_next(c, "GIF89a", 6))
		*ret_format = IMAGE_GIF;
	else if (is_next(c, "RIFF", 4) && is_next(&form, "WEBP", 4))
		*ret_format = IMAGE_WEBP;
	else
		return false;
	return true;
}

int image_read_header(struct str bytes, struct image_header *ret_header, struct error *err)
{
	static bool (*const readers[])(struct cursor *, struct image_header *) = {
		[IMAGE_PNG] = read_png, [IMAGE_JPEG] = read_jpeg, [IMAGE_GIF] = read_gif, [IMAGE_WEBP] = read_webp
	};
	struct cursor c = { (const unsigned char *)bytes.s, bytes.len, false };
	struct image_header h = { .orientation = 1 };

	if (!find_format(&c, &h.format))
		return error_set(err, ERR_INVALID, "not a PNG, JPEG, GIF or WebP image");
	if (!readers[h.format](&c, &h) || c.lost || h.width < 1 || h.height < 1)
		return error_set(err, ERR_INVALID, "the %s image is cut or broken", image_format_name(h.format));
	*ret_header = h;
	return 0;
}

const char *image_format_name(enum image_format format)
{
	static const char *const names[] = { [IMAGE_PNG] = "PNG", [IMAGE_JPEG] = "JPEG", [IMAGE_GIF] = "GIF", [IMAGE_WEBP] = "WEBP" };

	return names[format];
}

void image_fit(int64_t *width, int64_t *height, int64_t max_width, int64_t max_height)
{
	int64_t w = *width, h = *height;

	if (w <= max_width && h <= max_height)
		return;
	if (w * max_height >= h * max_width) {
		*width = max_width;
		*height = (h * max_width + w / 2) / w;
	} else {
		*height = max_height;
		*width = (w * max_height + h / 2) / h;
	}
	*width = *width < 1 ? 1 : *width;
	*height = *height < 1 ? 1 : *height;
}
