#include "domain/content.h"

#include "tests/unit/domain/fixture.h"

static void add_content(struct fixture *f, int id, const char *status, const char *category, int day)
{
	char sql[2000];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_educationalcontent (id, title, slug, type, status, anonymous_display_name, description, file, "
	         "external_url, "
	         "created_at, updated_at, author_id, project_id, category, tags, embedding, audio_file, audio_source_hash, "
	         "embedding_source_hash, modified_by_id, published_at, published_by_id) VALUES "
	         "(%d, 'Titre %d', 'slug-%d', 'article', '%s', '', 'Texte', NULL, '', '2026-01-%02d 00:00:00', '2026-01-20 00:00:00', "
	         "NULL, NULL, "
	         "'%s', '[]', NULL, NULL, '', '', NULL, NULL, NULL)",
	         id, id, id, status, day, category);
	write_rows(f, sql);
}

static void add_user(struct fixture *f, int id)
{
	char sql[500];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
	         "first_name) "
	         "VALUES (%d, '!', false, 'u%d', '', '', false, true, '2026-01-01 00:00:00', '')",
	         id, id);
	write_rows(f, sql);
}

/* The ids of a page of a filter, "3 1". */
static const char *list_ids(struct fixture *f, const char *status, const char *category, int64_t limit, int64_t offset)
{
	const struct content_filter filter = { str_of(status), str_of(category) };
	const struct content *c;
	struct db_rows rows;
	char *text = arena_zalloc(&f->arena, 300);

	assert_ok(content_list(f->conn, &f->arena, NULL, &filter, limit, offset, &rows));
	c = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		snprintf(text + strlen(text), 300 - strlen(text), "%s%lld", i ? " " : "", (long long)c[i].id);
	return text;
}

static int64_t count(struct fixture *f, const char *status, const char *category)
{
	const struct content_filter filter = { str_of(status), str_of(category) };
	int64_t n = -1;

	assert_ok(content_count(f->conn, NULL, &filter, &n));
	return n;
}

static void fill(struct fixture *f)
{
	add_content(f, 1, "published", "eau", 5);
	add_content(f, 2, "published", "terre", 7);
	add_content(f, 3, "draft", "eau", 9);
	add_content(f, 4, "pending", "eau", 9);
	add_content(f, 5, "published", "eau", 5);
	add_content(f, 6, "archived", "eau", 1);
	add_content(f, 7, "rejected", "eau", 1);
}

static void test_content__the_public_sees_what_is_published(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(list_ids(f, NULL, NULL, -1, 0), "2 5 1");
	assert_int_equal(count(f, NULL, NULL), 3);
}

static void test_content__filters_only_narrow(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(list_ids(f, "published", NULL, -1, 0), "2 5 1");
	assert_string_equal(list_ids(f, "draft", NULL, -1, 0), "");
	assert_string_equal(list_ids(f, "Published", NULL, -1, 0), "");
	assert_string_equal(list_ids(f, NULL, "eau", -1, 0), "5 1");
	assert_string_equal(list_ids(f, "published", "terre", -1, 0), "2");
	assert_string_equal(list_ids(f, NULL, "ea", -1, 0), "");
	assert_string_equal(list_ids(f, "' OR '1'='1", NULL, -1, 0), "");
	assert_int_equal(count(f, "draft", NULL), 0);
	assert_int_equal(count(f, NULL, "eau"), 2);
	assert_int_equal(count(f, "", NULL), 0); /* an empty text is a condition, only an absent one is none */
}

static void test_content__pages(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(list_ids(f, NULL, NULL, 2, 0), "2 5");
	assert_string_equal(list_ids(f, NULL, NULL, 2, 2), "1");
	assert_string_equal(list_ids(f, NULL, NULL, 2, 4), "");
	assert_string_equal(list_ids(f, NULL, NULL, 0, 0), "");
	assert_string_equal(list_ids(f, NULL, NULL, -1, 1), "5 1");
}

