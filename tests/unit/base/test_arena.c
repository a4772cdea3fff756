#include "base/arena.h"

#include <stdalign.h>

#include "base/fault.h"
#include "tests/lib/test.h"

#define LIMIT ((size_t)1 << 20)

struct fixture {
	struct arena a;
};

static int setup(void **state)
{
	static struct fixture f;

	arena_init(&f.a, LIMIT);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fault_disarm_all();
	arena_finish(&f->a);
	assert_int_equal(f->a.used_bytes, 0);
	assert_null(f->a.first);
	return 0;
}

static void assert_sane_arena(const struct arena *a)
{
	assert_true(a->used_bytes <= a->limit_bytes);
	assert_true((a->first == NULL) == (a->current == NULL));
}

static void test_arena__starts_without_memory(void **state)
{
	struct fixture *f = *state;

	assert_null(f->a.first);
	assert_int_equal(f->a.used_bytes, 0);
	arena_reset(&f->a);
	assert_null(f->a.first);
}

static void test_arena__allocations_are_aligned_and_apart(void **state)
{
	struct fixture *f = *state;
	unsigned char *p[200];

	for (size_t i = 0; i < 200; i++) {
		p[i] = arena_alloc(&f->a, i);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % alignof(max_align_t), 0);
		memset(p[i], (int)i, i);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal(p[i][k], i);
	assert_sane_arena(&f->a);
}

static void test_arena__zalloc_is_zeroed_after_reset(void **state)
{
	struct fixture *f = *state;
	char *p = arena_alloc(&f->a, 500);

	assert_non_null(p);
	memset(p, 'x', 500);
	arena_reset(&f->a);
	p = arena_zalloc(&f->a, 500);
	assert_non_null(p);
	for (int i = 0; i < 500; i++)
		assert_int_equal(p[i], 0);
}

static void test_arena__reset_keeps_the_first_block_only(void **state)
{
	struct fixture *f = *state;
	struct arena_block *first;

	assert_non_null(arena_alloc(&f->a, 100));
	first = f->a.first;
	assert_non_null(arena_alloc(&f->a, 100 * 1024));
	assert_ptr_not_equal(f->a.current, first);
	arena_reset(&f->a);
	assert_ptr_equal(f->a.first, first);
	assert_ptr_equal(f->a.current, first);
	assert_int_equal(f->a.used_bytes, 0);
	fault_arm(FAULT_ALLOC, 1, true); /* what follows fits in what was kept */
	assert_non_null(arena_alloc(&f->a, 1000));
}

static void test_arena__refuses_more_than_its_limit(void **state)
{
	struct fixture *f = *state;

	assert_null(arena_alloc(&f->a, LIMIT + 1));
	assert_null(arena_alloc(&f->a, SIZE_MAX));
	assert_null(arena_alloc(&f->a, SIZE_MAX - 8));
	assert_non_null(arena_alloc(&f->a, LIMIT - 32));
	assert_non_null(arena_alloc(&f->a, 17));
	assert_int_equal(f->a.used_bytes, LIMIT);
	assert_null(arena_alloc(&f->a, 1));
	assert_non_null(arena_alloc(&f->a, 0));
	arena_reset(&f->a);
	assert_non_null(arena_alloc(&f->a, LIMIT));
}

static void test_arena__an_unlimited_one_does_not_overflow(void **state)
{
	struct arena a;

	arena_init(&a, SIZE_MAX);
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 5));
	assert_non_null(arena_alloc(&a, 5));
	arena_finish(&a);
}

static void test_arena__strndup_terminates(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(arena_strndup(&f->a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(&f->a, NULL, 0), "");
	assert_memory_equal(arena_strndup(&f->a, "a\0b", 3), "a\0b", 4);
}

static void test_arena__printf_formats_any_length(void **state)
{
	struct fixture *f = *state;
	char *p = arena_printf(&f->a, "%s-%d", "x", 42);

	assert_string_equal(p, "x-42");
	p = arena_printf(&f->a, "%050000d", 7);
	assert_int_equal(strlen(p), 50000);
	assert_int_equal(p[49999], '7');
	assert_null(arena_printf(&f->a, "%01048577d", 7));
}

static void test_arena__str_keeps_absence_and_emptiness(void **state)
{
	struct fixture *f = *state;
	struct str s = arena_str(&f->a, (struct str){ NULL, 0 });

	assert_null(s.s);
	s = arena_str(&f->a, (struct str)STR(""));
	assert_non_null(s.s);
	assert_int_equal(s.len, 0);
	s = arena_str(&f->a, (struct str)STR("é"));
	assert_true(str_is(s, "é"));
	assert_int_equal(s.s[s.len], 0);
}

static int use_all(struct arena *a)
{
	int failed = 0;

	failed += !arena_alloc(a, 20000);
	failed += !arena_zalloc(a, 40000);
	failed += !arena_strndup(a, "abc", 3);
	failed += !arena_printf(a, "%070000d", 1);
	failed += !arena_str(a, (struct str)STR("x")).s;
	return failed;
}

static void test_arena__survives_each_failing_allocation(void **state)
{
	struct fixture *f = *state;
	int n = 0;

	for (int failed = 1; failed; n++) {
		fault_arm(FAULT_ALLOC, n + 1, false);
		failed = use_all(&f->a);
		assert_in_range(failed, 0, 1);
		assert_sane_arena(&f->a);
		fault_disarm_all();
		assert_non_null(arena_alloc(&f->a, 8));
		arena_finish(&f->a);
	}
	assert_true(n > 3); /* otherwise nothing was injected */
}

static void test_arena__finish_takes_a_zeroed_one(void **state)
{
	struct arena a = { 0 };

	arena_finish(&a);
	assert_null(arena_alloc(&a, 1)); /* its limit is nothing */
}

#define T(name) cmocka_unit_test_setup_teardown(test_arena__##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(starts_without_memory),
		T(allocations_are_aligned_and_apart),
		T(zalloc_is_zeroed_after_reset),
		T(reset_keeps_the_first_block_only),
		T(refuses_more_than_its_limit),
		T(an_unlimited_one_does_not_overflow),
		T(strndup_terminates),
		T(printf_formats_any_length),
		T(str_keeps_absence_and_emptiness),
		T(survives_each_failing_allocation),
		T(finish_takes_a_zeroed_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
