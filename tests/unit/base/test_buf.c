#include "base/buf.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "tests/lib/test.h"

static void assert_sane_buf(const struct buf *b)
{
	assert_true(b->data ? b->len < b->cap : b->len == 0 && b->cap == 0);
	if (b->data)
		assert_int_equal(b->data[b->len], 0);
}

static void test_buf__an_empty_one_has_a_view(void **state)
{
	struct buf b = BUF_EMPTY;

	assert_non_null(buf_view(&b).s);
	assert_int_equal(buf_view(&b).len, 0);
	buf_finish(&b);
}

static void test_buf__appends_each_kind(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	buf_add_char(&b, 'a');
	assert_sane_buf(&b);
	buf_add(&b, "b\0c", 3);
	buf_add_text(&b, "d");
	buf_add_str(&b, (struct str)STR("ef"));
	buf_add_str(&b, (struct str){ NULL, 0 });
	buf_addf(&b, "<%d|%s>", -5, "g");
	buf_add(&b, NULL, 0);
	assert_false(b.failed);
	assert_true(str_equal(buf_view(&b), (struct str)STR("ab\0cdef<-5|g>")));
	assert_sane_buf(&b);
}

static void test_buf__grows_byte_by_byte(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	for (int i = 0; i < 10000; i++)
		buf_add_char(&b, (char)('a' + i % 26));
	assert_int_equal(b.len, 10000);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	assert_sane_buf(&b);
}

static void test_buf__formats_across_a_growth(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	for (int i = 0; i < 300; i++)
		buf_addf(&b, "%03d,", i);
	assert_int_equal(b.len, 1200);
	assert_memory_equal(b.data + 255 * 4, "255,", 4);
	assert_sane_buf(&b);
}

static void test_buf__clear_keeps_memory_and_forgets_failure(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;
	char *data;

	buf_add_text(&b, "hello");
	data = b.data;
	b.failed = true;
	buf_clear(&b);
	assert_false(b.failed);
	assert_int_equal(b.len, 0);
	assert_ptr_equal(b.data, data);
	assert_sane_buf(&b);
	buf_add_text(&b, "x");
	assert_true(str_is(buf_view(&b), "x"));
}

static void test_buf__a_failure_sticks(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	buf_add_text(&b, "kept");
	fault_arm(FAULT_ALLOC, 1, false);
	buf_addf(&b, "%0500d", 1);
	assert_true(b.failed);
	buf_add_char(&b, 'x');
	buf_add_text(&b, "y");
	buf_addf(&b, "z");
	assert_false(buf_reserve(&b, 1));
	assert_true(b.failed);
	assert_true(str_is(buf_view(&b), "kept"));
	fault_disarm_all();
}

static void test_buf__refuses_absurd_sizes(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_true(b.failed);
	buf_clear(&b);
	buf_add_text(&b, "x");
	assert_false(buf_reserve(&b, SIZE_MAX / 2));
	assert_int_equal(b.len, 1);
}

static void test_buf__detach_gives_the_content_away(void **state)
{
	struct buf b = BUF_EMPTY;
	size_t len = 99;
	char *p;

	buf_add_text(&b, "mine");
	p = buf_detach(&b, &len);
	assert_string_equal(p, "mine");
	assert_int_equal(len, 4);
	assert_null(b.data);
	free(p);
	p = buf_detach(&b, NULL); /* an empty one is an empty string, not NULL */
	assert_string_equal(p, "");
	free(p);
}

static void test_buf__detach_of_a_failed_one_is_null(void **state)
{
	struct buf b = BUF_EMPTY;
	size_t len = 99;

	buf_add_text(&b, "x");
	b.failed = true;
	assert_null(buf_detach(&b, &len));
	assert_int_equal(len, 99);
	assert_null(b.data);
	assert_false(b.failed);
}

static void test_buf__reserve_makes_room_without_length(void **state)
{
	CLEANUP(buf_finish) struct buf b = BUF_EMPTY;

	assert_true(buf_reserve(&b, 1000));
	assert_true(b.cap > 1000);
	assert_int_equal(b.len, 0);
	fault_arm(FAULT_ALLOC, 1, true);
	for (int i = 0; i < 1000; i++)
		buf_add_char(&b, 'x');
	fault_disarm_all();
	assert_false(b.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf__an_empty_one_has_a_view),
		cmocka_unit_test(test_buf__appends_each_kind),
		cmocka_unit_test(test_buf__grows_byte_by_byte),
		cmocka_unit_test(test_buf__formats_across_a_growth),
		cmocka_unit_test(test_buf__clear_keeps_memory_and_forgets_failure),
		cmocka_unit_test(test_buf__a_failure_sticks),
		cmocka_unit_test(test_buf__refuses_absurd_sizes),
		cmocka_unit_test(test_buf__detach_gives_the_content_away),
		cmocka_unit_test(test_buf__detach_of_a_failed_one_is_null),
		cmocka_unit_test(test_buf__reserve_makes_room_without_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
