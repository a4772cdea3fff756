#include "domain/content_workflow.h"

#include <pthread.h>

#include "tests/unit/domain/fixture.h"

static const struct account nobody_special = { .id = 1 }, editor = { .id = 2, .is_editor = true },
                            admin = { .id = 3, .is_staff = true, .is_editor = true };

static void add_people(struct fixture *f)
{
	write_rows(f, "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
	              "first_name) VALUES (1, '!', false, 'ana', '', '', false, true, '2026-01-01 00:00:00', ''), "
	              "(2, '!', false, 'ed', '', '', false, true, '2026-01-01 00:00:00', ''), "
	              "(3, '!', false, 'sam', '', '', true, true, '2026-01-01 00:00:00', '')");
}

static void add_content(struct fixture *f, int id, const char *status, const char *description)
{
	char sql[1000];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_educationalcontent (id, title, slug, type, status, anonymous_display_name, description, external_url, "
	         "created_at, updated_at, category, tags, audio_source_hash, embedding_source_hash) VALUES "
	         "(%d, 'Titre %d', 'slug-%d', 'article', '%s', '', '%s', '', '2026-01-05 00:00:00', '2026-01-05 00:00:00', 'autres', '[]', "
	         "'', '')",
	         id, id, id, status, description);
	write_rows(f, sql);
}

static struct charter_verdict verdict;

static const struct content_move_extra extra = {
	.reason = STR("Trop \"court\""), .tts_provider = "openai", .tts_voice = "alloy", .ret_verdict = &verdict
};

static int move(struct fixture *f, const struct account *account, int64_t id, enum content_move which, struct content *ret_content)
{
	return content_move(f->conn, &f->arena, account, id, which, &extra, ret_content);
}

static int64_t one_int(struct fixture *f, const char *sql)
{
	int64_t n = -1;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}

static const char *status_of(struct fixture *f, int64_t id)
{
	struct content c;

	assert_ok(content_find(f->conn, &f->arena, &admin, id, &c));
	return c.status.s;
}

/* The metadata of the only entry of an action. */
static const char *metadata_of(struct fixture *f, const char *action)
{
	struct text_row {
		struct str text;
	} row;
	static const struct db_column columns[] = { DB_COLUMN(struct text_row, text, TEXT, "CAST(metadata AS text)") };
	static const struct db_row text_row = DB_ROW(struct text_row, columns);
	static const struct db_statement by_action = {
		"SELECT $cols FROM core_auditlog WHERE action = $1 AND target_type = 'educational_content'", &text_row
	};

	assert_ok(db_select_one(f->conn, &by_action, DB_PARAMS(DB_TEXT(str_of(action))), &f->arena, &row));
	return row.text.s;
}

static void assert_contains(const char *text, const char *part)
{
	char spaced[200];
	size_t n = 0;

	/* jsonb puts a space behind a colon */
	for (const char *c = part; *c && n < sizeof(spaced) - 2; c++) {
		spaced[n++] = *c;
		if (*c == ':')
			spaced[n++] = ' ';
	}
	spaced[n] = '\0';
	if (!strstr(text, part) && !strstr(text, spaced))
		fail_msg("%s lacks %s", text, part);
}

static const struct {
	enum content_move which;
	const char *from, *to, *action, *by;
	bool by_editor;
} expected[] = {
	{ CONTENT_PUBLISH, "pending", "published", "content_publish", "\"published_by\":3", false },
	{ CONTENT_REJECT, "pending", "rejected", "content_reject", "\"rejected_by\":3", true },
	{ CONTENT_ARCHIVE, "published", "archived", "content_archive", "\"archived_by\":3", false },
	{ CONTENT_UNPUBLISH, "published", "draft", "content_unpublish", "\"unpublished_by\":3", true },
};

static const char *const statuses[] = { "draft", "pending", "published", "rejected", "archived" };

