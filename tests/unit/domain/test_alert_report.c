#include "domain/alert_report.h"

#include "tests/unit/domain/fixture.h"

#define EVENT(at, type, channel) "('" at "', 'critical', '" type "', '" channel "', 'f', NULL)"

static void add_events(struct fixture *f)
{
	write_rows(f, "INSERT INTO core_criticalalertevent (created_at, severity, event_type, channel, fingerprint, payload_excerpt) "
	              "VALUES " EVENT("2025-12-31 23:59:59", "BEFORE", "email") ", " EVENT("2026-01-01 00:00:00", "B", "email") ", " EVENT(
	                      "2026-01-10 10:00:00", "A",
	                      "both") ", " EVENT("2026-01-11 10:00:00", "C",
	                                         "email") ", " EVENT("2026-01-31 23:59:59.999999", "C",
	                                                             "webhook") ", " EVENT("2026-02-01 00:00:00", "AFTER", "email"));
}

static void check_counts(const struct db_rows *rows, const struct alert_count *expected, size_t n)
{
	const struct alert_count *counts = rows->items;

	assert_int_equal(rows->n, n);
	for (size_t i = 0; i < n; i++) {
		assert_text(counts[i].name, expected[i].name.s);
		assert_int_equal(counts[i].n, expected[i].n);
	}
}

static void test_alert_report__counts_what_lies_within(void **state)
{
	static const struct alert_count types[] = { { STR("C"), 2 }, { STR("A"), 1 }, { STR("B"), 1 } };
	static const struct alert_count channels[] = { { STR("email"), 2 }, { STR("both"), 1 }, { STR("webhook"), 1 } };
	struct fixture *f = *state;
	struct alert_report report;

	add_events(f);
	assert_ok(alert_report(f->conn, &f->arena, (struct instant){ january(1) }, (struct instant){ january(32) }, &report));
	assert_int_equal(report.total, 4);
	assert_int_equal(report.first.us, january(1));
	assert_int_equal(report.last.us, january(32) - 1);
	check_counts(&report.by_type, types, 3);
	check_counts(&report.by_channel, channels, 3);
}

static void test_alert_report__nothing_is_nothing(void **state)
{
	struct fixture *f = *state;
	struct alert_report report;

	assert_ok(alert_report(f->conn, &f->arena, (struct instant){ january(1) }, (struct instant){ january(32) }, &report));
	assert_int_equal(report.total, 0);
	assert_int_equal(report.first.us, NULL_TIME.us);
	assert_int_equal(report.by_type.n + report.by_channel.n, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { CASE(test_alert_report__counts_what_lies_within),
		                                   CASE(test_alert_report__nothing_is_nothing) };

	return RUN_ON_BOTH(tests);
}
