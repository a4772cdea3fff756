#include "domain/like_impl.h"

struct str like_contains(struct arena *a, struct str text)
{
	char *out = arena_alloc(a, text.len * 2 + 3);
	size_t n = 0;

	if (!out)
		return (struct str){ NULL, 0 };
	out[n++] = '%';
	for (size_t i = 0; i < text.len; i++) {
		if (text.s[i] == '%' || text.s[i] == '_' || text.s[i] == '\\')
			out[n++] = '\\';
		out[n++] = text.s[i];
	}
	out[n++] = '%';
	out[n] = '\0';
	return (struct str){ out, n };
}
