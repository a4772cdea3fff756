/*
 * Bodies of type multipart/form-data: RFC 7578 over RFC 2046. Pure; any thread.
 *
 * Strict: lines end with CRLF, every part has a Content-Disposition of type form-data with a name, the closing delimiter is
 * there, nothing is nested, no part is encoded. Bounded: FORM_MAX_FIELDS parts, MULTIPART_MAX_HEAD_BYTES for the head of one.
 *
 * Why written here: what Debian has is tied to something else (libmicrohttpd's post processor to a connection that it
 * feeds itself, and lenient; gmime to mail and GLib). The grammar is small, the body is whole and in memory or mapped,
 * so each part is a view of it and no copy of a file is ever made.
 */
#ifndef API_MULTIPART_H
#define API_MULTIPART_H

#include "api/body.h"

#define MULTIPART_MAX_HEAD_BYTES 8192

/*
 * Parses: ret_body->root is a new reference to an object as form_read makes it, but that a part with a file name is an
 * element of its own kind, for which body_upload finds the entry of ret_body->uploads. What a browser sends for a file that
 * was not chosen (an empty name and no bytes) is left out. Texts that say so by charset are converted to UTF-8.
 * ERR_INVALID with a static text for the client in *ret_why; ERR_NOMEM; *ret_body is untouched then.
 */
int multipart_read(struct str content_type, struct str bytes, struct arena *, struct body_value *ret_body, const char **ret_why);

#endif
