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

	assert_ok(content_list(f->conn, &f->arena, &filter, limit, offset, &rows));
	c = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		snprintf(text + strlen(text), 300 - strlen(text), "%s%lld", i ? " " : "", (long long)c[i].id);
	return text;
}

static int64_t count(struct fixture *f, const char *status, const char *category)
{
	const struct content_filter filter = { str_of(status), str_of(category) };
	int64_t n = -1;

	assert_ok(content_count(f->conn, &filter, &n));
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
	assert_int_equal(content_find(f->conn, &f->arena, 3, &c), ERR_NOT_FOUND); /* a draft */
	assert_int_equal(content_find(f->conn, &f->arena, 99, &c), ERR_NOT_FOUND);
	assert_int_equal(c.id, 77);
	assert_ok(content_find(f->conn, &f->arena, 5, &c));
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
	assert_ok(content_find(f->conn, &f->arena, 1, &c));
	assert_int_equal(c.likes_count, 2);
	assert_int_equal(c.comments_count, 3);
	assert_ok(content_list(f->conn, &f->arena, &all, -1, 0, &rows));
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
	assert_true(content_count(f->conn, &all, &n) < 0);
	assert_true(content_list(f->conn, &f->arena, &all, -1, 0, &rows) < 0);
	assert_true(content_find(f->conn, &f->arena, 1, &c) < 0);
	assert_int_equal(n, 5);
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
	};

	return RUN_ON_BOTH(tests);
}