static void test_content_workflow__every_move_from_every_status(void **state)
{
	struct fixture *f = *state;

	add_people(f);
	for (size_t m = 0; m < N_ELEMENTS(expected); m++)
		for (size_t s = 0; s < N_ELEMENTS(statuses); s++) {
			struct content c = { .id = 77 };
			bool goes = strcmp(statuses[s], expected[m].from) == 0;

			write_rows(f, "DELETE FROM core_educationalcontent");
			add_content(f, 5, statuses[s], "Rien");
			assert_int_equal(move(f, &admin, 5, expected[m].which, &c), goes ? 0 : ERR_CONFLICT);
			assert_string_equal(status_of(f, 5), goes ? expected[m].to : statuses[s]);
			if (goes)
				assert_text(c.status, expected[m].to);
			else
				assert_int_equal(c.id, 77);
		}
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_auditlog"), 4);
}

static void test_content_workflow__a_move_is_noted(void **state)
{
	struct fixture *f = *state;

	add_people(f);
	for (size_t m = 0; m < N_ELEMENTS(expected); m++) {
		struct content c;
		char part[60];

		add_content(f, (int)m + 1, expected[m].from, "Rien");
		assert_ok(move(f, &admin, (int64_t)m + 1, expected[m].which, &c));
		snprintf(part, sizeof(part), "\"old_status\":\"%s\"", expected[m].from);
		assert_contains(metadata_of(f, expected[m].action), part);
		snprintf(part, sizeof(part), "\"new_status\":\"%s\"", expected[m].to);
		assert_contains(metadata_of(f, expected[m].action), part);
		assert_contains(metadata_of(f, expected[m].action), expected[m].by);
	}
	assert_contains(metadata_of(f, "content_reject"), "\"rejection_reason\":\"Trop \\\"court\\\"\"");
	assert_null(strstr(metadata_of(f, "content_archive"), "reason"));
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_auditlog WHERE actor_id = 3"), 4);
}

static void test_content_workflow__who_may(void **state)
{
	struct fixture *f = *state;

	add_people(f);
	for (size_t m = 0; m < N_ELEMENTS(expected); m++) {
		struct content c;

		assert_false(content_move_allowed(expected[m].which, NULL));
		assert_false(content_move_allowed(expected[m].which, &nobody_special));
		assert_int_equal(content_move_allowed(expected[m].which, &editor), expected[m].by_editor);
		assert_true(content_move_allowed(expected[m].which, &admin));
		assert_string_equal(content_move_from(expected[m].which), expected[m].from);
		add_content(f, (int)m + 1, expected[m].from, "Rien");
		assert_int_equal(move(f, &nobody_special, (int64_t)m + 1, expected[m].which, &c), ERR_FORBIDDEN);
		assert_int_equal(move(f, &nobody_special, 99, expected[m].which, &c), ERR_FORBIDDEN);
		assert_int_equal(move(f, &admin, 99, expected[m].which, &c), ERR_NOT_FOUND);
	}
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_auditlog"), 0);
}

static void test_content_workflow__who_and_when_is_kept(void **state)
{
	struct fixture *f = *state;
	struct content c;

	add_people(f);
	add_content(f, 5, "pending", "Rien");
	assert_ok(move(f, &admin, 5, CONTENT_PUBLISH, &c));
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_educationalcontent WHERE published_by_id = 3 AND modified_by_id = 3 AND "
	                            "published_at = updated_at AND published_at > '2026-01-06 00:00:00'"),
	                 1);
	assert_ok(move(f, &editor, 5, CONTENT_UNPUBLISH, &c));
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_educationalcontent WHERE published_by_id = 3 AND modified_by_id = 2 AND "
	                            "published_at < updated_at"),
	                 1);
}

static void test_content_workflow__a_publication_is_read_out(void **state)
{
	struct fixture *f = *state;
	struct content c;

	add_people(f);
	add_content(f, 5, "pending", "Rien");
	add_content(f, 6, "pending", "Rien");
	assert_ok(move(f, &admin, 5, CONTENT_PUBLISH, &c));
	assert_ok(move(f, &editor, 6, CONTENT_REJECT, &c));
	assert_int_equal(one_int(f, "SELECT count(*) FROM egoejo_outbox"), 1);
	assert_int_equal(
	        one_int(f, "SELECT count(*) FROM egoejo_outbox WHERE name = 'core.tasks_audio.generate_audio_content' AND durable"), 1);
}

