/*
 * The forms that texts of a kind must have, as Django's validators see them: http.md 4. Pure; any thread.
 */
#ifndef API_TEXT_FORM_H
#define API_TEXT_FORM_H

#include "base/str.h"

/*
 * local@domain: dotted or quoted local part; a domain name with a top level of two letters or more, localhost, or
 * [address]. At most 320 characters.
 */
bool is_email(struct str);

/*
 * http, https, ftp or ftps (any case), "://", optional user:password@, a host (dotted name with a plausible top level,
 * IDN included; localhost; an IPv4 address; a bracketed IPv6 one), optional port, then path, query, fragment. No white space, no
 * "\" before the "@" (RFC 3986 knows none, and browsers another host behind it).
 */
bool is_url(struct str);

/* ASCII letters, digits, "_" and "-". */
bool is_slug(struct str);

#endif
