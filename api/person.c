#include "api/person.h"

static const struct field person_field_list[] = {
	FIELD(struct person, "id", id, INT),
	FIELD(struct person, "username", username, TEXT),
	FIELD(struct person, "email", email, TEXT),
	FIELD(struct person, "first_name", first_name, TEXT),
	FIELD(struct person, "last_name", last_name, TEXT),
};
const struct fields person_fields = FIELDS(struct person, person_field_list);
