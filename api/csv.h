/*
 * Rows as CSV, by the table that says how they look as JSON (api/fields.h): UTF-8, commas, CRLF, a field in quotes only when
 * it must be (content.md 1, 5). A text that a spreadsheet would run as a formula gets an apostrophe (content.md 11.15). Any thread.
 */
#ifndef API_CSV_H
#define API_CSV_H

#include "api/fields.h"

/* Appends the line of the names. */
void csv_add_names(struct buf *, const struct fields *);

/*
 * Appends the line of a row: numbers, times (UTC, +00:00) and texts as they are, a JSON list of texts joined by commas,
 * what has no value empty. Other kinds do not belong into such a table: they are empty.
 */
void csv_add_row(struct buf *, const struct fields *, const void *row);

#endif
