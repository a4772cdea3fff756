/* Cron expressions, with Celery's crontab as the oracle. */
#include "tasks/cron.h"

#include "base/clock.h"
#include "base/cleanup.h"
#include "tests/lib/test.h"

static struct instant at(const char *text)
{
	struct instant i = NULL_TIME;

	assert_true(clock_parse(str_of(text), &i));
	return i;
}

static struct cron parsed(const char *text)
{
	struct error err = { 0 };
	struct cron cron = { 0 };

	if (cron_parse(str_of(text), &cron, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return cron;
}

static void assert_time(const char *expression, struct instant got, const char *expected)
{
	char text[CLOCK_ISO_SIZE];

	clock_format_sql(got, text);
	if (got.us != at(expected).us)
		fail_msg("%s: %s instead of %s", expression, text, expected);
}

static void test_cron__as_celery_counts(void **state)
{
	static const struct {
		const char *expression, *after, *next, *last;
	} cases[] = {
#define ORACLE(expression, after, next, last) { expression, after, next, last },
#include "tests/unit/tasks/cron_oracle.def"
#undef ORACLE
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct cron cron = parsed(cases[i].expression);

		assert_time(cases[i].expression, cron_next(&cron, at(cases[i].after)), cases[i].next);
		assert_time(cases[i].expression, cron_last(&cron, at(cases[i].after)), cases[i].last);
	}
}

static void test_cron__each_slot_once_and_in_order(void **state)
{
	struct cron cron = parsed("*/20 2,5 * * 1-3");
	struct instant t = at("2026-01-01 00:00:00");
	int n = 0;

	for (struct instant next; (next = cron_next(&cron, t)).us < at("2026-03-01 00:00:00").us; t = next, n++) {
		assert_true(next.us > t.us);
		assert_true(cron_last(&cron, next).us == next.us);
		assert_true(cron_last(&cron, (struct instant){ next.us - 1 }).us <= t.us || n == 0);
	}
	assert_int_equal(n, 6 * (8 + 8 + 8)); /* eight Mondays, Tuesdays and Wednesdays */
}

static void test_cron__a_day_that_does_not_exist(void **state)
{
	struct cron cron = parsed("0 0 30 2 *");

	assert_true(cron_next(&cron, at("2026-01-01")).us == NULL_TIME.us);
	assert_true(cron_last(&cron, at("2026-01-01")).us == NULL_TIME.us);
}

static void test_cron__before_1970(void **state)
{
	struct cron cron = parsed("0 0 1 1 *");

	assert_time("before 1970", cron_next(&cron, at("1968-06-01 00:00:30")), "1969-01-01 00:00:00");
	assert_time("before 1970", cron_last(&cron, at("1968-06-01 00:00:30")), "1968-01-01 00:00:00");
}

static void test_cron__what_is_none(void **state)
{
	static const char *const wrong[] = { "",           "* * * *",    "* * * * * *",  "60 * * * *",  "* 24 * * *", "* * 0 * *",
		                             "* * * 13 *", "* * * * 7",  "*/0 * * * *",  "a * * * *",   "1- * * * *", "1,,2 * * * *",
		                             "-1 * * * *", "1/ * * * *", "5/10 * * * *", "* * * * janv" };

	for (size_t i = 0; i < N_ELEMENTS(wrong); i++) {
		struct cron cron;
		struct error err = { 0 };

		if (cron_parse(str_of(wrong[i]), &cron, &err) != ERR_INVALID)
			fail_msg("%s", wrong[i]);
		assert_true(err.text[0]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cron__as_celery_counts),
		cmocka_unit_test(test_cron__each_slot_once_and_in_order),
		cmocka_unit_test(test_cron__a_day_that_does_not_exist),
		cmocka_unit_test(test_cron__before_1970),
		cmocka_unit_test(test_cron__what_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
