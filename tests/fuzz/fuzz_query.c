/*
 * Any bytes as the target of a request: the path decoded and looked up, the query parsed, its link parsed again. Whatever
 * comes: a link is plain ASCII, sorted, and says the same as the query it was made of.
 */
#include "api/query.h"
#include "api/route.h"
#include "tests/fuzz/fuzz.h"

static void check_path(struct str raw, struct arena *a)
{
	struct str params[2] = { { NULL, 0 }, { NULL, 0 } };
	struct str path = str_percent_decode(a, raw, false);
	const struct resource *r = routes_find(path, params);

	FUZZ_CHECK(path.s && path.len <= raw.len);
	if (!r)
		return;
	FUZZ_CHECK(r->n > 0 && r->allow[0]);
	for (int i = 0; i < 2 && strchr(r->pattern, '{'); i++) {
		if (i == 1 && !strchr(strchr(r->pattern, '{') + 1, '{'))
			break;
		FUZZ_CHECK(params[i].len > 0 && str_find(params[i], '/') < 0);
		FUZZ_CHECK(params[i].s >= path.s && params[i].s + params[i].len <= path.s + path.len);
	}
}

static void check_params(const struct query *q)
{
	for (size_t i = 0; i < q->n; i++) {
		FUZZ_CHECK(q->params[i].position == i);
		FUZZ_CHECK(q->params[i].name.s && str_valid_utf8(q->params[i].name) && str_find(q->params[i].name, '\0') < 0);
		FUZZ_CHECK(q->params[i].value.s && str_valid_utf8(q->params[i].value) && str_find(q->params[i].value, '\0') < 0);
	}
}

/* The n-th parameter of that name. */
static struct str nth(const struct query *q, struct str name, size_t n)
{
	for (size_t i = 0; i < q->n; i++)
		if (str_equal(q->params[i].name, name) && n-- == 0)
			return q->params[i].value;
	return (struct str){ NULL, 0 };
}

static size_t rank_of(const struct query *q, size_t position)
{
	size_t rank = 0;

	for (size_t i = 0; i < position; i++)
		rank += str_equal(q->params[i].name, q->params[position].name);
	return rank;
}

/* The same parameters, each name's values in their order, the names ascending. */
static void check_same(const struct query *a, const struct query *b)
{
	FUZZ_CHECK(a->n == b->n);
	for (size_t i = 0; i < a->n; i++)
		FUZZ_CHECK(str_equal(nth(b, a->params[i].name, rank_of(a, i)), a->params[i].value));
	for (size_t i = 1; i < b->n; i++) {
		struct str x = b->params[i - 1].name, y = b->params[i].name;
		int order = memcmp(x.s, y.s, x.len < y.len ? x.len : y.len);

		FUZZ_CHECK(order < 0 || (order == 0 && x.len <= y.len));
	}
}

static void check_link(const struct query *q, struct arena *a)
{
	struct buf b = BUF_EMPTY;
	struct query again = { .n = 0 };
	struct str text;

	query_add_link(&b, q, a, "\001", (struct str){ NULL, 0 }); /* a name that nothing has, but for the odd input */
	for (size_t i = 0; i < q->n; i++)
		if (str_is(q->params[i].name, "\001")) {
			buf_finish(&b);
			return;
		}
	FUZZ_CHECK(!b.failed && (q->n == 0) == (b.len == 0));
	for (size_t i = 0; i < b.len; i++)
		FUZZ_CHECK(b.data[i] > ' ' && b.data[i] < 0x7f && (b.data[i] != '?' || i == 0) && b.data[i] != '"' && b.data[i] != '#');
	text = b.len ? (struct str){ b.data + 1, b.len - 1 } : (struct str){ "", 0 };
	FUZZ_CHECK(query_parse(text, a, &again) == 0);
	check_same(q, &again);
	buf_finish(&b);
}

static void check_replaced(const struct query *q, struct arena *a)
{
	struct buf b = BUF_EMPTY;
	struct query again = { .n = 0 };

	query_add_link(&b, q, a, "page", (struct str)STR("2"));
	FUZZ_CHECK(!b.failed && b.len > 0);
	FUZZ_CHECK(query_parse((struct str){ b.data + 1, b.len - 1 }, a, &again) == 0);
	FUZZ_CHECK(str_is(query_get(&again, "page"), "2"));
	FUZZ_CHECK(!nth(&again, (struct str)STR("page"), 1).s);
	buf_finish(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str target = { size ? (const char *)data : "", size }, path;
	struct query query;
	struct arena arena;
	static bool ready;

	if (!ready)
		routes_init();
	ready = true;
	if (size > 4096) /* check_same is quadratic */
		return 0;
	arena_init(&arena, 64 * 1024 * 1024);
	str_split(&target, '?', &path);
	check_path(path, &arena);
	if (query_parse(target, &arena, &query) == 0) {
		check_params(&query);
		check_link(&query, &arena);
		check_replaced(&query, &arena);
	}
	arena_finish(&arena);
	return 0;
}
