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

static const struct help_request_filter all = { .mine = false };

static void fill(struct fixture *f)
{
	add_request(f, 1, "pseudo", "new", 5);
	add_request(f, 2, "pseudo", "accepted", 7);
	add_request(f, 3, "team_only", "new", 9);
	add_request(f, 4, "pseudo", "new", 5);
}

static const struct account ana = { .id = 1 }, ben = { .id = 2 }, staff = { .id = 3, .is_staff = true };

static void add_people(struct fixture *f)
{
	write_rows(f, "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
	              "first_name) VALUES (1, '!', false, 'ana', '', '', false, true, '2026-01-01 00:00:00', ''), "
	              "(2, '!', false, 'ben', '', '', false, true, '2026-01-01 00:00:00', ''), "
	              "(3, '!', false, 'sam', '', '', true, true, '2026-01-01 00:00:00', '')");
}

/* The ids of what a viewer sees, "2 4 1". */
static const char *seen_by(struct fixture *f, const struct account *viewer, const char *status, bool mine)
{
	const struct help_request_filter filter = { str_of(status), mine };
	const struct help_request *h;
	struct db_rows rows;
	char *text = arena_zalloc(&f->arena, 300);
	int64_t n = -1;

	assert_ok(help_request_list(f->conn, &f->arena, viewer, &filter, 100, 0, &rows));
	assert_ok(help_request_count(f->conn, viewer, &filter, &n));
	assert_int_equal(n, rows.n);
	h = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		snprintf(text + strlen(text), 300 - strlen(text), "%s%lld", i ? " " : "", (long long)h[i].id);
	return text;
}

/* The ids of a page, "2 4 1". */
static const char *list_ids(struct fixture *f, const char *status, int64_t limit, int64_t offset)
{
	const struct help_request_filter filter = { str_of(status), false };
	const struct help_request *h;
	struct db_rows rows;
	char *text = arena_zalloc(&f->arena, 300);

	assert_ok(help_request_list(f->conn, &f->arena, NULL, &filter, limit, offset, &rows));
	h = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		snprintf(text + strlen(text), 300 - strlen(text), "%s%lld", i ? " " : "", (long long)h[i].id);
	return text;
}

static int64_t count(struct fixture *f, const char *status)
{
	const struct help_request_filter filter = { str_of(status), false };
	int64_t n = -1;

	assert_ok(help_request_count(f->conn, NULL, &filter, &n));
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
	assert_ok(help_request_list(f->conn, &f->arena, NULL, &all, 20, 0, &rows));
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
	assert_true(help_request_count(f->conn, NULL, &all, &n) < 0);
	assert_true(help_request_list(f->conn, &f->arena, NULL, &all, 1, 0, &rows) < 0);
	assert_int_equal(n, 5);
}

static void test_help_request__those_for_the_team(void **state)
{
	struct fixture *f = *state;

	fill(f);
	add_people(f);
	write_rows(f, "UPDATE core_helprequest SET user_id = 1 WHERE id IN (3, 4); UPDATE core_helprequest SET user_id = 2 WHERE id = 1");
	assert_string_equal(seen_by(f, NULL, NULL, false), "2 4 1");
	assert_string_equal(seen_by(f, &ben, NULL, false), "2 4 1");
	assert_string_equal(seen_by(f, &ana, NULL, false), "3 2 4 1"); /* her own */
	assert_string_equal(seen_by(f, &staff, NULL, false), "3 2 4 1");
	assert_string_equal(seen_by(f, &ana, "new", false), "3 4 1");
}

static void test_help_request__ones_own(void **state)
{
	struct fixture *f = *state;

	fill(f);
	add_people(f);
	write_rows(f, "UPDATE core_helprequest SET user_id = 1 WHERE id IN (3, 4); UPDATE core_helprequest SET user_id = 2 WHERE id = 1");
	assert_string_equal(seen_by(f, &ana, NULL, true), "3 4");
	assert_string_equal(seen_by(f, &ana, "accepted", true), "");
	assert_string_equal(seen_by(f, &ben, NULL, true), "1");
	assert_string_equal(seen_by(f, &staff, NULL, true), "");
	assert_string_equal(seen_by(f, NULL, NULL, true), "2 4 1"); /* nobody signed in: no condition */
}

static struct help_request a_request(void)
{
	return (struct help_request){ .id = 77,
		                      .title = STR("Un toit"),
		                      .description = STR("Réparer la <b>grange</b>"),
		                      .help_type = STR("materiel"),
		                      .urgency = STR("low"),
		                      .is_linked_to_project = true,
		                      .project_id = NULL_INT,
		                      .anonymity = STR("team_only"),
		                      .status = STR("accepted") };
}

