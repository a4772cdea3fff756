/*
 * What rich text may look like once it has been cleaned, checked by a reader of its own: for the unit test and the fuzz target.
 */
#ifndef TESTS_LIB_RICH_TEXT_H
#define TESTS_LIB_RICH_TEXT_H

#include "base/str.h"

#define RICH_TEXT_MAX_OPEN 128

static inline int rich_text_name(struct str text)
{
	static const char *const names[] = { "p", "br", "strong", "em", "u", "a", "ul", "ol", "li", "blockquote", "code", "pre" };

	for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++)
		if (str_is(text, names[i]))
			return i;
	return -1;
}

/* No character that HTML gives a meaning to, and no control character but LF, CR and tab. */
static inline bool text_is_harmless(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.s[i];

		if (c == '<' || c == '>' || c == '"' || c == '\'' || c == 0x7f || (c < ' ' && c != '\n' && c != '\r' && c != '\t'))
			return false;
	}
	return true;
}

static inline bool rich_text_take(struct str *rest, const char *text)
{
	if (!str_starts(*rest, text))
		return false;
	*rest = (struct str){ rest->s + strlen(text), rest->len - strlen(text) };
	return true;
}

/* The value of an attribute; *rest stands behind its closing quote. */
static inline bool rich_text_value(struct str *rest, struct str *ret_value)
{
	ptrdiff_t end = str_find(*rest, '"');

	if (end < 0)
		return false;
	*ret_value = (struct str){ rest->s, (size_t)end };
	*rest = (struct str){ rest->s + end + 1, rest->len - (size_t)end - 1 };
	return text_is_harmless(*ret_value);
}

static inline bool rich_text_scheme(struct str url)
{
	static const char *const schemes[] = { "http://", "https://", "mailto:" };

	for (int i = 0; i < 3; i++)
		if (url.len > strlen(schemes[i]) && str_equal_nocase((struct str){ url.s, strlen(schemes[i]) }, str_of(schemes[i])))
			return true;
	return false;
}

static inline bool rich_text_attributes(struct str rest, bool is_a)
{
	struct str value;

	if (rest.len && !is_a)
		return false;
	if (rich_text_take(&rest, " href=\"") && (!rich_text_value(&rest, &value) || !rich_text_scheme(value)))
		return false;
	if (rich_text_take(&rest, " title=\"") && !rich_text_value(&rest, &value))
		return false;
	return rest.len == 0;
}

static inline bool rich_text_tag(struct str tag, int open[RICH_TEXT_MAX_OPEN], int *n)
{
	bool closes = rich_text_take(&tag, "/");
	ptrdiff_t space = str_find(tag, ' ');
	struct str name = { tag.s, space < 0 ? tag.len : (size_t)space };
	int i = rich_text_name(name);

	if (i < 0)
		return false;
	if (closes)
		return space < 0 && *n > 0 && open[--*n] == i;
	if (!rich_text_attributes((struct str){ tag.s + name.len, tag.len - name.len }, str_is(name, "a")))
		return false;
	if (!str_is(name, "br") && *n < RICH_TEXT_MAX_OPEN)
		open[(*n)++] = i;
	return *n < RICH_TEXT_MAX_OPEN;
}

/* Tags of the list, closed in the order in which they were opened, and harmless texts. */
static inline bool rich_text_is_clean(struct str html)
{
	int open[RICH_TEXT_MAX_OPEN], n = 0;

	while (html.len) {
		ptrdiff_t tag = str_find(html, '<'), end;

		if (!text_is_harmless((struct str){ html.s, tag < 0 ? html.len : (size_t)tag }))
			return false;
		if (tag < 0)
			break;
		html = (struct str){ html.s + tag + 1, html.len - (size_t)tag - 1 };
		end = str_find(html, '>');
		if (end <= 0 || !rich_text_tag((struct str){ html.s, (size_t)end }, open, &n))
			return false;
		html = (struct str){ html.s + end + 1, html.len - (size_t)end - 1 };
	}
	return n == 0;
}

#endif
