/*
 * JSON text, appended to a buffer (RFC 8259). No state: commas and braces are the caller's, values are escaped here.
 * Non-ASCII characters stay as UTF-8; bytes that are not UTF-8 become U+FFFD, so the output is always valid. Any thread.
 */
#ifndef BASE_JSON_OUT_H
#define BASE_JSON_OUT_H

#include "base/buf.h"
#include "base/kinds.h"

/* A string with its quotes; null when absent. */
void json_add_str(struct buf *, struct str);

/* A NUL-terminated string with its quotes; null for NULL. */
void json_add_text(struct buf *, const char *);

/* An integer; null for NULL_INT. */
void json_add_int(struct buf *, int64_t);

/* A number that always has a decimal point or exponent, shortest form that reads back the same; null for NaN and infinity. */
void json_add_float(struct buf *, double);

/* A decimal as text with two places ("250.00"); null for NULL_DECIMAL. */
void json_add_decimal(struct buf *, struct decimal);

/* An instant as text, UTC with +00:00, microseconds when not zero; null for NULL_TIME. */
void json_add_time(struct buf *, struct instant);

/* true or false. */
void json_add_bool(struct buf *, bool);

/* JSON kept as text; null when absent. */
void json_add_json(struct buf *, struct json_text);

/*
 * JSON text as json.dumps(indent=2) lays it out: a member or element a line, two spaces a level, "[]" and "{}" on one. The
 * text is valid JSON; what stands between its tokens is dropped.
 */
void json_add_indented(struct buf *, struct str json);

/* "name": with its colon; name is plain ASCII without quotes. */
void json_add_key(struct buf *, const char *name);

#endif
