#include "tasks/pulse.h"

#include "base/metrics.h"
#include "tasks/beat.h"
#include "tests/unit/domain/grains.h"

static struct settings settings;
static struct task_services services = { .settings = &settings };

/* What a first look finds. */
static struct tasks_state look(struct fixture *f)
{
	struct tasks_state state;
	struct pulse *pulse;
	struct error err = { 0 };

	services.db = f->db;
	if (pulse_create(&services, &pulse, &err) < 0)
		fail_msg("%s", err.text);
	pulse_look(pulse);
	pulse_state(pulse, &state);
	pulse_destroy(pulse);
	return state;
}

/* All entries of the schedule were last due when they should have been, but for one, which was so long before. */
static void keep_schedule(struct fixture *f, const char *but, int64_t before_us)
{
	size_t n;
	const struct beat_entry *entries = beat_schedule(&n);

	for (size_t i = 0; i < n; i++) {
		char sql[300], at[CLOCK_ISO_SIZE];
		struct instant due;
		struct cron cron;

		assert_int_equal(cron_parse(str_of(entries[i].cron), &cron, NULL), 0);
		due = cron_last(&cron, clock_now());
		if (strcmp(entries[i].name, but) == 0)
			due.us -= before_us;
		clock_format_sql(due, at);
		snprintf(sql, sizeof(sql), "INSERT INTO egoejo_beat (name, last_due_at, total_runs) VALUES ('%s', '%s', 1)",
		         entries[i].name, at);
		write_rows(f, sql);
	}
}

static void test_pulse__nothing_is_known_of_a_new_database(void **state)
{
	struct fixture *f = *state;
	struct tasks_state s = look(f);

	assert_string_equal(s.beat, "never");
	assert_int_equal(s.beat_due.us, NULL_TIME.us);
	assert_int_equal(s.workers, NULL_INT);
	assert_string_equal(s.compost, "off");
}

static void test_pulse__a_schedule_that_is_kept(void **state)
{
	struct fixture *f = *state;
	struct tasks_state s;

	keep_schedule(f, "", 0);
	s = look(f);
	assert_string_equal(s.beat, "ok");
	assert_true(s.beat_due.us <= clock_now().us && s.beat_due.us > clock_now().us - 3600 * US_PER_S);
}

static void test_pulse__one_entry_that_is_late_is_enough(void **state)
{
	struct fixture *f = *state;

	keep_schedule(f, "check-celery-beat-health", 2 * DAY_US);
	assert_string_equal(look(f).beat, "late");
	assert_true(metric_value(metric_series(METRIC_BEAT_OVERDUE, "")) >= DAY_US);
}

static void test_pulse__the_last_compost_is_looked_at(void **state)
{
	struct fixture *f = *state;
	struct saka_compost c = { .settings = &rules, .source = "celery" };

	settings.saka_compost_enabled = true;
	assert_string_equal(look(f).compost, "error");
	assert_ok(saka_compost_run(f->conn, &c));
	assert_string_equal(look(f).compost, "ok");
	settings.saka_compost_enabled = false;
	assert_string_equal(look(f).compost, "off");
}

static void test_pulse__what_the_database_does_not_tell_stays(void **state)
{
	struct fixture *f = *state;
	struct tasks_state s;
	struct pulse *pulse;

	services.db = f->db;
	keep_schedule(f, "", 0);
	assert_int_equal(pulse_create(&services, &pulse, NULL), 0);
	pulse_look(pulse);
	fault_arm(FAULT_SQL_STEP, 1, true);
	pulse_look(pulse);
	fault_disarm_all();
	pulse_state(pulse, &s);
	pulse_destroy(pulse);
	assert_string_equal(s.beat, "ok");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_pulse__nothing_is_known_of_a_new_database),    CASE(test_pulse__a_schedule_that_is_kept),
		CASE(test_pulse__one_entry_that_is_late_is_enough),      CASE(test_pulse__the_last_compost_is_looked_at),
		CASE(test_pulse__what_the_database_does_not_tell_stays),
	};

	return RUN_ON_BOTH(tests);
}
