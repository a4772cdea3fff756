/* Beat: what is due when, each due time once, clocks that jump. */
#include "tasks/beat.h"

#include "base/log.h"
#include "tests/lib/wait.h"
#include "tests/unit/domain/fixture.h"

#define ENOUGH_MS 15000
#define HOUR_US   (3600 * US_PER_S)
#define DAY_US    (24 * HOUR_US)

static const struct beat_entry hourly[] = { { "hourly", "core.tasks.check_redis_health", "0 * * * *", "[]" } };

static struct instant at(const char *text)
{
	struct instant i = NULL_TIME;

	assert_true(clock_parse(str_of(text), &i));
	return i;
}

static int64_t number(struct fixture *f, const char *sql)
{
	int64_t n = -1;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}

#define ENQUEUED "SELECT count(*) FROM egoejo_outbox"

/* Moves the clock to the middle of an hour, so that no due time comes by itself. */
static void to_mid_hour(void)
{
	int64_t now_us = clock_now().us;

	clock_step_for_tests(HOUR_US / 2 - now_us % HOUR_US + (now_us % HOUR_US > HOUR_US / 2 ? HOUR_US : 0));
}

static struct beat *start_beat(struct fixture *f, const struct beat_entry *entries, size_t n)
{
	struct beat *beat;
	struct error err = { 0 };

	if (beat_create(f->db, entries, n, &beat, &err) < 0 || beat_start(beat, &err) < 0)
		fail_msg("%s", err.text);
	return beat;
}

static void test_beat__the_rule(void **state)
{
	static const struct {
		const char *last, *now;
		enum beat_step step;
		const char *due;
	} cases[] = {
		/* Mondays at 3 */
		{ NULL, "2026-01-06 12:00:00", BEAT_BEGIN, "2026-01-05 03:00:00" },
		{ "2026-01-05 03:00:00", "2026-01-05 03:00:00", BEAT_WAIT, "2026-01-12 03:00:00" },
		{ "2026-01-05 03:00:00", "2026-01-12 02:59:59", BEAT_WAIT, "2026-01-12 03:00:00" },
		{ "2026-01-05 03:00:00", "2026-01-12 03:00:00", BEAT_FIRE, "2026-01-12 03:00:00" },
		{ "2026-01-05 03:00:00", "2026-01-13 02:59:59", BEAT_FIRE, "2026-01-12 03:00:00" },
		{ "2026-01-05 03:00:00", "2026-01-13 03:00:00", BEAT_SKIP, "2026-01-12 03:00:00" },
		{ "2026-01-05 03:00:00", "2026-03-02 03:00:01", BEAT_FIRE, "2026-03-02 03:00:00" }, /* once for all that were missed */
		{ "2026-01-12 03:00:00", "2026-01-10 00:00:00", BEAT_WAIT, "2026-01-19 03:00:00" }, /* the clock went back */
		{ "2027-01-04 03:00:00", "2026-01-10 00:00:00", BEAT_RESET, "2026-01-05 03:00:00" },
	};
	struct cron cron;

	assert_int_equal(cron_parse(TEXT("0 3 * * 1"), &cron, NULL), 0);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct instant due;

		assert_int_equal(beat_decide(&cron, cases[i].last ? at(cases[i].last) : NULL_TIME, at(cases[i].now), &due), cases[i].step);
		assert_true(due.us == at(cases[i].due).us);
	}
}

static void test_beat__each_due_time_once_however_many_schedulers(void **state)
{
	struct fixture *f = *state;
	struct beat *beats[4];

	to_mid_hour();
	for (size_t i = 0; i < 4; i++)
		beats[i] = start_beat(f, hourly, 1);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, "SELECT count(*) FROM egoejo_beat") == 1));
	for (int hour = 1; hour <= 3; hour++) {
		clock_step_for_tests(HOUR_US);
		for (size_t i = 0; i < 4; i++)
			beat_wake(beats[i]);
		assert_true(WAIT_FOR(ENOUGH_MS, number(f, ENQUEUED) == hour));
		assert_false(WAIT_FOR(200, number(f, ENQUEUED) > hour));
	}
	assert_int_equal(number(f, "SELECT total_runs FROM egoejo_beat"), 3);
	for (size_t i = 0; i < 4; i++)
		beat_destroy(beats[i]);
}

