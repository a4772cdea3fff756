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

bool accepts_only_text(struct str accept)
{
	static const struct str text = STR("text/plain");

	return accept.s && names_any(accept, &text, 1) && !names_any(accept, json_ranges, N_ELEMENTS(json_ranges));
}
