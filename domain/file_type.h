/*
 * What a file is by its first bytes. libmagic judges with the rules of its database, and tells text: its other readers, of archives,
 * ELF, JSON and so on, would be work, and code, that a client's bytes have no business in. Any thread; each gets a libmagic of its own.
 */
#ifndef DOMAIN_FILE_TYPE_H
#define DOMAIN_FILE_TYPE_H

#include "base/error.h"
#include "base/str.h"

/*
 * The media type, "application/octet-stream" when nothing is known of it. PDF and GIF are known by their first bytes, short as they
 * may be; so is an MP3 that begins with a tag, for a cover in it may put the sound further away than anybody looks. The text is
 * valid until this thread's next call. ERR_IO: libmagic does not work, *err says why.
 */
int file_type(struct str bytes, const char **ret_type, struct error *err);

#endif
