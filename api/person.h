/*
 * A struct person (domain/person.h) as JSON: null, or {"id", "username", "email", "first_name", "last_name"}. Source: realtime.md,
 * User.
 */
#ifndef API_PERSON_H
#define API_PERSON_H

#include "api/fields.h"
#include "domain/person.h"

extern const struct fields person_fields;

/* A member of this type, as a field of an answer. */
#define FIELD_PERSON(S, json_name, member)                                                                                                \
	{                                                                                                                                 \
		.name = (json_name), .kind = FIELD_OBJECT, .of = &person_fields, .flags = FIELD_READ_ONLY | FIELD_NULLABLE,               \
		.offset = offsetof(S, member) +                                                                                           \
		          0 * sizeof(struct {                                                                                             \
			          _Static_assert(__builtin_types_compatible_p(__typeof__(((S *)0)->member), struct person), "no person"); \
			          int x_;                                                                                                 \
		          })                                                                                                              \
	}

#endif
