#include "api/query.h"

#include <stdlib.h>

static size_t count_pieces(struct str text)
{
	size_t n = text.len ? 1 : 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.s[i] == '&';
	return n;
}

static bool decode(struct arena *a, struct str raw, struct str *ret_text, int *ret_error)
{
	*ret_text = str_percent_decode(a, raw, true);
	if (!ret_text->s)
		*ret_error = ERR_NOMEM;
	else if (!str_valid_utf8(*ret_text) || str_find(*ret_text, '\0') >= 0)
		*ret_error = ERR_INVALID;
	return *ret_error == 0;
}

int query_parse(struct str text, struct arena *a, struct query *ret_query)
{
	struct query q = { .params = arena_alloc(a, (count_pieces(text) + 1) * sizeof(*q.params)) };
	struct str piece;
	int r = 0;

	if (!q.params)
		return ERR_NOMEM;
	while (str_split(&text, '&', &piece)) {
		struct query_param *p = &q.params[q.n];
		ptrdiff_t equals = str_find(piece, '=');
		struct str name = { piece.s, equals < 0 ? piece.len : (size_t)equals };
		struct str value =
		        equals < 0 ? (struct str){ "", 0 } : (struct str){ piece.s + equals + 1, piece.len - (size_t)equals - 1 };

		if (!piece.len)
			continue;
		if (!decode(a, name, &p->name, &r) || !decode(a, value, &p->value, &r))
			return r;
		p->position = q.n++;
	}
	*ret_query = q;
	return 0;
}

struct str query_get(const struct query *q, const char *name)
{
	for (size_t i = q->n; i > 0; i--)
		if (str_is(q->params[i - 1].name, name))
			return q->params[i - 1].value;
	return (struct str){ NULL, 0 };
}

struct str query_get_nonempty(const struct query *q, const char *name)
{
	struct str value = query_get(q, name);

	return value.len ? value : (struct str){ NULL, 0 };
}

static int compare_names(struct str a, struct str b)
{
	int order = memcmp(a.s, b.s, a.len < b.len ? a.len : b.len);

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* By name; equal names keep their order, the order of the request. */
static int by_name(const void *x, const void *y)
{
	const struct query_param *a = x, *b = y;
	int order = compare_names(a->name, b->name);

	return order ? order : (a->position > b->position) - (a->position < b->position);
}

static void add_encoded(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.s[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_.-~", c)))
			buf_add_char(b, (char)c);
		else if (c == ' ')
			buf_add_char(b, '+');
		else
			buf_addf(b, "%%%02X", c);
	}
}

void query_add_link(struct buf *b, const struct query *q, struct arena *a, const char *replaced, struct str value)
{
	struct query_param *sorted = arena_alloc(a, (q->n + 1) * sizeof(*sorted));
	size_t n = 0;

	if (!sorted) {
		b->failed = true;
		return;
	}
	for (size_t i = 0; i < q->n; i++)
		if (!str_is(q->params[i].name, replaced))
			sorted[n++] = q->params[i];
	if (value.s)
		sorted[n++] = (struct query_param){ str_of(replaced), value, q->n };
	qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 0; i < n; i++) {
		buf_add_char(b, i ? '&' : '?');
		add_encoded(b, sorted[i].name);
		buf_add_char(b, '=');
		add_encoded(b, sorted[i].value);
	}
}
