/*
 * Conditional and partial requests: RFC 9110 sections 13 and 14, and the dates of section 5.6.7. Pure; any thread.
 */
#ifndef API_CONDITIONAL_H
#define API_CONDITIONAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Whether If-None-Match names this ETag ("…" or W/"…") or anything: weak comparison. An absent header names nothing. */
bool etag_is_named(struct str if_none_match, struct str etag);

#define HTTP_DATE_SIZE 30

/* "Mon, 05 Jan 2026 09:00:00 GMT", with its NUL. */
void http_date_format(int64_t unix_s, char ret_text[HTTP_DATE_SIZE]);

/* Reads a date of that form, the only one that is sent today; false for anything else. */
bool http_date_parse(struct str, int64_t *ret_unix_s);

enum range_result {
	RANGE_NONE,    /* no Range, several, or one that cannot be read: the whole */
	RANGE_PART,    /* one that is there */
	RANGE_OUTSIDE, /* one that is not there: 416 */
};

/* What "bytes=…" asks for of so many bytes; *ret_first and *ret_n are set for RANGE_PART alone. */
enum range_result range_parse(struct str range, uint64_t size, uint64_t *ret_first, uint64_t *ret_n);

#endif
