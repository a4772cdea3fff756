#include "domain/engagement.h"

#include "tests/unit/domain/fixture.h"

/* help_request 0: none. */
static void add_engagement(struct fixture *f, int id, const char *anonymity, int help_request, int day)
{
	char sql[700];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_engagement (id, help_types, domains, availability, scope, anonymity, notes, status, created_at, "
	         "updated_at, "
	         "user_id, help_request_id) VALUES (%d, '[\"humain\", \"autre\"]', '[]', 'le soir', 'both', '%s', '', 'new', "
	         "'2026-01-%02d 00:00:00', '2026-01-20 00:00:00', NULL, CASE WHEN %d = 0 THEN NULL ELSE %d END)",
	         id, anonymity, day, help_request, help_request);
	write_rows(f, sql);
}

static void fill(struct fixture *f)
{
	write_rows(f, "INSERT INTO core_helprequest (id, title, description, help_type, urgency, is_linked_to_project, anonymity, status, "
	              "created_at, updated_at) VALUES (5, 't', '', 'autre', 'low', false, 'pseudo', 'new', '2026-01-01 00:00:00', "
	              "'2026-01-01 00:00:00'), (6, 't', '', 'autre', 'low', false, 'pseudo', 'new', '2026-01-01 00:00:00', '2026-01-01 "
	              "00:00:00')");
	add_engagement(f, 1, "pseudo", 5, 5);
	add_engagement(f, 2, "pseudo", 0, 7);
	add_engagement(f, 3, "team_only", 5, 9);
	add_engagement(f, 4, "pseudo", 5, 5);
}

static const char *list_ids(struct fixture *f, int64_t help_request, int64_t limit, int64_t offset)
{
	const struct engagement *e;
	struct db_rows rows;
	char *text = arena_zalloc(&f->arena, 300);

	assert_ok(engagement_list(f->conn, &f->arena, NULL, help_request, limit, offset, &rows));
	e = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		snprintf(text + strlen(text), 300 - strlen(text), "%s%lld", i ? " " : "", (long long)e[i].id);
	return text;
}

static int64_t count(struct fixture *f, int64_t help_request)
{
	int64_t n = -1;

	assert_ok(engagement_count(f->conn, NULL, help_request, &n));
	return n;
}

static void test_engagement__public_ones_newest_first(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(list_ids(f, NULL_INT, 20, 0), "2 4 1");
	assert_int_equal(count(f, NULL_INT), 3);
	assert_string_equal(list_ids(f, NULL_INT, 2, 1), "4 1");
	assert_string_equal(list_ids(f, NULL_INT, 2, 3), "");
}

static void test_engagement__of_one_request(void **state)
{
	struct fixture *f = *state;

	fill(f);
	assert_string_equal(list_ids(f, 5, 20, 0), "4 1");
	assert_string_equal(list_ids(f, 6, 20, 0), "");
	assert_string_equal(list_ids(f, -1, 20, 0), "");
	assert_string_equal(list_ids(f, INT64_MAX, 20, 0), "");
	assert_int_equal(count(f, 5), 2);
	assert_int_equal(count(f, 99), 0);
}

static void test_engagement__every_column(void **state)
{
	struct fixture *f = *state;
	const struct engagement *e;
	struct db_rows rows;

	fill(f);
	assert_ok(engagement_list(f->conn, &f->arena, NULL, NULL_INT, 20, 0, &rows));
	e = rows.items;
	assert_text(e[1].help_types.text, "[\"humain\", \"autre\"]");
	assert_text(e[1].domains.text, "[]");
	assert_text(e[1].availability, "le soir");
	assert_text(e[1].scope, "both");
	assert_text(e[1].anonymity, "pseudo");
	assert_text(e[1].notes, "");
	assert_text(e[1].status, "new");
	assert_int_equal(e[1].help_request_id, 5);
	assert_true(e[0].help_request_id == NULL_INT);
	assert_true(e[1].created_at.us == january(5));
}

static void test_engagement__failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;
	int64_t n = 5;

	fill(f);
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(engagement_count(f->conn, NULL, NULL_INT, &n) < 0);
	assert_true(engagement_list(f->conn, &f->arena, NULL, NULL_INT, 1, 0, &rows) < 0);
	assert_int_equal(n, 5);
}