static void test_help_request__asking(void **state)
{
	struct fixture *f = *state;
	struct help_request h = a_request();
	const struct help_request *stored;
	struct db_rows rows;
	int64_t before = clock_now().us, author;

	add_people(f);
	assert_ok(help_request_create(f->conn, &ana, &h));
	assert_true(h.id != 77 && h.created_at.us >= before);
	assert_text(h.status, "new"); /* whatever was wished */
	assert_ok(help_request_list(f->conn, &f->arena, &ana, &all, 20, 0, &rows));
	assert_int_equal(rows.n, 1);
	stored = rows.items;
	assert_int_equal(stored->id, h.id);
	assert_text(stored->title, "Un toit");
	assert_text(stored->description, "Réparer la <b>grange</b>");
	assert_text(stored->status, "new");
	assert_true(stored->created_at.us == h.created_at.us);
	assert_ok(db_select_int(f->conn, "SELECT user_id FROM core_helprequest", DB_NO_PARAMS, &author));
	assert_int_equal(author, 1);
	assert_ok(help_request_create(f->conn, NULL, &h)); /* nobody signed in */
	assert_ok(db_select_int(f->conn, "SELECT count(*) FROM core_helprequest WHERE user_id IS NULL", DB_NO_PARAMS, &author));
	assert_int_equal(author, 1);
}

static void test_help_request__its_project_must_be_there(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(help_request_project_known(f->conn, 8), ERR_NOT_FOUND);
	write_rows(f,
	           "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
	           "saka_supporters_count, active_oracles) VALUES (8, 'P', '', '2026-01-01 00:00:00', 0, 'DONATION', 0, 0, 0, '[]')");
	assert_ok(help_request_project_known(f->conn, 8));
}

static int64_t count_accepted(struct fixture *f)
{
	int64_t n;

	assert_ok(
	        db_select_int(f->conn,
	                      "SELECT count(*) FROM core_auditlog WHERE actor_id = 3 AND action = 'help_request_accept' AND target_type = "
	                      "'help_request' AND target_id = '3'",
	                      DB_NO_PARAMS, &n));
	return n;
}

static void test_help_request__accepting(void **state)
{
	struct fixture *f = *state;
	struct help_request h = { .id = 77 };

	fill(f);
	add_people(f);
	assert_ok(help_request_accept(f->conn, &f->arena, &staff, &all, 3, &h));
	assert_int_equal(h.id, 3);
	assert_text(h.status, "accepted");
	assert_text(h.title, "Titre 3");
	assert_string_equal(seen_by(f, &staff, "accepted", false), "3 2");
	assert_int_equal(count_accepted(f), 1);
	assert_ok(help_request_accept(f->conn, &f->arena, &staff, &all, 3, &h)); /* again: from any status */
	assert_int_equal(count_accepted(f), 2);
}

static void test_help_request__accepting_what_is_not_there(void **state)
{
	struct fixture *f = *state;
	const struct help_request_filter new_ones = { .status = STR("new") };
	struct help_request h = { .id = 77 };

	fill(f);
	add_people(f);
	assert_int_equal(help_request_accept(f->conn, &f->arena, &staff, &all, 99, &h), ERR_NOT_FOUND);
	assert_int_equal(help_request_accept(f->conn, &f->arena, &staff, &new_ones, 2, &h), ERR_NOT_FOUND); /* the filter counts too */
	assert_int_equal(h.id, 77);
	assert_ok(help_request_accept(f->conn, &f->arena, &staff, &new_ones, 3, &h));
}

/* Every statement fails once: then nothing is written at all. */
static void test_help_request__all_or_nothing(void **state)
{
	struct fixture *f = *state;
	struct help_request h = a_request();
	int r = ERR_INTERNAL;
	int n;

	fill(f);
	add_people(f);
	for (n = 1; r < 0; n++) {
		assert_true(n < 20);
		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = help_request_accept(f->conn, &f->arena, &staff, &all, 3, &h);
		fault_disarm_all();
		assert_int_equal(count_accepted(f), r == 0);
		assert_string_equal(seen_by(f, &staff, "accepted", false), r == 0 ? "3 2" : "2");
	}
	assert_true(n > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_help_request__public_ones_newest_first),
		CASE(test_help_request__by_status),
		CASE(test_help_request__pages),
		CASE(test_help_request__every_column),
		CASE(test_help_request__failures_are_told),
		CASE(test_help_request__those_for_the_team),
		CASE(test_help_request__ones_own),
		CASE(test_help_request__asking),
		CASE(test_help_request__its_project_must_be_there),
		CASE(test_help_request__accepting),
		CASE(test_help_request__accepting_what_is_not_there),
		CASE(test_help_request__all_or_nothing),
	};

	return RUN_ON_BOTH(tests);
}