static void test_content__one(void **state)
{
	struct fixture *f = *state;
	struct content c = { .id = 77 };

	fill(f);
	assert_int_equal(content_find(f->conn, &f->arena, NULL, 3, &c), ERR_NOT_FOUND); /* a draft */
	assert_int_equal(content_find(f->conn, &f->arena, NULL, 99, &c), ERR_NOT_FOUND);
	assert_int_equal(c.id, 77);
	assert_ok(content_find(f->conn, &f->arena, NULL, 5, &c));
	assert_int_equal(c.id, 5);
	assert_text(c.title, "Titre 5");
	assert_text(c.slug, "slug-5");
	assert_text(c.type, "article");
	assert_text(c.status, "published");
	assert_text(c.description, "Texte");
	assert_text(c.external_url, "");
	assert_null(c.file.s);
	assert_true(c.created_at.us == january(5));
	assert_int_equal(c.likes_count, 0);
	assert_int_equal(c.comments_count, 0);
}

static void test_content__likes_and_comments_are_counted(void **state)
{
	struct fixture *f = *state;
	const struct content_filter all = { .status = NOTHING };
	const struct content *rows_of;
	struct db_rows rows;
	struct content c;

	fill(f);
	add_user(f, 1), add_user(f, 2);
	write_rows(f, "INSERT INTO core_contentlike (id, created_at, content_id, user_id) VALUES (1, '2026-01-09 00:00:00', 1, 1), "
	              "(2, '2026-01-09 00:00:00', 1, 2), (3, '2026-01-09 00:00:00', 2, 1)");
	write_rows(f, "INSERT INTO core_contentcomment (id, text, created_at, display_name, content_id, user_id) VALUES "
	              "(1, 'x', '2026-01-09 00:00:00', '', 1, NULL), (2, 'y', '2026-01-09 00:00:00', '', 1, 1), "
	              "(3, 'z', '2026-01-09 00:00:00', '', 1, 1)");
	assert_ok(content_find(f->conn, &f->arena, NULL, 1, &c));
	assert_int_equal(c.likes_count, 2);
	assert_int_equal(c.comments_count, 3);
	assert_ok(content_list(f->conn, &f->arena, NULL, &all, -1, 0, &rows));
	rows_of = rows.items;
	assert_int_equal(rows_of[0].likes_count, 1); /* content 2 */
	assert_int_equal(rows_of[0].comments_count, 0);
	assert_int_equal(rows_of[1].likes_count, 0); /* content 5 */
}

static void test_content__failures_are_told(void **state)
{
	struct fixture *f = *state;
	const struct content_filter all = { .status = NOTHING };
	struct db_rows rows;
	struct content c;
	int64_t n = 5;

	fill(f);
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(content_count(f->conn, NULL, &all, &n) < 0);
	assert_true(content_list(f->conn, &f->arena, NULL, &all, -1, 0, &rows) < 0);
	assert_true(content_find(f->conn, &f->arena, NULL, 1, &c) < 0);
	assert_int_equal(n, 5);
}

/* ---- who sees what ---- */

static const struct account ana = { .id = 1 }, ben = { .id = 2 }, editor = { .id = 3, .is_editor = true };

static const char *seen_by(struct fixture *f, const struct account *viewer, const char *status)
{
	const struct content_filter filter = { .status = str_of(status) };
	const struct content *c;
	struct db_rows rows;
	char *text = arena_zalloc(&f->arena, 300);
	int64_t n = -1;

	assert_ok(content_list(f->conn, &f->arena, viewer, &filter, -1, 0, &rows));
	assert_ok(content_count(f->conn, viewer, &filter, &n));
	assert_int_equal(n, rows.n);
	c = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		snprintf(text + strlen(text), 300 - strlen(text), "%s%lld", i ? " " : "", (long long)c[i].id);
	return text;
}

static void add_people(struct fixture *f)
{
	add_user(f, 1), add_user(f, 2), add_user(f, 3);
}

