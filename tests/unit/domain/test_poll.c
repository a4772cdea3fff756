#include "tests/unit/domain/polls.h"

static const struct poll_filter everything = { { NULL, 0 }, NULL_INT };

/* The ids of a page, "3 1". */
static const char *list_ids(struct fixture *f, struct poll_filter filter, int64_t limit, int64_t offset)
{
	char *text = arena_zalloc(&f->arena, 300);
	const struct poll *p;
	struct db_rows rows;

	assert_ok(poll_list(f->conn, &f->arena, &filter, limit, offset, &rows));
	p = rows.items;
	for (size_t i = 0; i < rows.n; i++)
		snprintf(text + strlen(text), 300 - strlen(text), "%s%lld", i ? " " : "", (long long)p[i].id);
	return text;
}

static int64_t count(struct fixture *f, struct poll_filter filter)
{
	int64_t n = -1;

	assert_ok(poll_count(f->conn, &filter, &n));
	return n;
}

static void test_poll__newest_first_drafts_too(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(list_ids(f, everything, 10, 0), "");
	add_poll(f, 1, 0, 5);
	add_poll(f, 2, 0, 7);
	add_poll(f, 3, 0, 5);
	write_rows(f, "UPDATE core_poll SET status = 'draft' WHERE id = 2");
	assert_string_equal(list_ids(f, everything, 10, 0), "2 3 1");
	assert_string_equal(list_ids(f, everything, 2, 1), "3 1");
	assert_string_equal(list_ids(f, everything, 2, 3), "");
	assert_int_equal(count(f, everything), 3);
}

static void test_poll__filters_only_narrow(void **state)
{
	struct fixture *f = *state;

	write_rows(f,
	           "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
	           "saka_supporters_count, active_oracles) VALUES (5, 't', 'd', '2026-01-05 00:00:00', 0, 'DONATION', 0, 0, 0, '[]')");
	add_poll(f, 1, 0, 1);
	add_poll(f, 2, 0, 2);
	add_poll(f, 3, 0, 3);
	write_rows(f, "UPDATE core_poll SET project_id = 5 WHERE id > 1; UPDATE core_poll SET status = 'closed' WHERE id = 3");
	assert_string_equal(list_ids(f, (struct poll_filter){ TEXT("open"), NULL_INT }, 9, 0), "2 1");
	assert_string_equal(list_ids(f, (struct poll_filter){ NOTHING, 5 }, 9, 0), "3 2");
	assert_string_equal(list_ids(f, (struct poll_filter){ TEXT("closed"), 5 }, 9, 0), "3");
	assert_string_equal(list_ids(f, (struct poll_filter){ TEXT("Open"), NULL_INT }, 9, 0), "");
	assert_string_equal(list_ids(f, (struct poll_filter){ TEXT("' OR '1'='1"), NULL_INT }, 9, 0), "");
	assert_int_equal(count(f, (struct poll_filter){ NOTHING, 6 }), 0);
	assert_int_equal(count(f, (struct poll_filter){ TEXT("open"), 5 }), 1);
}

static void test_poll__one_with_everything(void **state)
{
	struct fixture *f = *state;
	struct poll p;

	add_poll_of_three(f);
	write_rows(f, "UPDATE core_poll SET quorum = 4, opens_at = '2026-01-05 00:00:00', max_points = 7, voting_method = 'quadratic'");
	p = found(f, POLL);
	assert_text(p.title, "Titre 1000");
	assert_text(p.question, "q ?");
	assert_text(p.description, "");
	assert_text(p.status, "open");
	assert_true(p.is_anonymous);
	assert_false(p.allow_multiple);
	assert_int_equal(p.quorum, 4);
	assert_int_equal(p.opens_at.us, january(5));
	assert_int_equal(p.closes_at.us, NULL_TIME.us);
	assert_int_equal(p.project_id, NULL_INT);
	assert_int_equal(p.creator.id, 1);
	assert_text(p.creator.username, "user1");
	assert_int_equal(p.created_at.us, january(5));
	assert_int_equal(p.updated_at.us, january(20));
	assert_text(p.voting_method, "quadratic");
	assert_int_equal(p.max_points, 7);
	assert_string_equal(options_of(f, &p), "10000:0=0 10001:1=0 10002:2=0");
	assert_text(((const struct poll_option *)p.options.items)->label, "o10000");
	assert_int_equal(p.total_votes, 0);
}

