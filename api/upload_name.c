/* The name under which an upload is stored: nothing of what a client chose but letters, digits and three signs survives. */
#include "api/upload.h"

#include <utf8proc.h>

#include "base/cleanup.h"

struct str upload_base_name(struct str filename)
{
	size_t start = filename.len;

	while (start > 0 && filename.s[start - 1] != '/' && filename.s[start - 1] != '\\')
		start--;
	return (struct str){ filename.s + start, filename.len - start };
}

static bool is_kept(utf8proc_int32_t c)
{
	utf8proc_category_t category = utf8proc_category(c);

	return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) || category == UTF8PROC_CATEGORY_ND || c == '_' ||
	       c == '-';
}

/* Cleans in place; ret is not longer than text. A dot stands between two kept characters, so it is never doubled. */
static size_t clean(const utf8proc_uint8_t *text, size_t n, char *ret)
{
	size_t len = 0;
	bool dot = false;

	for (size_t i = 0; i < n;) {
		utf8proc_int32_t c;
		utf8proc_ssize_t width = utf8proc_iterate(text + i, (utf8proc_ssize_t)(n - i), &c);

		if (width <= 0)
			break; /* it is valid UTF-8 */
		i += (size_t)width;
		if (c == ' ')
			c = '_';
		if (c == '.') {
			dot = len > 0;
		} else if (is_kept(c)) {
			if (dot)
				ret[len++] = '.';
			dot = false;
			len += (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)ret + len);
		}
	}
	return len;
}

struct str upload_clean_name(struct str filename, struct arena *a)
{
	struct str base = str_trim_unicode(upload_base_name(filename));
	utf8proc_uint8_t *composed CLEANUP(cleanup_free) = NULL;
	utf8proc_ssize_t n =
	        utf8proc_map((const utf8proc_uint8_t *)base.s, (utf8proc_ssize_t)base.len, &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	char *text;

	if (n < 0)
		return (struct str){ n == UTF8PROC_ERROR_NOMEM ? NULL : "", 0 };
	text = arena_alloc(a, (size_t)n + 1);
	if (!text)
		return (struct str){ NULL, 0 };
	n = (utf8proc_ssize_t)clean(composed, (size_t)n, text);
	text[n] = '\0';
	return (struct str){ text, (size_t)n };
}