static void test_content__authors_see_their_own_and_editors_all(void **state)
{
	struct fixture *f = *state;
	struct content c;

	add_people(f);
	fill(f);
	write_rows(f, "UPDATE core_educationalcontent SET author_id = 1 WHERE id IN (1, 3, 7)");
	assert_string_equal(seen_by(f, NULL, NULL), "2 5 1");
	assert_string_equal(seen_by(f, &ben, NULL), "2 5 1");
	assert_string_equal(seen_by(f, &ana, NULL), "3 2 5 1 7");
	assert_string_equal(seen_by(f, &editor, NULL), "4 3 2 5 1 7 6");
	assert_string_equal(seen_by(f, &ana, "draft"), "3");
	assert_string_equal(seen_by(f, &ben, "draft"), "");
	assert_string_equal(seen_by(f, &editor, "pending"), "4");
	assert_ok(content_find(f->conn, &f->arena, &ana, 3, &c));
	assert_ok(content_find(f->conn, &f->arena, &editor, 3, &c));
	assert_int_equal(content_find(f->conn, &f->arena, &ben, 3, &c), ERR_NOT_FOUND);
}

/* ---- proposing ---- */

static struct content a_proposal(void)
{
	return (struct content){ .id = 77,
		                 .title = STR(" L'<b>eau</b> "),
		                 .slug = STR("l-eau"),
		                 .type = STR("video"),
		                 .status = STR("published"),
		                 .description = STR("un\r\n\tdeux & <script>"),
		                 .external_url = STR("https://example.org/?a=1&b=2"),
		                 .likes_count = 50 };
}

struct text_row {
	struct str text;
};
static const struct db_column text_columns[] = { DB_COLUMN(struct text_row, text, TEXT, "x") };
static const struct db_row text_row = DB_ROW(struct text_row, text_columns);

static const char *select_text(struct fixture *f, const struct db_statement *statement)
{
	struct text_row row;

	assert_ok(db_select_one(f->conn, statement, DB_NO_PARAMS, &f->arena, &row));
	return row.text.s;
}

/* The text of the only row of "SELECT … AS x". */
#define ONE_TEXT(f, sql)                                                                                      \
	__extension__({                                                                                       \
		static const struct db_statement statement_ = { "SELECT $cols FROM (" sql ") t", &text_row }; \
		select_text(f, &statement_);                                                                  \
	})

static int64_t one_int(struct fixture *f, const char *sql)
{
	int64_t n = -1;

	assert_ok(db_select_int(f->conn, sql, DB_NO_PARAMS, &n));
	return n;
}

static void assert_contains(const char *text, const char *part)
{
	assert_non_null(text);
	if (!strstr(text, part))
		fail_msg("%s lacks %s", text, part);
}

static void test_content__what_is_proposed_is_harmless_and_pending(void **state)
{
	struct fixture *f = *state;
	struct content in = a_proposal(), out = { 0 }, stored;
	int64_t before = clock_now().us;

	add_people(f);
	assert_ok(content_create(f->conn, &f->arena, &ana, &in, &out));
	assert_true(out.id > 0 && out.id != 77);
	assert_ok(content_find(f->conn, &f->arena, &ana, out.id, &stored));
	assert_text(stored.title, "L&#x27;&lt;b&gt;eau&lt;/b&gt;");
	assert_text(stored.slug, "l-eau");
	assert_text(stored.type, "video");
	assert_text(stored.status, "pending");
	assert_text(stored.description, "un\r\n\tdeux &amp; &lt;script&gt;");
	assert_text(stored.external_url, "https://example.org/?a=1&b=2"); /* as it was sent */
	assert_null(stored.file.s);
	assert_true(stored.created_at.us >= before);
	assert_true(str_equal(out.title, stored.title) && str_equal(out.status, stored.status) && out.likes_count == 0);
	assert_true(out.created_at.us == stored.created_at.us);
	assert_string_equal(ONE_TEXT(f, "SELECT category AS x FROM core_educationalcontent"), "autres");
	assert_int_equal(one_int(f, "SELECT author_id FROM core_educationalcontent"), 1);
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_educationalcontent WHERE published_at IS NULL AND modified_by_id IS NULL"),
	                 1);
}

