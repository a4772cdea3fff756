#include "domain/community.h"

#include "tests/unit/domain/fixture.h"

static void add_community(struct fixture *f, int id, bool active, int day)
{
	char sql[500];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_community (id, name, slug, description, is_active, created_at, updated_at) VALUES "
	         "(%d, 'Nom %d', 'slug-%d', %s, %s, '2026-01-%02d 00:00:00', '2026-01-20 00:00:00')",
	         id, id, id, id % 2 ? "NULL" : "'Texte'", active ? "true" : "false", day);
	write_rows(f, sql);
}

static void add_projects(struct fixture *f, int first_id, int n, int community)
{
	struct buf b = BUF_EMPTY;

	buf_add_text(
	        &b,
	        "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
	        "saka_supporters_count, community_id, active_oracles) VALUES ");
	for (int i = 0; i < n; i++)
		buf_addf(&b, "%s(%d, 'P%d', '', '2026-01-%02d 00:00:00', 0, 'DONATION', 0, 0, 0, %d, '[]')", i ? ", " : "", first_id + i,
		         first_id + i, 1 + i / 2, community);
	write_rows(f, b.data);
	buf_finish(&b);
}

static void add_members(struct fixture *f, int community, int n)
{
	char sql[500];

	for (int i = 1; i <= n; i++) {
		snprintf(sql, sizeof(sql),
		         "INSERT INTO auth_user (id, password, is_superuser, username, last_name, email, is_staff, is_active, date_joined, "
		         "first_name) VALUES (%d, '!', false, 'u%d', '', '', false, true, '2026-01-01 00:00:00', '');"
		         "INSERT INTO core_community_members (id, community_id, user_id) VALUES (%d, %d, %d)",
		         i, i, i, community, i);
		write_rows(f, sql);
	}
}

static void test_community__active_ones_newest_first(void **state)
{
	struct fixture *f = *state;
	const struct community *c;
	struct db_rows rows;

	add_community(f, 1, true, 5);
	add_community(f, 2, true, 7);
	add_community(f, 3, false, 9);
	add_community(f, 4, true, 5);
	assert_ok(community_list(f->conn, &f->arena, &rows));
	c = rows.items;
	assert_int_equal(rows.n, 3);
	assert_int_equal(c[0].id, 2);
	assert_int_equal(c[1].id, 4);
	assert_int_equal(c[2].id, 1);
}

static void test_community__every_column(void **state)
{
	struct fixture *f = *state;
	struct community c;

	add_community(f, 1, true, 5);
	add_community(f, 2, true, 5);
	add_projects(f, 10, 3, 1);
	add_projects(f, 20, 1, 2);
	add_members(f, 1, 2);
	assert_ok(community_find(f->conn, &f->arena, TEXT("slug-1"), &c));
	assert_int_equal(c.id, 1);
	assert_text(c.name, "Nom 1");
	assert_text(c.slug, "slug-1");
	assert_null(c.description.s);
	assert_true(c.is_active);
	assert_true(c.created_at.us == january(5) && c.updated_at.us == january(20));
	assert_int_equal(c.members_count, 2);
	assert_int_equal(c.projects_count, 3);
	assert_ok(community_find(f->conn, &f->arena, TEXT("slug-2"), &c));
	assert_text(c.description, "Texte");
	assert_int_equal(c.members_count, 0);
	assert_int_equal(c.projects_count, 1);
}

static void test_community__the_newest_projects_of_one(void **state)
{
	struct fixture *f = *state;
	const struct community_project *p;
	struct community c;

	add_community(f, 1, true, 5);
	add_community(f, 2, true, 5);
	add_projects(f, 100, 25, 1);
	add_projects(f, 200, 1, 2);
	assert_ok(community_find(f->conn, &f->arena, TEXT("slug-1"), &c));
	p = c.projects.items;
	assert_int_equal(c.projects.n, COMMUNITY_PROJECTS_MAX);
	assert_int_equal(c.projects_count, 25); /* all are counted */
	assert_int_equal(p[0].id, 124);
	assert_text(p[0].titre, "P124");
	assert_int_equal(p[1].id, 123); /* of one day with 122: the highest id first */
	assert_int_equal(p[2].id, 122);
	assert_int_equal(p[19].id, 105);
}

static void test_community__what_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct community c = { .id = 77 };

	add_community(f, 1, false, 5);
	add_community(f, 2, true, 5);
	assert_int_equal(community_find(f->conn, &f->arena, TEXT("slug-1"), &c), ERR_NOT_FOUND);
	assert_int_equal(community_find(f->conn, &f->arena, TEXT("SLUG-2"), &c), ERR_NOT_FOUND);
	assert_int_equal(community_find(f->conn, &f->arena, TEXT("slug-"), &c), ERR_NOT_FOUND);
	assert_int_equal(community_find(f->conn, &f->arena, TEXT(""), &c), ERR_NOT_FOUND);
	assert_int_equal(community_find(f->conn, &f->arena, TEXT("slug-2' --"), &c), ERR_NOT_FOUND);
	assert_int_equal(c.id, 77);
}

static void test_community__failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct community c = { .id = 77 };
	struct db_rows rows;

	add_community(f, 2, true, 5);
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(community_list(f->conn, &f->arena, &rows) < 0);
	fault_disarm_all();
	for (int n = 1; n <= 2; n++) { /* the community, then its projects */
		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ true);
		assert_true(community_find(f->conn, &f->arena, TEXT("slug-2"), &c) < 0);
		fault_disarm_all();
		assert_int_equal(c.id, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_community__active_ones_newest_first),   CASE(test_community__every_column),
		CASE(test_community__the_newest_projects_of_one), CASE(test_community__what_is_not_there),
		CASE(test_community__failures_are_told),
	};

	return RUN_ON_BOTH(tests);
}
