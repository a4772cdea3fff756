/*
 * The kinds of value a struct member can have, and the C type of each: the one list that the column tables of db/
 * and the field tables of api/ share. A table entry whose kind does not fit its member does not compile.
 *
 * "No value" (SQL null, JSON null) is part of each kind, so that no member needs a flag beside it:
 * NULL_INT, NULL_FLOAT (NaN), NULL_TIME, NULL_DECIMAL, and .s == NULL for text. A BOOL is never null.
 */
#ifndef BASE_KINDS_H
#define BASE_KINDS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* An instant: microseconds since 1970-01-01T00:00:00 UTC. */
struct instant {
	int64_t us;
};

/* A decimal number of two places, in hundredths: 250.00 is 25000. */
struct decimal {
	int64_t cents;
};

/* JSON text, already valid, kept as it was stored. */
struct json_text {
	struct str text;
};

#define NULL_INT     INT64_MIN
#define NULL_FLOAT   ((double)NAN)
#define NULL_TIME    ((struct instant){ INT64_MIN })
#define NULL_DECIMAL ((struct decimal){ INT64_MIN })

/* X(kind, C type of the member) */
#define KINDS(X)                   \
	X(BOOL, bool)              \
	X(INT, int64_t)            \
	X(FLOAT, double)           \
	X(DECIMAL, struct decimal) \
	X(TIME, struct instant)    \
	X(TEXT, struct str)        \
	X(JSON, struct json_text)

/* clang-format takes a list without commas for one long statement. */
/* clang-format off */
enum kind {
#define X(name, type) KIND_##name,
	KINDS(X)
#undef X
	KIND_COUNT
};
/* clang-format on */

#define X(name, type) typedef type kind_type_##name;
KINDS(X)
#undef X

/* offsetof that refuses, at compile time, a member whose type is not that of the kind. */
#define KIND_OFFSET(S, member, KIND)                                                                                                \
	(offsetof(S, member) + 0 * sizeof(struct {                                                                                  \
		                       _Static_assert(__builtin_types_compatible_p(__typeof__(((S *)0)->member), kind_type_##KIND), \
		                                      "the member's type is not that of kind " #KIND);                              \
		                       int x_;                                                                                      \
	                       }))

#endif