static void test_content__a_proposal_is_noted(void **state)
{
	struct fixture *f = *state;
	struct content in = a_proposal(), out;
	const char *metadata;
	char target[24];

	add_people(f);
	assert_ok(content_create(f->conn, &f->arena, &ana, &in, &out));
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_auditlog WHERE actor_id = 1 AND action = 'content_create' AND target_type = "
	                            "'educational_content'"),
	                 1);
	snprintf(target, sizeof(target), "%lld", (long long)out.id);
	assert_string_equal(ONE_TEXT(f, "SELECT target_id AS x FROM core_auditlog"), target);
	metadata = ONE_TEXT(f, "SELECT CAST(metadata AS text) AS x FROM core_auditlog");
	assert_contains(metadata, "L&#x27;&lt;b&gt;eau&lt;/b&gt;");
	assert_contains(metadata, "\"pending\"");
	assert_contains(metadata, "\"video\"");
	assert_contains(metadata, "\"author_id\"");
}

static void test_content__a_proposal_asks_for_its_tasks(void **state)
{
	struct fixture *f = *state;
	struct content in = a_proposal(), out;

	add_people(f);
	assert_ok(content_create(f->conn, &f->arena, &ana, &in, &out));
	assert_int_equal(one_int(f, "SELECT count(*) FROM egoejo_outbox"), 1);
	assert_int_equal(
	        one_int(f, "SELECT count(*) FROM egoejo_outbox WHERE name = 'core.tasks_embeddings.generate_embedding_task' AND durable"),
	        1);
	in.slug = TEXT("deux");
	in.file = TEXT("educational_contents/a \"b\".pdf");
	assert_ok(content_create(f->conn, &f->arena, &ana, &in, &out));
	assert_text(out.file, "educational_contents/a \"b\".pdf");
	assert_int_equal(one_int(f, "SELECT count(*) FROM egoejo_outbox"), 4);
	assert_int_equal(
	        one_int(f, "SELECT count(*) FROM egoejo_outbox WHERE name = 'core.tasks_security.scan_file_antivirus' AND durable"), 1);
	assert_int_equal(one_int(f, "SELECT count(*) FROM egoejo_outbox WHERE name = 'core.tasks_security.validate_file_type'"), 1);
}

static void test_content__a_slug_is_taken_once(void **state)
{
	struct fixture *f = *state;
	struct content in = a_proposal(), out = { .id = 77 };
	bool exists = true;

	add_people(f);
	assert_ok(content_slug_exists(f->conn, in.slug, &exists));
	assert_false(exists);
	assert_ok(content_create(f->conn, &f->arena, &ana, &in, &out));
	assert_ok(content_slug_exists(f->conn, in.slug, &exists));
	assert_true(exists);
	out.id = 77;
	assert_int_equal(content_create(f->conn, &f->arena, &ben, &in, &out), ERR_CONFLICT);
	assert_int_equal(out.id, 77);
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_auditlog"), 1);
	assert_int_equal(one_int(f, "SELECT count(*) FROM egoejo_outbox"), 1);
}

static void test_content__titles(void **state)
{
	struct fixture *f = *state;
	struct content in = a_proposal(), out;
	struct str clean = TEXT("untouched");
	char longest[256];

	memset(longest, '&', 255);
	longest[255] = '\0';
	assert_int_equal(content_clean_title(&f->arena, TEXT("\x01\x02"), &clean), ERR_INVALID);
	assert_text(clean, "untouched");
	assert_ok(content_clean_title(&f->arena, str_of(longest), &clean));
	assert_int_equal(clean.len, 255); /* 51 whole entities */
	in.title = TEXT(" \x1f ");
	assert_int_equal(content_create(f->conn, &f->arena, &ana, &in, &out), ERR_INVALID);
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_educationalcontent"), 0);
}

/* Every statement fails once: then there is no row, no entry and no task. */
static void test_content__a_proposal_is_stored_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	struct content in = a_proposal(), out;
	int r = ERR_INTERNAL, n;

	add_people(f);
	in.file = TEXT("educational_contents/a.pdf");
	for (n = 1; r < 0; n++) {
		assert_true(n < 30);
		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = content_create(f->conn, &f->arena, &ana, &in, &out);
		fault_disarm_all();
		assert_int_equal(one_int(f, "SELECT count(*) FROM core_educationalcontent"), r == 0);
		assert_int_equal(one_int(f, "SELECT count(*) FROM core_auditlog"), r == 0);
		assert_int_equal(one_int(f, "SELECT count(*) FROM egoejo_outbox"), r == 0 ? 3 : 0);
	}
	assert_true(n > 5);
}

/* ---- reading to the end ---- */

