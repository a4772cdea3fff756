#include "domain/like_impl.h"

#include "tests/unit/domain/fixture.h"

static struct str pattern(void **state, struct str text)
{
	return like_contains(*state, text);
}

static int setup(void **state)
{
	static struct arena a;

	arena_init(&a, 1 << 20);
	*state = &a;
	return 0;
}

static int teardown(void **state)
{
	arena_finish(*state);
	return 0;
}

static void test_like__plain_text(void **state)
{
	assert_text(pattern(state, TEXT("abc")), "%abc%");
	assert_text(pattern(state, TEXT("é")), "%é%");
	assert_text(pattern(state, TEXT("")), "%%");
}

static void test_like__wildcards_are_escaped(void **state)
{
	assert_text(pattern(state, TEXT("100%")), "%100\\%%");
	assert_text(pattern(state, TEXT("a_b")), "%a\\_b%");
	assert_text(pattern(state, TEXT("a\\b")), "%a\\\\b%");
	assert_text(pattern(state, TEXT("%_\\")), "%\\%\\_\\\\%");
}

static void test_like__only_wildcards_fill_the_whole_room(void **state)
{
	char text[200];
	struct str out;

	memset(text, '%', sizeof(text));
	out = pattern(state, (struct str){ text, sizeof(text) });
	assert_int_equal(out.len, 2 * sizeof(text) + 2);
	assert_int_equal(out.s[out.len], '\0');
}

static void test_like__without_memory(void **state)
{
	struct arena small;

	(void)state;
	arena_init(&small, 8);
	assert_null(like_contains(&small, TEXT("a long text")).s);
	arena_finish(&small);
}

#define LIKE_CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIKE_CASE(test_like__plain_text),
		LIKE_CASE(test_like__wildcards_are_escaped),
		LIKE_CASE(test_like__only_wildcards_fill_the_whole_room),
		LIKE_CASE(test_like__without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
