/*
 * Base64 (RFC 4648 section 4) and its URL-safe form (section 5). Pure; any thread.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

enum base64_form {
	BASE64,     /* A-Z a-z 0-9 + /, padded */
	BASE64_URL, /* A-Z a-z 0-9 - _, written without padding; read with or without it */
};

/* Appends n bytes encoded. */
void base64_add(struct buf *, enum base64_form, const void *bytes, size_t n);

/* The most bytes that a text of len characters stands for. */
#define BASE64_DECODED_MAX(len) ((len) / 4 * 3 + 3)

/*
 * Decodes into ret_bytes (room for BASE64_DECODED_MAX(text.len)). False for anything but the one text that encodes these
 * bytes: foreign characters, white space, wrong padding, bits that are left over and not zero.
 */
bool base64_decode(struct str text, enum base64_form, void *ret_bytes, size_t *ret_n);

#endif
