/*
 * Inside db/: values between the engines' text and the members of a row struct.
 */
#ifndef DB_VALUE_IMPL_H
#define DB_VALUE_IMPL_H

#include "base/arena.h"
#include "base/kinds.h"
#include "db/db.h"

/* Room for any text of value_format_decimal. */
#define VALUE_DECIMAL_SIZE 32

/* "No value" of the kind into *member (false for a BOOL). */
void value_set_null(enum kind, void *member);

/* Whether a parameter means SQL null. */
bool value_is_null(const struct db_param *);

/*
 * Reads the text of an engine into *member. ERR_CORRUPT when it is no value of the kind, ERR_LIMIT or ERR_NOMEM from the
 * arena. TEXT and JSON are copied.
 */
int value_from_text(enum kind, struct str text, struct arena *, void *member);

/* Why the arena just refused n bytes: ERR_LIMIT (its own) or ERR_NOMEM. */
int value_arena_error(const struct arena *, size_t n);

/* Copies bytes into the arena, NUL-terminated. ERR_LIMIT (the arena's), ERR_NOMEM. */
int value_copy(struct arena *, const void *bytes, size_t n, struct str *ret_copy);

/* Plain or exponent notation, to hundredths, half to even on the exact digits. False: not a number, or too big. */
bool value_parse_decimal(struct str text, int64_t *ret_cents);

/* As Django reads a REAL: to 15 significant digits, then to hundredths, half to even. False: not finite, or too big. */
bool value_decimal_from_double(double value, int64_t *ret_cents);

/* "-12.05"; returns the length. */
size_t value_format_decimal(int64_t cents, char ret_text[VALUE_DECIMAL_SIZE]);

#endif
