#include "api/query.h"

#include "base/fault.h"
#include "tests/unit/api/fixture.h"

static struct query parsed(struct arena *a, const char *text)
{
	struct query q;

	assert_int_equal(query_parse(str_of(text), a, &q), 0);
	return q;
}

static void assert_link_(struct arena *a, const char *text, const char *replaced, const char *value, const char *expected, const char *file,
                         int line)
{
	struct query q = parsed(a, text);
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	query_add_link(&b, &q, a, replaced, str_of(value));
	assert_text_(b.len ? buf_view(&b) : TEXT(""), expected, file, line);
}
#define assert_link(text, replaced, value, expected) assert_link_(*state, text, replaced, value, expected, __FILE__, __LINE__)

static void test_query__pairs_in_the_order_of_the_text(void **state)
{
	struct query q = parsed(*state, "b=2&a=1&b=3");

	assert_int_equal(q.n, 3);
	assert_text(q.params[0].name, "b");
	assert_text(q.params[1].value, "1");
	assert_int_equal(q.params[2].position, 2);
}

static void test_query__decodes_names_and_values(void **state)
{
	struct query q = parsed(*state, "n%61me=a+b%20c%2B%26%3D&caf%C3%A9=%c3%a9");

	assert_text(query_get(&q, "name"), "a b c+&=");
	assert_text(query_get(&q, "café"), "é");
}

static void test_query__broken_escapes_stay(void **state)
{
	struct query q = parsed(*state, "a=%&b=%4&c=%zz&d=100%25%");

	assert_text(query_get(&q, "a"), "%");
	assert_text(query_get(&q, "b"), "%4");
	assert_text(query_get(&q, "c"), "%zz");
	assert_text(query_get(&q, "d"), "100%%");
}

static void test_query__the_last_value_counts(void **state)
{
	struct query q = parsed(*state, "page=1&page=&page=3&empty=1&empty=");

	assert_text(query_get(&q, "page"), "3");
	assert_text(query_get(&q, "empty"), "");
	assert_text(query_get_nonempty(&q, "empty"), NULL);
	assert_text(query_get_nonempty(&q, "page"), "3");
	assert_text(query_get(&q, "none"), NULL);
	assert_text(query_get(&q, "pag"), NULL);
	assert_text(query_get(&q, "pages"), NULL);
}

static void test_query__odd_pieces(void **state)
{
	struct query q = parsed(*state, "&&a&=x&b=c=d&&");

	assert_int_equal(q.n, 3);
	assert_text(query_get(&q, "a"), "");
	assert_text(query_get(&q, ""), "x");
	assert_text(query_get(&q, "b"), "c=d");
	assert_int_equal(parsed(*state, "").n, 0);
	assert_int_equal(parsed(*state, NULL).n, 0);
	assert_int_equal(parsed(*state, "&").n, 0);
}

static void test_query__refuses_what_is_not_text(void **state)
{
	static const char *const bad[] = { "a=%ff", "%c3=1", "a=%00", "%00", "a=%ed%a0%80", "a=1&b=%C3%28" };
	struct query q = { .n = 77 };

	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		assert_int_equal(query_parse(str_of(bad[i]), *state, &q), ERR_INVALID);
	assert_int_equal(q.n, 77);
}

static void test_query__links_are_sorted_by_name(void **state)
{
	assert_link("b=2&a=1", "page", "3", "?a=1&b=2&page=3");
	assert_link("z=1&page=7&a=1", "page", "8", "?a=1&page=8&z=1");
	assert_link("aa=1&a=2&b=0&A=9", "page", NULL, "?A=9&a=2&aa=1&b=0");
}

static void test_query__equal_names_keep_their_order(void **state)
{
	assert_link("a=3&b=x&a=1&a=2", "page", NULL, "?a=3&a=1&a=2&b=x");
}

static void test_query__the_replaced_name_is_left_out_or_stands_once(void **state)
{
	assert_link("page=1&page=2", "page", NULL, "");
	assert_link("page=1&page=2", "page", "4", "?page=4");
	assert_link("", "page", "2", "?page=2");
	assert_link("Page=1", "page", "2", "?Page=1&page=2");
}

static void test_query__links_are_encoded_as_forms_are(void **state)
{
	assert_link("q=a+b%26c&n%C3%A9=%C3%A9", "page", NULL, "?n%C3%A9=%C3%A9&q=a+b%26c");
	assert_link("q=AZaz09_.-~", "page", NULL, "?q=AZaz09_.-~");
	assert_link("q=!*'();:@/?#[]$,", "page", NULL, "?q=%21%2A%27%28%29%3B%3A%40%2F%3F%23%5B%5D%24%2C");
	assert_link("a", "page", NULL, "?a=");
}

static void test_query__without_memory(void **state)
{
	struct arena small;
	struct query q, good = parsed(*state, "a=1");
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;

	arena_init(&small, 100);
	assert_int_equal(query_parse(TEXT("a=1&b=2&c=3&d=4"), &small, &q), ERR_NOMEM);
	assert_int_equal(query_parse(TEXT("a=0123456789012345678901234567890123456789"), &small, &q), ERR_NOMEM);
	arena_finish(&small);
	arena_init(&small, 8);
	query_add_link(&b, &good, &small, "page", TEXT("1"));
	assert_true(b.failed);
	arena_finish(&small);
}

#define CASE(name) cmocka_unit_test_setup_teardown(test_query__##name, setup_arena, teardown_arena)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(pairs_in_the_order_of_the_text),
		CASE(decodes_names_and_values),
		CASE(broken_escapes_stay),
		CASE(the_last_value_counts),
		CASE(odd_pieces),
		CASE(refuses_what_is_not_text),
		CASE(links_are_sorted_by_name),
		CASE(equal_names_keep_their_order),
		CASE(the_replaced_name_is_left_out_or_stands_once),
		CASE(links_are_encoded_as_forms_are),
		CASE(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
