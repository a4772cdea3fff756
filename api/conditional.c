#include "api/conditional.h"

#include <stdio.h>
#include <time.h>

/* Without the mark of a weak one. */
static struct str opaque_tag(struct str etag)
{
	return str_starts(etag, "W/") ? (struct str){ etag.s + 2, etag.len - 2 } : etag;
}

bool etag_is_named(struct str if_none_match, struct str etag)
{
	struct str item;

	while (str_split(&if_none_match, ',', &item)) {
		item = str_trim(item);
		if (str_is(item, "*") || str_equal(opaque_tag(item), opaque_tag(etag)))
			return true;
	}
	return false;
}

void http_date_format(int64_t unix_s, char ret_text[HTTP_DATE_SIZE])
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	ret_text[0] = '\0';
	if (gmtime_r(&t, &tm))
		strftime(ret_text, HTTP_DATE_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm); /* the C locale, which main leaves alone */
}

bool http_date_parse(struct str s, int64_t *ret_unix_s)
{
	char text[HTTP_DATE_SIZE];
	const char *end;
	struct tm tm = { 0 };

	if (s.len != HTTP_DATE_SIZE - 1)
		return false;
	memcpy(text, s.s, s.len);
	text[s.len] = '\0';
	end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!end || *end)
		return false;
	*ret_unix_s = (int64_t)timegm(&tm);
	return true;
}

/* A position; one that is too large for us is beyond any file. False when it is none. */
static bool read_position(struct str s, uint64_t *ret_position)
{
	int64_t n;

	if (!s.len)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!str_is_digit(s.s[i]))
			return false;
	*ret_position = str_to_uint(s, &n) ? (uint64_t)n : (uint64_t)INT64_MAX;
	return true;
}

/* "-n": the last n bytes. */
static enum range_result read_suffix(struct str text, uint64_t size, uint64_t *ret_first, uint64_t *ret_n)
{
	uint64_t n;

	if (!read_position(text, &n))
		return RANGE_NONE;
	if (n == 0 || size == 0)
		return RANGE_OUTSIDE;
	*ret_n = n < size ? n : size;
	*ret_first = size - *ret_n;
	return RANGE_PART;
}

enum range_result range_parse(struct str range, uint64_t size, uint64_t *ret_first, uint64_t *ret_n)
{
	static const struct str unit = STR("bytes=");
	uint64_t first, last = (uint64_t)INT64_MAX;
	struct str from, to;

	if (range.len < unit.len || !str_equal_nocase((struct str){ range.s, unit.len }, unit))
		return RANGE_NONE;
	to = str_trim((struct str){ range.s + unit.len, range.len - unit.len });
	if (str_find(to, '-') < 0 || !str_split(&to, '-', &from))
		return RANGE_NONE;
	if (!from.len)
		return read_suffix(to, size, ret_first, ret_n);
	if (!read_position(from, &first) || (to.len && !read_position(to, &last)) || last < first)
		return RANGE_NONE; /* several are one that cannot be read, because of their comma */
	if (first >= size)
		return RANGE_OUTSIDE;
	*ret_first = first;
	*ret_n = (last < size ? last + 1 : size) - first;
	return RANGE_PART;
}
