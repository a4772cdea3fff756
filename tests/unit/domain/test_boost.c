#include "domain/boost.h"

#include <pthread.h>

#include "tests/unit/domain/writing.h"

static const struct settings on = { .enable_saka = true };
static const struct settings off = { .enable_saka = false };

static void add_project(struct fixture *f, int id, int saka_score, const char *oracles)
{
	char sql[600];

	snprintf(sql, sizeof(sql),
	         "INSERT INTO core_projet (id, titre, description, created_at, donation_goal, funding_type, investment_goal, saka_score, "
	         "saka_supporters_count, active_oracles) VALUES (%d, 't', 'd', '2026-01-05 00:00:00', 0, 'DONATION', 0, %d, 0, '%s')",
	         id, saka_score, oracles);
	write_rows(f, sql);
}

static void assert_boost(struct boost boost, int64_t spent, int64_t score, int64_t supporters)
{
	assert_int_equal(boost.saka_spent, spent);
	assert_int_equal(boost.saka_score, score);
	assert_int_equal(boost.saka_supporters_count, supporters);
}

static void test_boost__grains_become_score(void **state)
{
	struct fixture *f = *state;
	struct boost boost = { 0 };
	struct project p;
	struct writing t;

	writing_start(&t, f);
	add_account(f, 1);
	add_saka(f, 1, 30);
	add_project(f, 5, 3, "[]");
	keep_key(&t, "projets_list");
	keep_key(&t, "oracle_data:project:5");
	assert_ok(project_boost(&t.w, &on, 5, 10, &boost));
	assert_boost(boost, 10, 13, 1);
	assert_false(has_key(&t, "projets_list"));
	assert_true(has_key(&t, "oracle_data:project:5"));
	assert_ok(project_boost(&t.w, &on, 5, 20, &boost));
	assert_boost(boost, 20, 33, 1);
	assert_ok(project_find(f->conn, &f->arena, 5, &p));
	assert_int_equal(p.saka_score, 33);
	assert_int_equal(p.p2_saka, 33);
	assert_int_equal(p.p4_sens, 10);
	assert_int_equal(NUMBER("SELECT total_saka_spent FROM core_sakaprojectsupport WHERE project_id = 5 AND user_id = 1"), 30);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM core_sakatransaction WHERE direction = 'SPEND' AND reason = 'project_boost'"), 2);
	assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 0);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM egoejo_outbox") + NUMBER("SELECT COUNT(*) FROM core_auditlog"), 0);
	writing_stop(&t);
}

static void test_boost__each_supporter_counts_once(void **state)
{
	struct fixture *f = *state;
	struct boost boost = { 0 };
	struct writing t;

	writing_start(&t, f);
	add_project(f, 5, 0, "[]");
	for (int user = 1; user <= 3; user++) {
		add_account(f, user);
		add_saka(f, user, 10);
		t.w.actor_id = user;
		assert_ok(project_boost(&t.w, &on, 5, 4, &boost));
		assert_ok(project_boost(&t.w, &on, 5, 1, &boost));
		assert_boost(boost, 1, 5 * user, user);
	}
	writing_stop(&t);
}

static void test_boost__refusals_spend_nothing(void **state)
{
	struct fixture *f = *state;
	struct boost boost = { 0 };
	struct writing t;

	writing_start(&t, f);
	add_account(f, 1);
	add_project(f, 5, 0, "[]");
	assert_int_equal(project_boost(&t.w, &on, 6, 1, &boost), ERR_NOT_FOUND);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM core_sakawallet"), 0);
	assert_int_equal(project_boost(&t.w, &on, 5, 1, &boost), ERR_FORBIDDEN);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM core_sakawallet WHERE balance = 0"), 1); /* made on the way */
	write_rows(f, "UPDATE core_sakawallet SET balance = 9, total_harvested = 9");
	assert_int_equal(project_boost(&t.w, &on, 5, 10, &boost), ERR_FORBIDDEN);
	assert_int_equal(project_boost(&t.w, &on, 5, INT64_MAX, &boost), ERR_FORBIDDEN);
	assert_int_equal(project_boost(&t.w, &off, 5, 1, &boost), ERR_FORBIDDEN);
	write_rows(f, "UPDATE core_projet SET saka_score = 2147483640");
	assert_int_equal(project_boost(&t.w, &on, 5, 8, &boost), ERR_CONFLICT);
	assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 9);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM core_sakatransaction") + NUMBER("SELECT COUNT(*) FROM core_sakaprojectsupport"), 0);
	assert_ok(project_boost(&t.w, &on, 5, 7, &boost));
	assert_boost(boost, 7, 2147483647, 1);
	writing_stop(&t);
}