static void test_content_workflow__the_charter_comes_first(void **state)
{
	struct fixture *f = *state;
	struct content c;

	add_people(f);
	for (size_t s = 0; s < N_ELEMENTS(statuses); s++) {
		add_content(f, (int)s + 1, statuses[s], "Un rendement garanti");
		verdict = (struct charter_verdict){ 0 };
		assert_int_equal(move(f, &admin, (int64_t)s + 1, CONTENT_PUBLISH, &c), ERR_INVALID); /* whatever its status */
		assert_int_equal(verdict.critical_failures, 1);
		assert_false(verdict.findings[CHARTER_no_financial_language].passed);
		assert_string_equal(status_of(f, (int64_t)s + 1), statuses[s]);
	}
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_auditlog"), 0);
	assert_int_equal(one_int(f, "SELECT count(*) FROM egoejo_outbox"), 0);
	assert_ok(move(f, &admin, 2, CONTENT_REJECT, &c)); /* only publication asks */
}

/* Every statement fails once: then nothing has moved and nothing is noted. */
static void test_content_workflow__all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct content c;
	int r = ERR_INTERNAL, n;

	add_people(f);
	add_content(f, 5, "pending", "Rien");
	for (n = 1; r < 0; n++) {
		assert_true(n < 30);
		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = move(f, &admin, 5, CONTENT_PUBLISH, &c);
		fault_disarm_all();
		assert_string_equal(status_of(f, 5), r == 0 ? "published" : "pending");
		assert_int_equal(one_int(f, "SELECT count(*) FROM core_auditlog"), r == 0);
		assert_int_equal(one_int(f, "SELECT count(*) FROM egoejo_outbox"), r == 0);
	}
	assert_true(n > 4);
}

/* ---- races ---- */

#define RACERS 8

struct racer {
	struct db *db;
	pthread_barrier_t *start;
	enum content_move which;
	int result;
};

static void *race(void *arg)
{
	struct racer *racer = arg;
	struct charter_verdict own;
	const struct content_move_extra own_extra = { .tts_provider = "openai", .tts_voice = "alloy", .ret_verdict = &own };
	struct db_conn *conn = NULL;
	struct content c;
	struct error err;
	struct arena arena;

	arena_init(&arena, 1 << 20);
	racer->result = db_connect(racer->db, &conn, &err);
	pthread_barrier_wait(racer->start);
	if (conn)
		racer->result = content_move(conn, &arena, &admin, 5, racer->which, &own_extra, &c);
	db_disconnect(conn);
	arena_finish(&arena);
	return NULL;
}

/* All move at once, every second one the other way: exactly one succeeds. */
static void test_content_workflow__one_of_many_succeeds(void **state)
{
	struct fixture *f = *state;
	struct racer racers[RACERS];
	pthread_t threads[RACERS];
	pthread_barrier_t start;

	add_people(f);
	for (int round = 0; round < 5; round++) {
		int won = 0;

		write_rows(f, "DELETE FROM core_educationalcontent; DELETE FROM core_auditlog");
		add_content(f, 5, "pending", "Rien");
		pthread_barrier_init(&start, NULL, RACERS);
		for (int i = 0; i < RACERS; i++) {
			racers[i] = (struct racer){ f->db, &start, i % 2 ? CONTENT_PUBLISH : CONTENT_REJECT, 0 };
			assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
		}
		for (int i = 0; i < RACERS; i++) {
			pthread_join(threads[i], NULL);
			won += racers[i].result == 0;
			assert_true(racers[i].result == 0 || racers[i].result == ERR_CONFLICT);
		}
		pthread_barrier_destroy(&start);
		assert_int_equal(won, 1);
		assert_int_equal(one_int(f, "SELECT count(*) FROM core_auditlog"), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_content_workflow__every_move_from_every_status),
		CASE(test_content_workflow__a_move_is_noted),
		CASE(test_content_workflow__who_may),
		CASE(test_content_workflow__who_and_when_is_kept),
		CASE(test_content_workflow__a_publication_is_read_out),
		CASE(test_content_workflow__the_charter_comes_first),
		CASE(test_content_workflow__all_or_nothing),
		CASE(test_content_workflow__one_of_many_succeeds),
	};

	return RUN_ON_BOTH(tests);
}