static void test_beat__what_was_missed(void **state)
{
	struct fixture *f = *state;

	to_mid_hour();
	beat_destroy(start_beat(f, hourly, 1));
	assert_int_equal(number(f, ENQUEUED), 0); /* the first start makes up for nothing */
	clock_step_for_tests(5 * HOUR_US);
	beat_destroy(start_beat(f, hourly, 1));
	assert_int_equal(number(f, ENQUEUED), 1); /* once for five */
	beat_destroy(start_beat(f, hourly, 1));
	assert_int_equal(number(f, ENQUEUED), 1);
}

static void test_beat__a_clock_that_jumps(void **state)
{
	struct fixture *f = *state;
	struct beat *beat;

	to_mid_hour();
	beat = start_beat(f, hourly, 1);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, "SELECT count(*) FROM egoejo_beat") == 1));
	clock_step_for_tests(3 * HOUR_US);
	beat_wake(beat);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ENQUEUED) == 1));
	clock_step_for_tests(-3 * HOUR_US);
	for (int i = 0; i < 3; i++) { /* those hours have been */
		clock_step_for_tests(HOUR_US);
		beat_wake(beat);
		assert_false(WAIT_FOR(200, number(f, ENQUEUED) > 1));
	}
	clock_step_for_tests(HOUR_US);
	beat_wake(beat);
	assert_true(WAIT_FOR(ENOUGH_MS, number(f, ENQUEUED) == 2));
	beat_destroy(beat);
}

static void test_beat__too_long_ago_is_passed_over(void **state)
{
	static const struct beat_entry yearly[] = { { "yearly", "core.tasks.check_redis_health", "0 0 1 1 *", "[]" } };
	struct fixture *f = *state;

	write_rows(f, "INSERT INTO egoejo_beat (name, last_due_at, total_runs) VALUES ('yearly', '2020-01-01 00:00:00', 5)");
	beat_destroy(start_beat(f, yearly, 1));
	assert_int_equal(number(f, ENQUEUED), 0);
	assert_int_equal(number(f, "SELECT count(*) FROM egoejo_beat WHERE total_runs = 5 AND last_due_at > '2025-12-31 00:00:00'"), 1);
}

static void test_beat__its_message(void **state)
{
	struct fixture *f = *state;

	to_mid_hour();
	beat_destroy(start_beat(f, hourly, 1));
	clock_step_for_tests(HOUR_US);
	beat_destroy(start_beat(f, hourly, 1));
	assert_int_equal(number(f, ENQUEUED " WHERE name = 'core.tasks.check_redis_health' AND queue = 'celery'"), 1);
	assert_int_equal(number(f, ENQUEUED " WHERE envelope LIKE '%\"celery_beat_task\": true%'"), 1);
}

static void test_beat__the_schedule(void **state)
{
	struct fixture *f = *state;
	size_t n;
	const struct beat_entry *entries = beat_schedule(&n);

	assert_int_equal(n, 8);
	beat_destroy(start_beat(f, NULL, 0)); /* all expressions are */
	assert_int_equal(number(f, "SELECT count(*) FROM egoejo_beat"), 8);
	for (size_t i = 0; i < n; i++)
		if (!task_find(str_of(entries[i].task)))
			fail_msg("no such task: %s", entries[i].task);
}

static void test_beat__what_names_no_task_does_not_start(void **state)
{
	static const struct beat_entry unknown[] = { { "ghost", "core.tasks.nobody_has_this", "0 * * * *", "[]" } };
	struct fixture *f = *state;
	struct beat *beat = NULL;
	struct error err = { 0 };

	assert_int_equal(beat_create(f->db, unknown, 1, &beat, &err), ERR_INVALID);
	assert_null(beat);
	assert_string_equal(err.text, "ghost: there is no task core.tasks.nobody_has_this");
}

static int begin_beat(void **state)
{
	static bool quiet;

	if (!quiet)
		log_init(LOG_TEXT, LOG_CRITICAL, STDERR_FILENO);
	quiet = true;
	return begin(state);
}

#define BEAT_CASE(name) cmocka_unit_test_setup_teardown(name, begin_beat, end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		BEAT_CASE(test_beat__the_rule),
		BEAT_CASE(test_beat__each_due_time_once_however_many_schedulers),
		BEAT_CASE(test_beat__what_was_missed),
		BEAT_CASE(test_beat__a_clock_that_jumps),
		BEAT_CASE(test_beat__too_long_ago_is_passed_over),
		BEAT_CASE(test_beat__its_message),
		BEAT_CASE(test_beat__the_schedule),
		BEAT_CASE(test_beat__what_names_no_task_does_not_start),
	};

	return RUN_ON_BOTH(tests);
}
