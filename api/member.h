/*
 * The members of a body that a view checks by hand, because its errors are not those of fields (http.md 6: {"detail"},
 * {"error"}). Where a table of fields will do, use that (api/fields.h). Pure; any thread.
 */
#ifndef API_MEMBER_H
#define API_MEMBER_H

#include "api/body.h"
#include "base/kinds.h"

enum member_kind {
	MEMBER_ABSENT,
	MEMBER_NULL,
	MEMBER_TEXT,   /* .text */
	MEMBER_NUMBER, /* .number, and .text as Python would write it */
	MEMBER_BOOL,   /* .number is 0 or 1 */
	MEMBER_OTHER   /* an array, an object, a file, or a text with a U+0000, which no column can hold */
};

struct member {
	enum member_kind kind;
	struct str text; /* borrowed from the body, or in the arena */
	double number;
};

/* Whether the body is an object; an empty one is. */
bool body_is_object(const struct body_value *);

/* The member of that name; of a form, its last value. */
struct member body_member(const struct body_value *, struct arena *, const char *name);

/* Any value of a member as JSON text in the arena; absent when there is none. ERR_INVALID: a U+0000 is in it; ERR_NOMEM. */
int body_member_json(const struct body_value *, struct arena *, const char *name, struct json_text *ret_json);

#endif