static void test_content__reading_to_the_end_earns_grains(void **state)
{
	struct fixture *f = *state;
	const struct settings on = { .enable_saka = true }, off = { .enable_saka = false };
	const struct json_text progress = { STR("92.5") };
	const char *metadata;

	add_people(f);
	fill(f);
	assert_ok(content_consume(f->conn, &off, &ana, 1, progress));
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_sakatransaction"), 0);
	for (int i = 0; i < 4; i++)
		assert_ok(content_consume(f->conn, &on, &ana, 1, progress));
	assert_int_equal(one_int(f, "SELECT balance FROM core_sakawallet WHERE user_id = 1"), 30); /* three times a day */
	metadata = ONE_TEXT(f, "SELECT CAST(metadata AS text) AS x FROM core_sakatransaction LIMIT 1");
	assert_contains(metadata, "\"content_id\"");
	assert_contains(metadata, "92.5");
}

static void test_content__only_what_is_published_earns(void **state)
{
	struct fixture *f = *state;
	const struct settings on = { .enable_saka = true };
	const struct json_text progress = { STR("100") };

	add_people(f);
	fill(f);
	write_rows(f, "UPDATE core_educationalcontent SET author_id = 1 WHERE id = 3");
	assert_int_equal(content_consume(f->conn, &on, &ana, 3, progress), ERR_NOT_FOUND); /* a draft, her own too */
	assert_int_equal(content_consume(f->conn, &on, &editor, 6, progress), ERR_NOT_FOUND);
	assert_int_equal(content_consume(f->conn, &on, &ana, 99, progress), ERR_NOT_FOUND);
	assert_int_equal(one_int(f, "SELECT count(*) FROM core_sakatransaction"), 0);
}

/* ---- exporting ---- */

static void test_content__exports(void **state)
{
	struct fixture *f = *state;
	const struct content_export *e;
	struct db_rows rows;

	add_people(f);
	fill(f);
	write_rows(f, "UPDATE core_educationalcontent SET author_id = 1, published_by_id = 2, published_at = '2026-01-07 00:00:00', tags = "
	              "'[\"a\"]', anonymous_display_name = 'Anonyme' WHERE id = 2");
	assert_ok(content_export_list(f->conn, &f->arena, TEXT("published"), 2, 0, &rows));
	assert_int_equal(rows.n, 2);
	e = rows.items;
	assert_int_equal(e[0].id, 2);
	assert_text(e[0].category, "terre");
	assert_int_equal(e[0].author_id, 1);
	assert_text(e[0].author_username, "u1");
	assert_text(e[0].anonymous_display_name, "Anonyme");
	assert_int_equal(e[0].published_by_id, 2);
	assert_true(e[0].published_at.us == january(7) && e[0].updated_at.us == january(20));
	assert_text(e[0].tags.text, "[\"a\"]");
	assert_int_equal(e[1].id, 5);
	assert_true(e[1].author_id == NULL_INT && !e[1].author_username.s && e[1].published_at.us == NULL_TIME.us);
	assert_ok(content_export_list(f->conn, &f->arena, TEXT("published"), 10, 2, &rows));
	assert_int_equal(rows.n, 1);
	assert_ok(content_export_list(f->conn, &f->arena, TEXT("nothing"), 10, 0, &rows));
	assert_int_equal(rows.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_content__the_public_sees_what_is_published),
		CASE(test_content__filters_only_narrow),
		CASE(test_content__pages),
		CASE(test_content__one),
		CASE(test_content__likes_and_comments_are_counted),
		CASE(test_content__failures_are_told),
		CASE(test_content__authors_see_their_own_and_editors_all),
		CASE(test_content__what_is_proposed_is_harmless_and_pending),
		CASE(test_content__a_proposal_is_noted),
		CASE(test_content__a_proposal_asks_for_its_tasks),
		CASE(test_content__a_slug_is_taken_once),
		CASE(test_content__titles),
		CASE(test_content__a_proposal_is_stored_whole_or_not_at_all),
		CASE(test_content__reading_to_the_end_earns_grains),
		CASE(test_content__only_what_is_published_earns),
		CASE(test_content__exports),
	};

	return RUN_ON_BOTH(tests);
}
