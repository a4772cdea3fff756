/* Ids are remembered for a while, the oldest leave. */
#include "tasks/revoked.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/lib/test.h"

static struct str number(char text[16], int n)
{
	return (struct str){ text, (size_t)snprintf(text, 16, "id-%d", n) };
}

static size_t count(struct revoked *r)
{
	json_t *list = revoked_list(r);
	size_t n = json_array_size(list);

	json_decref(list);
	return n;
}

static void test_revoked__remembered_once(void **state)
{
	struct revoked *r = revoked_create();
	char text[16];

	assert_false(revoked_has(r, number(text, 1)));
	for (int i = 0; i < 3; i++)
		assert_true(revoked_add(r, number(text, 1)));
	assert_true(revoked_has(r, number(text, 1)) && !revoked_has(r, number(text, 2)));
	assert_int_equal(count(r), 1);
	revoked_destroy(r);
}

static void test_revoked__the_oldest_leave(void **state)
{
	struct revoked *r = revoked_create();
	char text[16];

	for (int i = 0; i < REVOKED_MAX + 1000; i++)
		assert_true(revoked_add(r, number(text, i)));
	assert_int_equal(count(r), REVOKED_MAX);
	for (int i = 0; i < REVOKED_MAX + 1000; i++)
		assert_int_equal(revoked_has(r, number(text, i)), i >= 1000);
	revoked_destroy(r);
}

static void test_revoked__three_hours(void **state)
{
	struct revoked *r = revoked_create();
	char text[16];

	revoked_add(r, number(text, 1));
	clock_advance_for_tests(2 * 3600 * US_PER_S);
	revoked_add(r, number(text, 2));
	clock_advance_for_tests(3600 * US_PER_S);
	assert_int_equal(count(r), 1);
	assert_true(revoked_has(r, number(text, 2)) && !revoked_has(r, number(text, 1)));
	revoked_destroy(r);
	revoked_destroy(NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_revoked__remembered_once),
		cmocka_unit_test(test_revoked__the_oldest_leave),
		cmocka_unit_test(test_revoked__three_hours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
