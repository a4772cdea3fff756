/*
 * An image made to fit into a frame, never enlarged, in its own format. For a process that has been confined: the decoders of libgd's
 * libraries see bytes that anybody may have sent. One thread.
 *
 * JPEG is written anew at the quality asked for, in RGB, turned as its Exif orientation says (which does not survive). PNG, GIF and
 * WebP are written anew only when they must shrink; WebP at that quality, or lossless when it was. What is animated stays as it is:
 * shrinking would leave one picture of it. Metadata and colour profiles are lost in what is written anew.
 */
#ifndef IMAGE_SHRINK_H
#define IMAGE_SHRINK_H

#include "base/buf.h"
#include "image/header.h"

#define IMAGE_SIDE_MAX 65535 /* of a frame */

struct image_frame {
	int64_t max_width, max_height; /* 1 to IMAGE_SIDE_MAX */
	int64_t quality;               /* 1 to 100 */
};

struct image_shrunk {
	enum image_format format;
	int64_t width, height; /* as it is shown */
	bool changed;          /* false: the file is right as it is, and bytes empty */
	struct buf bytes;      /* the caller's to finish */
};

/*
 * ERR_INVALID: no image, more than IMAGE_PIXELS_MAX pixels (nothing is decoded then), or one that does not decode to its end;
 * ERR_NOMEM. *err always says why.
 */
int image_shrink(struct str bytes, const struct image_frame *, struct image_shrunk *ret_shrunk, struct error *err);

#endif
