#include "domain/moderation.h"

#include "tests/unit/domain/accounts.h"

static const struct account ana = { .id = 1, .username = STR("ana") };
static const struct account carol = { .id = 2, .username = STR("carol"), .is_staff = true };
static const struct account dora = { .id = 3, .username = STR("dora"), .is_staff = true };

static const struct moderation_report nothing_changed = { .id = 0 };

static struct moderation_report a_report(const char *reason)
{
	return (struct moderation_report){
		.report_type = STR("user"), .target_id = STR("7"), .status = STR("pending"), .reason = str_of(reason), .resolution = STR("")
	};
}

static void add_people(struct fixture *f)
{
	add_account(f, 1, "ana", "!", true);
	add_account(f, 2, "carol", "!", true);
	add_account(f, 3, "dora", "!", true);
}

/* Files a report of ana's. */
static struct moderation_report file(struct fixture *f, const char *reason)
{
	struct moderation_report in = a_report(reason), report = { .id = 0 };

	assert_ok(moderation_create(f->conn, &f->arena, &ana, &in, &report));
	return report;
}

static struct moderation_report update(struct fixture *f, const struct account *staff, int64_t id, struct moderation_report change)
{
	struct moderation_report report = { .id = 0 };

	assert_ok(moderation_update(f->conn, &f->arena, staff, id, &change, &report));
	return report;
}

static void test_moderation__filing(void **state)
{
	struct fixture *f = *state;
	int64_t before = clock_now().us;
	struct moderation_report r, stored;

	add_people(f);
	r = file(f, "Propos déplacés 🌋");
	assert_ok(moderation_find(f->conn, &f->arena, r.id, &stored));
	assert_int_equal(stored.id, r.id);
	assert_int_equal(stored.reporter.id, 1);
	assert_text(stored.reporter.username, "ana");
	assert_text(stored.reporter.email, "ana@example.org");
	assert_text(stored.reporter.first_name, "Ana");
	assert_text(stored.reporter.last_name, "Martin");
	assert_true(stored.resolver.id == NULL_INT);
	assert_text(stored.report_type, "user");
	assert_text(stored.target_id, "7");
	assert_text(stored.status, "pending");
	assert_text(stored.reason, "Propos déplacés 🌋");
	assert_text(stored.resolution, "");
	assert_true(stored.created_at.us >= before && stored.created_at.us == stored.updated_at.us);
	assert_true(r.created_at.us == stored.created_at.us);
	assert_int_equal(number(f, "SELECT count(*) FROM core_auditlog WHERE actor_id = 1 AND action = 'moderation_report_create' AND "
	                           "target_type = 'moderation_report'"),
	                 1);
}

static void test_moderation__the_journal_keeps_what_was_reported(void **state)
{
	struct fixture *f = *state;
	struct moderation_report in = a_report("x"), report;
	struct audit_row {
		struct str target_id;
		struct json_text metadata;
	} entry;
	static const struct db_column columns[] = { DB_COLUMN(struct audit_row, target_id, TEXT, "target_id"),
		                                    DB_COLUMN(struct audit_row, metadata, JSON, "metadata") };
	static const struct db_row row = DB_ROW(struct audit_row, columns);
	static const struct db_statement only = { "SELECT $cols FROM core_auditlog", &row };
	char id[24];

	add_people(f);
	in.target_id = TEXT("\"}, 7 — é");
	assert_ok(moderation_create(f->conn, &f->arena, &ana, &in, &report));
	assert_ok(db_select_one(f->conn, &only, DB_NO_PARAMS, &f->arena, &entry));
	snprintf(id, sizeof(id), "%lld", (long long)report.id);
	assert_text(entry.target_id, id);
	assert_non_null(strstr(entry.metadata.text.s, "\\\"}, 7 — é"));
}

static void test_moderation__twice_is_fine_and_newest_come_first(void **state)
{
	struct fixture *f = *state;
	struct moderation_report first, second, third;
	const struct moderation_report *list;
	struct db_rows rows;
	int64_t count;

	add_people(f);
	first = file(f, "a");
	second = file(f, "a");
	third = file(f, "b");
	assert_true(first.id < second.id && second.id < third.id);
	write_rows(f, "UPDATE core_moderationreport SET created_at = '2026-01-05 00:00:00' WHERE reason = 'a'"); /* equal: by id */
	assert_ok(moderation_count(f->conn, &count));
	assert_int_equal(count, 3);
	assert_ok(moderation_list(f->conn, &f->arena, 20, 0, &rows));
	assert_int_equal(rows.n, 3);
	list = rows.items;
	assert_int_equal(list[0].id, third.id);
	assert_int_equal(list[1].id, second.id);
	assert_int_equal(list[2].id, first.id);
	assert_ok(moderation_list(f->conn, &f->arena, 1, 2, &rows));
	assert_int_equal(rows.n, 1);
	assert_int_equal(((const struct moderation_report *)rows.items)->id, first.id);
}

