#include "domain/content_compliance.h"

#include "tests/unit/domain/fixture.h"

static void add_content(struct fixture *f, int id, const char *status, const char *title, const char *description, const char *url,
                        int minute)
{
	char sql[1000];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_educationalcontent (id, title, slug, type, status, anonymous_display_name, description, external_url, "
	         "created_at, updated_at, category, tags, audio_source_hash, embedding_source_hash) VALUES "
	         "(%d, '%s', 'slug-%d', 'article', '%s', '', '%s', '%s', '2026-01-05 %02d:%02d:00', '2026-01-05 00:00:00', 'autres', '[]', "
	         "'', '')",
	         id, title, id, status, description, url, minute / 60, minute % 60);
	write_rows(f, sql);
}

static struct content_compliance check(struct fixture *f)
{
	struct content_compliance c = { -1, NULL, 0 };

	assert_ok(content_check_compliance(f->conn, &f->arena, &c));
	return c;
}

static void test_content_compliance__nothing_published(void **state)
{
	struct fixture *f = *state;
	struct content_compliance c;

	add_content(f, 1, "draft", "Du profit", "", "", 1);
	c = check(f);
	assert_int_equal(c.published, 0);
	assert_int_equal(c.n_violations, 0);
}

static void test_content_compliance__violations_newest_first(void **state)
{
	struct fixture *f = *state;
	struct content_compliance c;

	add_content(f, 1, "published", "Sobre", "Rien", "https://example.org", 1);
	add_content(f, 2, "published", "Du profit", "Un rendement", "https://example.org", 2);
	add_content(f, 3, "published", "Sans source", "10 €", "", 3); /* symbols are not looked at here */
	add_content(f, 4, "published", "ROI", "Rien", "", 4);
	add_content(f, 5, "pending", "ROI", "Rien", "", 5);
	write_rows(f, "UPDATE core_educationalcontent SET file = 'a.pdf' WHERE id = 1");
	c = check(f);
	assert_int_equal(c.published, 4);
	assert_int_equal(c.n_violations, 3);
	assert_int_equal(c.violations[0].id, 4);
	assert_true(c.violations[0].missing_source && c.violations[0].n_hits == 1);
	assert_text(c.violations[0].title, "ROI");
	assert_text(c.violations[0].slug, "slug-4");
	assert_int_equal(c.violations[1].id, 3);
	assert_true(c.violations[1].missing_source && c.violations[1].n_hits == 0);
	assert_int_equal(c.violations[2].id, 2);
	assert_true(!c.violations[2].missing_source && c.violations[2].n_hits == 2);
	assert_string_equal(c.violations[2].hits[0].field, "title");
	assert_text(c.violations[2].hits[0].snippet, "Du profit");
	assert_text(c.violations[2].hits[1].snippet, "Un rendement");
}

static void test_content_compliance__a_file_is_a_source(void **state)
{
	struct fixture *f = *state;

	add_content(f, 1, "published", "Avec fichier", "Rien", "", 1);
	assert_int_equal(check(f).n_violations, 1);
	write_rows(f, "UPDATE core_educationalcontent SET file = 'a.pdf'");
	assert_int_equal(check(f).n_violations, 0);
	write_rows(f, "UPDATE core_educationalcontent SET file = ''");
	assert_int_equal(check(f).n_violations, 1);
}

/* More than one piece, and a whole number of pieces. */
static void test_content_compliance__many(void **state)
{
	struct fixture *f = *state;
	struct content_compliance c;

	for (int i = 1; i <= 200; i++)
		add_content(f, i, "published", "Titre", "Rien", i % 2 ? "" : "https://example.org", i);
	c = check(f);
	assert_int_equal(c.published, 200);
	assert_int_equal(c.n_violations, 100);
	assert_int_equal(c.violations[0].id, 199);
	assert_int_equal(c.violations[99].id, 1);
	add_content(f, 201, "published", "Titre", "Rien", "", 201);
	assert_int_equal(check(f).published, 201);
}

static void test_content_compliance__failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct content_compliance c = { .published = 77 };
	int r = ERR_INTERNAL, n;

	add_content(f, 1, "published", "Du profit", "Rien", "", 1);
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(content_check_compliance(f->conn, &f->arena, &c) < 0);
	fault_disarm_all();
	for (n = 1; r < 0; n++) {
		assert_true(n < 300);
		fault_arm(FAULT_ALLOC, n, /* repeat: */ false);
		r = content_check_compliance(f->conn, &f->arena, &c);
		fault_disarm_all();
		assert_int_equal(c.published, r == 0 ? 1 : 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_content_compliance__nothing_published),  CASE(test_content_compliance__violations_newest_first),
		CASE(test_content_compliance__a_file_is_a_source), CASE(test_content_compliance__many),
		CASE(test_content_compliance__failures_are_told),
	};

	return RUN_ON_BOTH(tests);
}
