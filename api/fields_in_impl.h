/*
 * Reading fields: what the walk over the table (fields_in.c) and the readers of the kinds (fields_in_number.c,
 * fields_in_text.c) share.
 */
#ifndef API_FIELDS_IN_IMPL_H
#define API_FIELDS_IN_IMPL_H

#include <jansson.h>

#include "api/fields.h"

/* One body being read. */
struct reading {
	const struct fields_input *in;
	struct buf refusal; /* the JSON of what is wrong with the field that is being read; empty when nothing is */
	int error;          /* no fault of the body: ERR_NOMEM, or a look-up's */
};

/*
 * Reads one value, which is there and not null, into the member. False: refuse() or reading->error says why; the member
 * may have been written.
 */
typedef bool (*kind_reader)(struct reading *, const struct field *, const json_t *, void *member);

bool read_bool(struct reading *, const struct field *, const json_t *, void *member);
bool read_int(struct reading *, const struct field *, const json_t *, void *member);
bool read_float(struct reading *, const struct field *, const json_t *, void *member);
bool read_decimal(struct reading *, const struct field *, const json_t *, void *member);
bool read_time(struct reading *, const struct field *, const json_t *, void *member);
bool read_date(struct reading *, const struct field *, const json_t *, void *member);
bool read_text(struct reading *, const struct field *, const json_t *, void *member);
bool read_slug(struct reading *, const struct field *, const json_t *, void *member);
bool read_json(struct reading *, const struct field *, const json_t *, void *member);
bool read_choice(struct reading *, const struct field *, const json_t *, void *member);
bool read_email(struct reading *, const struct field *, const json_t *, void *member);
bool read_url(struct reading *, const struct field *, const json_t *, void *member);
bool read_file(struct reading *, const struct field *, const json_t *, void *member);
bool read_reference(struct reading *, const struct field *, const json_t *, void *member);
bool read_references(struct reading *, const struct field *, const json_t *, void *member);
bool read_rows(struct reading *, const struct field *, const json_t *, void *member);
bool read_object(struct reading *, const struct field *, const json_t *, void *member);

/* Notes what is wrong, in French, behind what has been noted; returns false, so that "return refuse(…)" is one step. */
bool refuse(struct reading *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Notes a failure that is not the body's; returns false. */
bool give_up(struct reading *, int error);

/* The text of a string, an integer or a real (space holds that of a number, as Python's str writes it); false for anything else. */
bool scalar_text(const json_t *, char space[40], struct str *ret_text);

/*
 * The value of what an integer field takes (a number, or the text of one, without a fraction); beyond 64 bits the least or the
 * greatest. False for anything else, NULL too, and then *ret_number is as it was.
 */
bool scalar_int(const json_t *, int64_t *ret_number);

/* Stores a copy in the arena. */
bool store_text(struct reading *, struct str, struct str *member);

#endif
