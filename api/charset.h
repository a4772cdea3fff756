/*
 * The charset parameter of a JSON body: to UTF-8 from the few encodings that clients name. Pure; any thread.
 *
 * Written here rather than given to iconv, which would load a module for whatever name a client thinks of.
 */
#ifndef API_CHARSET_H
#define API_CHARSET_H

#include "base/arena.h"
#include "base/error.h"

/*
 * Known, in any case: utf-8, us-ascii, iso-8859-1 (latin-1), utf-16 (by its byte-order mark, else little endian),
 * utf-16le, utf-16be; any other name, and none, counts as UTF-8. *ret_text is the bytes themselves or a text in the
 * arena; what is said to be UTF-8 is not checked. ERR_INVALID for bytes that are not in the encoding; ERR_NOMEM.
 */
int charset_to_utf8(struct str charset, struct str bytes, struct arena *, struct str *ret_text);

#endif
