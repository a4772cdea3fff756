#include "domain/file.h"

#include "tests/unit/domain/fixture.h"
#include "tests/unit/domain/messages.h"

#define USER                                                                                                                        \
	"INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "         \
	"first_name) VALUES (7, '', false, 'u', '', 'u@example.org', false, true, '2026-01-01 00:00:00', '');"                      \
	"INSERT INTO core_profile (id, user_id, display_name, bio, avatar, created_at, updated_at) VALUES (4, 7, '', '', 'a.png', " \
	"'2026-01-01 00:00:00', '2026-01-01 00:00:00');"
#define PROJECT(id, image)                                                                                                              \
	"INSERT INTO core_projet (id, titre, description, image, created_at, donation_goal, funding_type, investment_goal, "            \
	"saka_score, saka_supporters_count, active_oracles) VALUES (" #id ", 't', 'd', " image ", '2026-01-01 00:00:00', 0, '', 0, 0, " \
	"0, '[]');"
#define CONTENT(id, file)                                                                                                               \
	"INSERT INTO core_educationalcontent (id, title, slug, type, status, description, external_url, file, created_at, updated_at, " \
	"anonymous_display_name, category, tags, audio_source_hash, embedding_source_hash) VALUES (" #id ", 't', 's" #id                \
	"', 'pdf', 'pending', '', '', " file ", '2026-01-01 00:00:00', '2026-01-01 00:00:00', '', 'autres', '[]', '', '');"

static int64_t count(struct fixture *f, const char *sql)
{
	int64_t n;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}
#define COUNT(sql) count(f, "SELECT COUNT(*) FROM " sql)

static int ask(struct db_conn *db, void *path)
{
	return file_scan_ask(db, str_of(path));
}

static int done(struct db_conn *db, void *path)
{
	return file_scan_done(db, str_of(path));
}

static bool is_waiting(struct fixture *f, const char *path)
{
	bool waiting;

	assert_ok(file_is_waiting(f->conn, str_of(path), &waiting));
	return waiting;
}

static char a[] = "projets/a.png", b[] = "projets/b.png", nothing[] = "";

static void test_file__it_waits_from_the_asking_to_the_verdict(void **state)
{
	struct fixture *f = *state;

	assert_false(is_waiting(f, a));
	assert_ok(db_write(f->conn, ask, a));
	assert_true(is_waiting(f, a));
	assert_false(is_waiting(f, b));
	assert_int_equal(COUNT("egoejo_outbox WHERE name = '" FILE_SCAN_TASK "' AND queue = 'celery' AND durable"), 1);
	assert_text(args_of_last_message(f), "[\"projets/a.png\"]");
	assert_int_equal(COUNT("egoejo_outbox o JOIN egoejo_file_scan s ON s.task_id = o.task_id"), 1);
	assert_ok(db_write(f->conn, done, a));
	assert_ok(db_write(f->conn, done, b));
	assert_false(is_waiting(f, a));
	assert_ok(db_write(f->conn, ask, nothing));
	assert_int_equal(COUNT("egoejo_outbox"), 1);
}

struct failure {
	const char *why;
	bool first;
};

static int fail_scan(struct db_conn *db, void *arg)
{
	struct failure *failure = arg;

	return file_scan_failed(db, str_of(a), str_of(failure->why), &failure->first);
}

static void test_file__a_failure_is_news_once(void **state)
{
	struct fixture *f = *state;
	struct failure one = { "one", false }, two = { "two", true }, none = { "none", true };

	assert_ok(db_write(f->conn, fail_scan, &none));
	assert_false(none.first);
	assert_ok(db_write(f->conn, ask, a));
	assert_ok(db_write(f->conn, fail_scan, &one));
	assert_ok(db_write(f->conn, fail_scan, &two));
	assert_true(one.first && !two.first);
	assert_true(is_waiting(f, a));
	assert_int_equal(COUNT("egoejo_file_scan WHERE last_error = 'two'"), 1);
	assert_ok(db_write(f->conn, ask, a)); /* another file of that name */
	assert_int_equal(COUNT("egoejo_file_scan WHERE failed_at IS NULL AND last_error IS NULL"), 1);
	assert_ok(db_write(f->conn, fail_scan, &one));
	assert_true(one.first);
}

