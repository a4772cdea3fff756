#include "api/member.h"

#include <stdio.h>

#include "api/json_in.h"
#include "base/cleanup.h"

bool body_is_object(const struct body_value *body)
{
	return !body->root || json_is_object(body->root);
}

static const json_t *find(const struct body_value *body, const char *name)
{
	const json_t *value = json_object_get(body->root, name);

	return value && body->is_form ? json_array_get(value, json_array_size(value) - 1) : value;
}

static struct str number_text(struct arena *arena, const json_t *value)
{
	char text[40];
	size_t n;

	if (json_is_real(value))
		n = json_real_text(json_real_value(value), text);
	else
		n = (size_t)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
	return arena_str(arena, (struct str){ text, n });
}

static struct member text_member(const json_t *value)
{
	struct str text = { json_string_value(value), json_string_length(value) };

	return (struct member){ .kind = str_find(text, '\0') < 0 ? MEMBER_TEXT : MEMBER_OTHER, .text = text };
}

struct member body_member(const struct body_value *body, struct arena *arena, const char *name)
{
	const json_t *value = find(body, name);

	if (!value)
		return (struct member){ .kind = MEMBER_ABSENT };
	if (json_is_null(value))
		return (struct member){ .kind = MEMBER_NULL };
	if (json_is_string(value))
		return text_member(value);
	if (json_is_number(value))
		return (struct member){ .kind = MEMBER_NUMBER, .text = number_text(arena, value), .number = json_number_value(value) };
	if (json_is_boolean(value))
		return (struct member){ .kind = MEMBER_BOOL, .number = json_is_true(value) };
	return (struct member){ .kind = MEMBER_OTHER };
}

int body_member_json(const struct body_value *body, struct arena *arena, const char *name, struct json_text *ret_json)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	const json_t *value = find(body, name);

	*ret_json = (struct json_text){ { NULL, 0 } };
	if (!value)
		return 0;
	if (json_has_nul(value) || body_upload(body, value))
		return ERR_INVALID;
	json_write(&b, value);
	ret_json->text = b.failed ? (struct str){ NULL, 0 } : arena_str(arena, buf_view(&b));
	return ret_json->text.s ? 0 : ERR_NOMEM;
}