static void test_poll__what_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct poll p = { .id = 5 };

	assert_int_equal(poll_find(f->conn, &f->arena, 1, &p), ERR_NOT_FOUND);
	assert_int_equal(p.id, 5);
	assert_int_equal(poll_exists(f->conn, 1), 0);
	add_poll(f, 1, 0, 1);
	assert_int_equal(poll_exists(f->conn, 1), 1);
	p = found(f, 1);
	assert_int_equal(p.creator.id, NULL_INT);
	assert_null(p.creator.username.s);
	assert_int_equal(p.options.n, 0);
	fault_arm(FAULT_SQL_STEP, 1, /* repeat: */ true);
	assert_true(poll_exists(f->conn, 1) < 0);
	fault_disarm_all();
}

static void test_poll__counts_are_ballots(void **state)
{
	struct fixture *f = *state;
	struct poll p;

	add_poll_of_three(f);
	add_poll(f, POLL + 1, 0, 6);
	add_option(f, OPTION + 9, POLL + 1, 0);
	write_rows(f, "UPDATE core_polloption SET position = 8 WHERE id = 10000");
	add_ballot(f, POLL, OPTION, "a");
	add_ballot(f, POLL, OPTION, "b");
	add_ballot(f, POLL, OPTION + 2, "a");
	add_ballot(f, POLL + 1, OPTION + 9, "a");
	write_rows(f, "UPDATE core_pollballot SET points = 50, ranking = 3, weight = 9.5 WHERE voter_hash = 'a'");
	p = found(f, POLL);
	assert_string_equal(options_of(f, &p), "10001:1=0 10002:2=1 10000:8=2");
	assert_int_equal(p.total_votes, 3);
	p = found(f, POLL + 1);
	assert_string_equal(options_of(f, &p), "10009:0=1");
	assert_int_equal(p.total_votes, 1);
}

/* How many steps of the database a page takes: one for each row, and one more for each statement. */
static int steps_of_page(struct fixture *f, int64_t limit)
{
	struct db_rows rows;
	int r = -1;

	for (int n = 1;; n++) {
		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = poll_list(f->conn, &f->arena, &everything, limit, 0, &rows);
		fault_disarm_all();
		if (r == 0)
			return n - 1;
	}
}

/* Each poll of a page has its own options and counts, in the order of the page. */
static void test_poll__a_page_is_two_statements(void **state)
{
	struct fixture *f = *state;
	struct db_rows rows;
	const struct poll *p;

	for (int i = 0; i < 30; i++) {
		add_poll(f, 1 + i, 0, 30 - i);
		for (int k = 0; k < i % 4; k++) {
			add_option(f, 100 + 10 * i + k, 1 + i, k);
			add_ballot(f, 1 + i, 100 + 10 * i + k, "a");
		}
	}
	assert_ok(poll_list(f->conn, &f->arena, &everything, 30, 0, &rows));
	/* 30 polls, 43 options and 8 polls without any, and the end of each statement's rows: no third one. */
	assert_int_equal(steps_of_page(f, 30), 30 + 43 + 8 + 2);
	p = rows.items;
	assert_int_equal(rows.n, 30);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(p[i].id, 1 + i);
		assert_int_equal(p[i].options.n, i % 4);
		assert_int_equal(p[i].total_votes, i % 4);
		if (p[i].options.n)
			assert_int_equal(((const struct poll_option *)p[i].options.items)->id, 100 + 10 * i);
	}
}

static void test_poll__who_manages(void **state)
{
	const struct poll p = { .creator = { .id = 3 } }, of_nobody = { .creator = { .id = NULL_INT } };
	const struct account creator = { .id = 3 }, other = { .id = 4 }, staff = { .id = 5, .is_staff = true };
	const struct account superuser = { .id = 6, .is_superuser = true };

	(void)state;
	assert_true(poll_is_managed_by(&p, &creator));
	assert_true(poll_is_managed_by(&p, &staff));
	assert_false(poll_is_managed_by(&p, &other));
	assert_false(poll_is_managed_by(&p, &superuser));
	assert_true(poll_is_managed_by(&of_nobody, &staff));
	assert_false(poll_is_managed_by(&of_nobody, &creator));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_poll__newest_first_drafts_too),
		CASE(test_poll__filters_only_narrow),
		CASE(test_poll__one_with_everything),
		CASE(test_poll__what_is_not_there),
		CASE(test_poll__counts_are_ballots),
		CASE(test_poll__a_page_is_two_statements),
		CASE(test_poll__who_manages),
	};

	return RUN_ON_BOTH(tests);
}
