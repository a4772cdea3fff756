/*
 * JSON from clients: one pass over the raw bytes, then jansson. Pure; any thread.
 *
 * jansson refuses as syntax what the contract wants as errors of a field (http.md 3 and 4), and its own limit of depth
 * is compiled in. So a pass comes first: it bounds depth and number of values, rewrites a lone surrogate to \u0000
 * (which every text field refuses), and puts quotes round the numbers that jansson cannot hold, so that the field sees
 * their text. Member names never reach a field: there a lone surrogate, or \u0000, becomes \ufffd.
 */
#ifndef API_JSON_IN_H
#define API_JSON_IN_H

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/kinds.h"

#define JSON_MAX_DEPTH  100    /* levels of arrays and objects */
#define JSON_MAX_VALUES 200000 /* values and names of one text: jansson spends up to 230 bytes on three of the body's */

/*
 * Parses one JSON text of any kind. *ret_root is a new reference; numbers that 64 bits or a double cannot hold are
 * texts in it. ERR_INVALID with a static text for the client in *ret_why; ERR_NOMEM.
 */
int json_read(struct str bytes, json_t **ret_root, const char **ret_why);

/*
 * The pass alone: *ret_text is what jansson is to read: the bytes themselves, or, when something was rewritten, the
 * content of `space` (the caller's, which must outlive it). ERR_INVALID with *ret_why beyond the limits; ERR_NOMEM.
 */
int json_prepare(struct str bytes, struct buf *space, struct str *ret_text, const char **ret_why);

/* Appends a value as JSON text: numbers in their shortest form, members in the order of the source. */
void json_write(struct buf *, const json_t *);

/*
 * Whether JSON text is an array of at most max texts of at most max_chars characters each, none with a U+0000: 0,
 * ERR_INVALID, ERR_NOMEM.
 */
int json_check_texts(struct str json, size_t max, size_t max_chars);

/* Whether a text or a name within the value has a U+0000 (PostgreSQL cannot store one). */
bool json_has_nul(const json_t *);

/* "5.0", "7.015", "1e+22": a double as Python's repr writes it, which is what Django's text and decimal fields see; returns the length. */
size_t json_real_text(double value, char ret_text[40]);

#endif
