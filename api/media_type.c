#include "api/media_type_impl.h"

#include "base/cleanup.h"

/* "type/subtype" of one element, without parameters. */
static struct str bare_type(struct str element)
{
	ptrdiff_t semicolon = str_find(element, ';');

	if (semicolon >= 0)
		element.len = (size_t)semicolon;
	return str_trim(element);
}

static bool is_one_of(struct str type, const struct str *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_equal_nocase(type, list[i]))
			return true;
	return false;
}

enum body_kind body_kind(struct str content_type)
{
	struct str type = bare_type(content_type);

	if (str_equal_nocase(type, (struct str)STR("application/json")))
		return BODY_JSON;
	if (str_equal_nocase(type, (struct str)STR("application/x-www-form-urlencoded")))
		return BODY_FORM;
	return str_equal_nocase(type, (struct str)STR("multipart/form-data")) ? BODY_MULTIPART : BODY_OTHER;
}

struct str media_type_parameter(struct str content_type, const char *name)
{
	struct str piece, value;

	str_split(&content_type, ';', &piece); /* the type itself */
	while (str_split(&content_type, ';', &piece)) {
		ptrdiff_t equals = str_find(piece, '=');

		if (equals < 0 || !str_equal_nocase(str_trim((struct str){ piece.s, (size_t)equals }), str_of(name)))
			continue;
		value = str_trim((struct str){ piece.s + equals + 1, piece.len - (size_t)equals - 1 });
		if (value.len >= 2 && value.s[0] == '"' && value.s[value.len - 1] == '"')
			value = (struct str){ value.s + 1, value.len - 2 };
		return value;
	}
	return (struct str){ NULL, 0 };
}

static bool names_any(struct str accept, const struct str *list, size_t n)
{
	struct str element;

	while (str_split(&accept, ',', &element))
		if (is_one_of(bare_type(element), list, n))
			return true;
	return false;
}

static const struct str json_ranges[] = { STR("application/json"), STR("application/*"), STR("*/*"), STR("text/html") };

bool accepts_json(struct str accept)
{
	return !str_trim(accept).len || names_any(accept, json_ranges, N_ELEMENTS(json_ranges));
}

static const struct str yaml_types[] = { STR("application/yaml"), STR("application/x-yaml"), STR("text/yaml"),
	                                 STR("application/vnd.oai.openapi") };

bool prefers_yaml(struct str accept)
{
	static const struct str json[] = { STR("application/json"), STR("application/vnd.oai.openapi+json") };

	return accept.s && names_any(accept, yaml_types, N_ELEMENTS(yaml_types)) && !names_any(accept, json, N_ELEMENTS(json));
}

bool accepts_only_text(struct str accept)
{
	static const struct str text = STR("text/plain");

	return accept.s && names_any(accept, &text, 1) && !names_any(accept, json_ranges, N_ELEMENTS(json_ranges));
}