static void test_boost__a_failing_step_leaves_everything_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct boost boost = { 0 };
	struct writing t;
	int failures = 0;

	writing_start(&t, f);
	add_account(f, 1);
	add_saka(f, 1, 10);
	add_project(f, 5, 0, "[]");
	for (int n = 1;; n++) {
		int r;

		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = project_boost(&t.w, &on, 5, 10, &boost);
		fault_disarm_all();
		if (r == 0)
			break;
		failures++;
		assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 10);
		assert_int_equal(NUMBER("SELECT saka_score FROM core_projet"), 0);
		assert_int_equal(
		        NUMBER("SELECT COUNT(*) FROM core_sakatransaction") + NUMBER("SELECT COUNT(*) FROM core_sakaprojectsupport"), 0);
	}
	assert_true(failures >= 7);
	assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 0);
	writing_stop(&t);
}

static void test_boost__a_project_with_oracles(void **state)
{
	struct fixture *f = *state;
	struct boost boost = { 0 };
	struct project p;
	struct writing t;

	writing_start(&t, f);
	add_account(f, 1);
	add_saka(f, 1, 10);
	add_project(f, 5, 0, "[\"co2_avoided\"]");
	assert_ok(project_boost(&t.w, &on, 5, 10, &boost));
	assert_int_equal(t.w.refresh_error, 0);
	assert_ok(project_find(f->conn, &f->arena, 5, &p));
	assert_int_equal(p.p2_saka, 10);
	assert_true(has_key(&t, "oracle_data:project:5"));
	writing_stop(&t);
}

/* ---- many at once: the recipe of saka.md 11 ---- */

#define THREADS  10
#define EACH     5
#define BALANCE  120
#define SPENDING 10

struct booster {
	pthread_t id;
	struct fixture *f;
	struct writing *t;
	int done, poor, others;
};

static void *boost_repeatedly(void *arg)
{
	struct booster *b = arg;
	struct project_writing w = b->t->w;
	struct redis_budget budget = { 1000000 };
	struct error err = { 0 };
	struct boost boost;

	w.budget = &budget;
	if (db_connect(b->f->db, &w.db, &err) < 0)
		return NULL;
	for (int i = 0; i < EACH; i++) {
		int r = project_boost(&w, &on, 5, SPENDING, &boost);

		b->done += r == 0;
		b->poor += r == ERR_FORBIDDEN;
		b->others += r != 0 && r != ERR_FORBIDDEN;
	}
	db_disconnect(w.db);
	return NULL;
}

static void test_boost__of_fifty_at_once_twelve_succeed(void **state)
{
	struct fixture *f = *state;
	struct booster boosters[THREADS];
	int done = 0, poor = 0, others = 0;
	struct writing t;

	writing_start(&t, f);
	add_account(f, 1);
	add_saka(f, 1, BALANCE);
	add_project(f, 5, 0, "[]");
	for (int i = 0; i < THREADS; i++) {
		boosters[i] = (struct booster){ .f = f, .t = &t };
		assert_int_equal(pthread_create(&boosters[i].id, NULL, boost_repeatedly, &boosters[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(boosters[i].id, NULL);
		done += boosters[i].done;
		poor += boosters[i].poor;
		others += boosters[i].others;
	}
	assert_int_equal(done, 12);
	assert_int_equal(others, 0);
	assert_int_equal(poor, THREADS * EACH - 12);
	assert_int_equal(NUMBER("SELECT balance FROM core_sakawallet"), 0);
	assert_int_equal(NUMBER("SELECT saka_score FROM core_projet"), 120);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM core_sakatransaction"), 12);
	assert_int_equal(NUMBER("SELECT total_saka_spent FROM core_sakaprojectsupport"), 120);
	assert_int_equal(NUMBER("SELECT saka_score FROM project_impact_4p"), 120);
	writing_stop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_boost__grains_become_score),    CASE(test_boost__each_supporter_counts_once),
		CASE(test_boost__refusals_spend_nothing), CASE(test_boost__a_failing_step_leaves_everything_as_it_was),
		CASE(test_boost__a_project_with_oracles), CASE(test_boost__of_fifty_at_once_twelve_succeed),
	};

	return RUN_ON_BOTH(tests);
}