static void test_moderation__deciding(void **state)
{
	struct fixture *f = *state;
	struct moderation_report filed, r;

	add_people(f);
	filed = file(f, "a");
	r = update(f, &carol, filed.id, (struct moderation_report){ .status = STR("rejected"), .resolution = STR("infondé") });
	assert_text(r.status, "rejected");
	assert_text(r.resolution, "infondé");
	assert_text(r.reason, "a"); /* as it was */
	assert_text(r.report_type, "user");
	assert_text(r.target_id, "7");
	assert_int_equal(r.resolver.id, 2);
	assert_int_equal(r.reporter.id, 1);
	assert_true(r.updated_at.us >= filed.updated_at.us && r.created_at.us == filed.created_at.us);
	r = update(f, &dora, filed.id, (struct moderation_report){ .status = STR("pending") });
	assert_text(r.status, "pending");
	assert_int_equal(r.resolver.id, 2); /* who decided before */
	assert_text(r.resolution, "infondé");
	r = update(f, &dora, filed.id, (struct moderation_report){ .reason = STR("b"), .report_type = STR("poll"), .target_id = STR("9") });
	assert_int_equal(r.resolver.id, 2); /* nothing is decided */
	assert_text(r.reason, "b");
	assert_text(r.report_type, "poll");
	assert_text(r.target_id, "9");
	r = update(f, &dora, filed.id, (struct moderation_report){ .status = STR("accepted") });
	assert_int_equal(r.resolver.id, 3);
	r = update(f, &carol, filed.id, nothing_changed); /* it still is decided, and now by whom saw it last */
	assert_int_equal(r.resolver.id, 2);
	assert_text(r.status, "accepted");
	assert_int_equal(number(f, "SELECT count(*) FROM core_auditlog WHERE action = 'moderation_report_update'"), 5);
	assert_int_equal(number(f, "SELECT count(*) FROM core_auditlog WHERE action = 'moderation_report_update' AND actor_id = 3 AND "
	                           "CAST(metadata AS text) LIKE '%accepted%'"),
	                 1);
}

static void test_moderation__deleting(void **state)
{
	struct fixture *f = *state;
	struct moderation_report r, other;

	add_people(f);
	r = file(f, "a");
	other = file(f, "b");
	assert_ok(moderation_delete(f->conn, &carol, r.id));
	assert_int_equal(moderation_find(f->conn, &f->arena, r.id, &r), ERR_NOT_FOUND);
	assert_int_equal(number(f, "SELECT count(*) FROM core_moderationreport"), 1);
	assert_int_equal(moderation_delete(f->conn, &carol, r.id), ERR_NOT_FOUND);
	assert_int_equal(number(f, "SELECT count(*) FROM core_auditlog WHERE action = 'moderation_report_delete' AND actor_id = 2"), 1);
	assert_ok(moderation_find(f->conn, &f->arena, other.id, &other));
}

static void test_moderation__what_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct moderation_report r = { .id = 77 };

	add_people(f);
	assert_int_equal(moderation_find(f->conn, &f->arena, 5, &r), ERR_NOT_FOUND);
	assert_int_equal(moderation_update(f->conn, &f->arena, &carol, 5, &nothing_changed, &r), ERR_NOT_FOUND);
	assert_int_equal(r.id, 77);
	assert_int_equal(number(f, "SELECT count(*) FROM core_auditlog"), 0);
}

static void test_moderation__accounts_that_are_gone(void **state)
{
	struct fixture *f = *state;
	struct moderation_report r;

	add_people(f);
	r = file(f, "a");
	update(f, &carol, r.id, (struct moderation_report){ .status = STR("accepted") });
	write_rows(f, "UPDATE core_moderationreport SET reporter_id = NULL, resolved_by_id = NULL");
	assert_ok(moderation_find(f->conn, &f->arena, r.id, &r));
	assert_true(r.reporter.id == NULL_INT && r.resolver.id == NULL_INT);
	assert_true(!r.reporter.username.s && !r.resolver.email.s);
}

/* Every statement fails once: then neither the row nor its entry has changed. */
static void test_moderation__all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct moderation_report in = a_report("a"), r;
	const struct moderation_report change = { .status = STR("accepted") };
	int result = ERR_INTERNAL;
	int64_t id;

	add_people(f);
	id = file(f, "a").id;
	for (int n = 1; result < 0; n++) {
		assert_true(n < 20);
		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		result = moderation_create(f->conn, &f->arena, &ana, &in, &r);
		fault_disarm_all();
		assert_int_equal(number(f, "SELECT count(*) FROM core_moderationreport"), 1 + (result == 0));
		assert_int_equal(number(f, "SELECT count(*) FROM core_auditlog"), 1 + (result == 0));
	}
	result = ERR_INTERNAL;
	for (int n = 1; result < 0; n++) {
		assert_true(n < 20);
		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		result = moderation_update(f->conn, &f->arena, &carol, id, &change, &r);
		fault_disarm_all();
		assert_int_equal(number(f, "SELECT count(*) FROM core_moderationreport WHERE status = 'accepted'"), result == 0);
		assert_int_equal(number(f, "SELECT count(*) FROM core_auditlog"), 2 + (result == 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_moderation__filing),
		CASE(test_moderation__the_journal_keeps_what_was_reported),
		CASE(test_moderation__twice_is_fine_and_newest_come_first),
		CASE(test_moderation__deciding),
		CASE(test_moderation__deleting),
		CASE(test_moderation__what_is_not_there),
		CASE(test_moderation__accounts_that_are_gone),
		CASE(test_moderation__all_or_nothing),
	};

	return RUN_ON_BOTH(tests);
}