static void test_file__what_nobody_is_about_to_look_at_is_asked_for_again(void **state)
{
	struct fixture *f = *state;
	struct failure failure = { "away", false };
	struct instant later = { clock_now().us + US_PER_S };

	assert_ok(db_write(f->conn, ask, a));
	assert_ok(db_write(f->conn, ask, b));
	assert_int_equal(file_scan_again(f->conn, later, 10), 0); /* their tasks are there */
	assert_ok(db_write(f->conn, fail_scan, &failure));
	write_rows(f, "DELETE FROM egoejo_outbox; UPDATE egoejo_file_scan SET asked_at = '2026-01-01 00:00:00'");
	assert_int_equal(file_scan_again(f->conn, (struct instant){ january(1) - 1 }, 10), 0);
	assert_int_equal(file_scan_again(f->conn, (struct instant){ january(1) }, 1), 1);
	assert_text(args_of_last_message(f), "[\"projets/a.png\"]");
	assert_int_equal(file_scan_again(f->conn, (struct instant){ january(1) }, 10), 1);
	assert_text(args_of_last_message(f), "[\"projets/b.png\"]");
	assert_int_equal(file_scan_again(f->conn, later, 10), 0);
	assert_int_equal(COUNT("egoejo_outbox WHERE queue = 'local' AND durable"), 2);
	assert_int_equal(COUNT("egoejo_file_scan WHERE failed_at IS NOT NULL AND last_error = 'away'"), 1);
	assert_ok(db_write(f->conn, fail_scan, &failure));
	assert_false(failure.first);
	write_rows(f, "UPDATE egoejo_outbox SET state = 'dead'");
	assert_int_equal(file_scan_again(f->conn, later, 10), 2);
	write_rows(f, "UPDATE egoejo_outbox SET state = 'sent'");
	assert_int_equal(file_scan_again(f->conn, later, 10), 0);
}

struct dropping {
	struct arena *arena;
	const char *path;
	struct file_rows rows;
};

static int drop(struct db_conn *db, void *arg)
{
	struct dropping *d = arg;

	return file_drop(db, d->arena, str_of(d->path), "file_infected", (struct json_text){ TEXT("{\"virus\": \"V\"}") }, &d->rows);
}

static bool is_named(struct fixture *f, const char *path)
{
	bool named;

	assert_ok(file_is_named(f->conn, str_of(path), &named));
	return named;
}

static void test_file__no_row_names_it_any_more(void **state)
{
	struct fixture *f = *state;
	struct dropping d = { .arena = &f->arena, .path = "a.png" };

	write_rows(f, USER PROJECT(1, "'a.png'") PROJECT(2, "'b.png'") PROJECT(3, "NULL") CONTENT(5, "'a.png'") CONTENT(6, "'a.png'"));
	write_rows(f,
	           "INSERT INTO core_chatthread (id, title, is_private, created_at, updated_at, thread_type) VALUES (8, '', true, "
	           "'2026-01-01 00:00:00', '2026-01-01 00:00:00', 'GENERAL');"
	           "INSERT INTO core_chatmessage (id, content, attachment, metadata, is_deleted, created_at, author_id, thread_id) VALUES "
	           "(9, '', 'a.png', '{}', false, '2026-01-01 00:00:00', 7, 8)");
	assert_true(is_named(f, "a.png") && is_named(f, "b.png"));
	assert_ok(db_write(f->conn, drop, &d));
	assert_false(is_named(f, "a.png"));
	assert_true(is_named(f, "b.png"));
	assert_int_equal(file_rows_count(&d.rows), 5);
	assert_int_equal(d.rows.of[FILE_OF_PROJECT].n, 1);
	assert_int_equal(*(int64_t *)d.rows.of[FILE_OF_PROJECT].items, 1);
	assert_int_equal(d.rows.of[FILE_OF_CONTENT].n, 2);
	assert_int_equal(*(int64_t *)d.rows.of[FILE_OF_MESSAGE].items, 9);
	assert_int_equal(*(int64_t *)d.rows.of[FILE_OF_PROFILE].items, 4);
	assert_int_equal(COUNT("core_auditlog WHERE action = 'file_infected' AND actor_id IS NULL"), 5);
	assert_int_equal(COUNT("core_auditlog WHERE target_type = 'projet' AND target_id = '1'"), 1);
	assert_int_equal(COUNT("core_auditlog WHERE target_type = 'educational_content' AND target_id IN ('5', '6')"), 2);
	assert_int_equal(COUNT("core_auditlog WHERE target_type = 'chat_message' AND target_id = '9'"), 1);
	assert_int_equal(COUNT("core_auditlog WHERE target_type = 'profile' AND target_id = '4'"), 1);
	file_dropped(NULL, NULL, &d.rows);
	assert_ok(db_write(f->conn, drop, &d));
	assert_int_equal(file_rows_count(&d.rows), 0);
	write_rows(f, "UPDATE core_educationalcontent SET audio_file = 'c.mp3' WHERE id = 5");
	assert_true(is_named(f, "c.mp3"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		CASE(test_file__it_waits_from_the_asking_to_the_verdict),
		CASE(test_file__a_failure_is_news_once),
		CASE(test_file__what_nobody_is_about_to_look_at_is_asked_for_again),
		CASE(test_file__no_row_names_it_any_more),
	};

	return RUN_ON_BOTH(tests);
}
