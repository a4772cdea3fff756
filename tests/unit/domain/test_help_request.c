#include "domain/help_request.h"

#include "tests/unit/domain/fixture.h"

static void add_request(struct fixture *f, int id, const char *anonymity, const char *status, int day)
{
	char sql[700];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_helprequest (id, title, description, help_type, urgency, is_linked_to_project, anonymity, status, "
	         "created_at, "
	         "updated_at, project_id, user_id) VALUES (%d, 'Titre %d', 'Texte', 'humain', 'high', %s, '%s', '%s', '2026-01-%02d "
	         "00:00:00', "
	         "'2026-01-20 00:00:00', NULL, NULL)",
	         id, id, id % 2 ? "true" : "false", anonymity, status, day);
	write_rows(f, sql);
}

static void fill(struct fixture *f)
{
	add_request(f, 1, "pseudo", "new", 5);
	add_request(f, 2, "pseudo", "accepted", 7);
	add_request(f, 3, "team_only", "new", 9);
	add_request(f, 4, "pseudo", "new", 5);
}

/* The ids of a page, "2 4 1". */
static const char *list_ids(struct fixture *f, const char *status, int64_t limit, int64_t offset)
{
	const struct help_request *h;
	struct db_rows rows;
	char *text = arena_zalloc(&f->arena, 300);

	assert_ok(help_request_list(f->conn, &f->arena, str_of(status), limit, offset, &rows));
	h = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		snprintf(text + strlen(text), 300 - strlen(text), "%s%lld", i ? " " : "", (long long)h[i].id);
	return text;
}

static int64_t count(struct fixture *f, const char *status)
{
	int64_t n = -1;

	assert_ok(help_request_count(f->conn, str_of(status), &n));
	return n;
}

static void test_help_request__public_ones_newest_first(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(list_ids(f, NULL, 20, 0), "2 4 1");
	assert_int_equal(count(f, NULL), 3);
}

static void test_help_request__by_status(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(list_ids(f, "new", 20, 0), "4 1");
	assert_string_equal(list_ids(f, "accepted", 20, 0), "2");
	assert_string_equal(list_ids(f, "NEW", 20, 0), "");
	assert_string_equal(list_ids(f, "new' OR 'a'='a", 20, 0), "");
	assert_int_equal(count(f, "new"), 2);
	assert_int_equal(count(f, "archived"), 0);
}

static void test_help_request__pages(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(list_ids(f, NULL, 1, 0), "2");
	assert_string_equal(list_ids(f, NULL, 1, 1), "4");
	assert_string_equal(list_ids(f, NULL, 5, 3), "");
}

static void test_help_request__every_column(void **state)
{
	struct fixture *f = *state;
	const struct help_request *h;
	struct db_rows rows;

	add_request(f, 1, "pseudo", "in_review", 5);
	write_rows(f,
	           "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
	           "saka_supporters_count, active_oracles) VALUES (8, 'P', '', '2026-01-01 00:00:00', 0, 'DONATION', 0, 0, 0, '[]');"
	           "UPDATE core_helprequest SET project_id = 8");
	add_request(f, 2, "pseudo", "new", 4);
	assert_ok(help_request_list(f->conn, &f->arena, NOTHING, 20, 0, &rows));
	h = rows.items;
	assert_text(h[0].title, "Titre 1");
	assert_text(h[0].description, "Texte");
	assert_text(h[0].help_type, "humain");
	assert_text(h[0].urgency, "high");
	assert_text(h[0].anonymity, "pseudo");
	assert_text(h[0].status, "in_review");
	assert_true(h[0].is_linked_to_project && !h[1].is_linked_to_project);
	assert_int_equal(h[0].project_id, 8);
	assert_true(h[1].project_id == NULL_INT);
	assert_true(h[0].created_at.us == january(5));
}

static void test_help_request__failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;
	int64_t n = 5;

	fill(f);
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(help_request_count(f->conn, NOTHING, &n) < 0);
	assert_true(help_request_list(f->conn, &f->arena, NOTHING, 1, 0, &rows) < 0);
	assert_int_equal(n, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_help_request__public_ones_newest_first),
		CASE(test_help_request__by_status),
		CASE(test_help_request__pages),
		CASE(test_help_request__every_column),
		CASE(test_help_request__failures_are_told),
	};

	return RUN_ON_BOTH(tests);
}