static const struct account ana = { .id = 1 }, ben = { .id = 2 }, staff = { .id = 3, .is_staff = true };

static void add_people(struct fixture *f)
{
	write_rows(f, "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
	              "first_name) VALUES (1, '!', false, 'ana', '', '', false, true, '2026-01-01 00:00:00', ''), "
	              "(2, '!', false, 'ben', '', '', false, true, '2026-01-01 00:00:00', ''), "
	              "(3, '!', false, 'sam', '', '', true, true, '2026-01-01 00:00:00', '')");
}

static int64_t seen_by(struct fixture *f, const struct account *viewer)
{
	struct db_rows rows;
	int64_t n = -1;

	assert_ok(engagement_list(f->conn, &f->arena, viewer, NULL_INT, 100, 0, &rows));
	assert_ok(engagement_count(f->conn, viewer, NULL_INT, &n));
	assert_int_equal(n, rows.n);
	return n;
}

static struct engagement an_engagement(void)
{
	return (struct engagement){ .help_types = { STR("[\"temps\",\"santé\"]") },
		                    .domains = { STR("[]") },
		                    .availability = STR("le soir"),
		                    .scope = STR("local"),
		                    .anonymity = STR("team_only"),
		                    .notes = STR("<b>Ça va</b>"),
		                    .help_request_id = NULL_INT,
		                    .status = STR("active") };
}

static void test_engagement__those_for_the_team(void **state)
{
	struct fixture *f = *state;
	struct engagement e = an_engagement();

	add_people(f);
	assert_ok(engagement_create(f->conn, &ana, &e));
	assert_int_equal(seen_by(f, NULL), 0);
	assert_int_equal(seen_by(f, &ben), 0);
	assert_int_equal(seen_by(f, &ana), 1); /* her own */
	assert_int_equal(seen_by(f, &staff), 1);
}

static void test_engagement__offering(void **state)
{
	struct fixture *f = *state;
	struct engagement e = an_engagement();
	const struct engagement *stored;
	struct db_rows rows;
	int64_t n;

	add_people(f);
	assert_ok(engagement_create(f->conn, &ana, &e));
	assert_text(e.status, "new"); /* whatever was wished */
	assert_ok(engagement_list(f->conn, &f->arena, &ana, NULL_INT, 20, 0, &rows));
	stored = rows.items;
	assert_int_equal(stored->id, e.id);
	assert_non_null(strstr(stored->help_types.text.s, "santé"));
	assert_text(stored->availability, "le soir");
	assert_text(stored->scope, "local");
	assert_text(stored->notes, "<b>Ça va</b>");
	assert_text(stored->status, "new");
	assert_true(stored->help_request_id == NULL_INT && stored->created_at.us == e.created_at.us);
	assert_ok(engagement_create(f->conn, NULL, &e));
	assert_ok(db_select_int(f->conn, "SELECT count(*) FROM core_engagement WHERE user_id IS NULL", DB_NO_PARAMS, &n));
	assert_int_equal(n, 1);
}

static void test_engagement__its_help_request_must_be_there(void **state)
{
	struct fixture *f = *state;
	struct engagement e = an_engagement();

	assert_int_equal(engagement_help_request_known(f->conn, 9), ERR_NOT_FOUND);
	write_rows(f, "INSERT INTO core_helprequest (id, title, description, help_type, urgency, is_linked_to_project, anonymity, status, "
	              "created_at, updated_at) VALUES (9, 'T', 'D', 'autre', 'low', false, 'pseudo', 'new', '2026-01-01 00:00:00', "
	              "'2026-01-01 00:00:00')");
	assert_ok(engagement_help_request_known(f->conn, 9));
	e.help_request_id = 9;
	assert_ok(engagement_create(f->conn, NULL, &e));
	e.help_request_id = 10; /* gone since it was looked up */
	assert_int_equal(engagement_create(f->conn, NULL, &e), ERR_CONFLICT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_engagement__public_ones_newest_first),
		CASE(test_engagement__of_one_request),
		CASE(test_engagement__every_column),
		CASE(test_engagement__failures_are_told),
		CASE(test_engagement__those_for_the_team),
		CASE(test_engagement__offering),
		CASE(test_engagement__its_help_request_must_be_there),
	};

	return RUN_ON_BOTH(tests);
}
