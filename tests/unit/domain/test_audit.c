#include "domain/audit.h"

#include "tests/unit/domain/fixture.h"

struct entry {
	int64_t actor_id;
	struct str action, target_type, target_id;
	struct json_text metadata;
	struct instant created_at;
};

static const struct db_column columns[] = {
	DB_COLUMN(struct entry, actor_id, INT, "actor_id"),        DB_COLUMN(struct entry, action, TEXT, "action"),
	DB_COLUMN(struct entry, target_type, TEXT, "target_type"), DB_COLUMN(struct entry, target_id, TEXT, "target_id"),
	DB_COLUMN(struct entry, metadata, JSON, "metadata"),       DB_COLUMN(struct entry, created_at, TIME, "created_at"),
};
static const struct db_row row = DB_ROW(struct entry, columns);

/* What one closure writes. */
struct order {
	int64_t actor, target;
	struct json_text metadata;
	int result; /* of the closure, after the entry */
};

static int write_entry(struct db_conn *db, void *arg)
{
	const struct order *o = arg;
	int r = audit_write(db, o->actor, "content_publish", "educational_content", o->target, o->metadata);

	return r < 0 ? r : o->result;
}

static struct db_rows entries(struct fixture *f)
{
	static const struct db_statement all = { "SELECT $cols FROM core_auditlog ORDER BY id", &row };
	struct db_rows rows;

	assert_ok(db_select(f->conn, &all, DB_NO_PARAMS, &f->arena, &rows));
	return rows;
}

static void test_audit__one_entry(void **state)
{
	struct fixture *f = *state;
	struct order o = { 3, 42, { STR("{\"old_status\": \"pending\"}") }, 0 };
	const struct entry *e;
	int64_t before = clock_now().us;

	write_rows(f, "INSERT INTO auth_user (id, password, is_superuser, is_staff, is_active, username, last_name, email, date_joined, "
	              "first_name) VALUES (3, '!', FALSE, FALSE, TRUE, 'ana', '', '', '2026-01-05 00:00:00', '')");
	assert_ok(db_write(f->conn, write_entry, &o));
	e = entries(f).items;
	assert_int_equal(entries(f).n, 1);
	assert_int_equal(e->actor_id, 3);
	assert_text(e->action, "content_publish");
	assert_text(e->target_type, "educational_content");
	assert_text(e->target_id, "42");
	assert_text(e->metadata.text, "{\"old_status\": \"pending\"}");
	assert_true(e->created_at.us >= before && e->created_at.us <= clock_now().us);
}

static void test_audit__nobody_and_nothing(void **state)
{
	struct fixture *f = *state;
	struct order o = { NULL_INT, NULL_INT, { NOTHING }, 0 };
	const struct entry *e;

	assert_ok(db_write(f->conn, write_entry, &o));
	e = entries(f).items;
	assert_true(e->actor_id == NULL_INT);
	assert_text(e->target_id, "");
	assert_text(e->metadata.text, "{}");
}

static void test_audit__goes_with_its_change(void **state)
{
	struct fixture *f = *state;
	struct order o = { NULL_INT, 1, { NOTHING }, ERR_INVALID };

	assert_int_equal(db_write(f->conn, write_entry, &o), ERR_INVALID);
	assert_int_equal(entries(f).n, 0);
}

static void test_audit__entries_newest_first_with_who_it_was(void **state)
{
	struct fixture *f = *state;
	const struct audit_entry *e;
	struct audit_entry one;
	struct db_rows rows;
	int64_t n = 0;

	write_rows(f, "INSERT INTO auth_user (id, password, is_superuser, is_staff, is_active, username, last_name, email, date_joined, "
	              "first_name) VALUES (7, '', FALSE, FALSE, TRUE, 'ana', 'B', 'a@b.fr', '2026-01-05 00:00:00', 'A')");
	write_rows(f, "INSERT INTO core_auditlog (id, actor_id, action, target_type, target_id, metadata, created_at) VALUES "
	              "(901, 7, 'poll_open', 'poll', '1', '{\"x\": 1}', '2026-01-05 00:00:00'), "
	              "(902, NULL, 'poll_close', 'poll', '', '{}', '2026-01-06 00:00:00'), "
	              "(903, NULL, 'poll_close', 'poll', '', '{}', '2026-01-05 00:00:00')");
	assert_ok(audit_count(f->conn, &n));
	assert_int_equal(n, 3);
	assert_ok(audit_list(f->conn, &f->arena, 2, 1, &rows));
	assert_int_equal(rows.n, 2);
	e = rows.items;
	assert_int_equal(e[0].id, 903); /* of two at a time the later id */
	assert_true(e[0].actor_id == NULL_INT);
	assert_int_equal(e[1].id, 901);
	assert_int_equal(e[1].actor_id, 7);
	assert_text(e[1].actor_username, "ana");
	assert_text(e[1].actor_email, "a@b.fr");
	assert_text(e[1].actor_first_name, "A");
	assert_text(e[1].actor_last_name, "B");
	assert_text(e[1].target_id, "1");
	assert_ok(audit_find(f->conn, &f->arena, 902, &one));
	assert_text(one.action, "poll_close");
	assert_int_equal(audit_find(f->conn, &f->arena, 904, &one), ERR_NOT_FOUND);
	write_rows(f, "DELETE FROM core_auditlog");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_audit__one_entry),
		CASE(test_audit__nobody_and_nothing),
		CASE(test_audit__goes_with_its_change),
		CASE(test_audit__entries_newest_first_with_who_it_was),
	};

	return RUN_ON_BOTH(tests);
}
