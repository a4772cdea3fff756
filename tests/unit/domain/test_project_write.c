#include "tests/unit/domain/writing.h"

static struct project new_project(void)
{
	return (struct project){
		.titre = STR("Jardin"),
		.description = STR("Un jardin"),
		.categorie = { NULL, 0 },
		.impact_score = 30,
		.funding_type = STR("DONATION"),
		.share_price = NULL_DECIMAL,
		.total_shares = NULL_INT,
		.valuation_pre_money = NULL_DECIMAL,
		.active_oracles = { STR("[]") },
		.community_id = NULL_INT,
	};
}

static struct project create(struct fixture *f, struct writing *t, const struct project *in)
{
	struct project p = { .id = 0 };

	assert_ok(project_create(&t->w, in, &p));
	return p;
}

static void test_project_write__a_new_project_with_its_task_and_scores(void **state)
{
	struct fixture *f = *state;
	struct project in = new_project(), p, found;
	struct instant before = clock_now();
	struct writing t;

	writing_start(&t, f);
	keep_key(&t, "projets_list");
	p = create(f, &t, &in);
	assert_text(p.titre, "Jardin");
	assert_int_equal(p.p3_social, 30);
	assert_true(p.impact_updated_at.us >= before.us && p.created_at.us >= before.us);
	assert_ok(project_find(f->conn, &f->arena, p.id, &found));
	assert_text(found.description, "Un jardin");
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM egoejo_outbox WHERE name = 'core.tasks_embeddings.generate_embedding_task'"), 1);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM egoejo_outbox"), 1);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM core_auditlog"), 0);
	assert_false(has_key(&t, "projets_list"));
	writing_stop(&t);
}

static void test_project_write__an_image_is_scanned(void **state)
{
	struct fixture *f = *state;
	struct project in = new_project();
	struct writing t;

	writing_start(&t, f);
	in.image = TEXT("projets/a.png");
	create(f, &t, &in);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM egoejo_outbox WHERE name = 'core.tasks_security.scan_file_antivirus'"), 1);
	writing_stop(&t);
}

static void test_project_write__oracles_are_asked_after_the_commit(void **state)
{
	struct fixture *f = *state;
	struct project in = new_project(), p;
	struct writing t;

	writing_start(&t, f);
	in.active_oracles = (struct json_text){ STR("[\"co2_avoided\"]") };
	in.categorie = TEXT("foret");
	p = create(f, &t, &in);
	assert_int_equal(t.w.refresh_error, 0);
	assert_true(p.p3_social >= 38 && p.p3_social <= 42); /* 30 and 8 to 12 */
	assert_true(has_key(&t, "oracle_data:project:1") || p.id != 1);
	writing_stop(&t);
}

static void test_project_write__a_failing_step_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct project in = new_project(), p;
	struct writing t;
	int failures = 0;

	writing_start(&t, f);
	for (int n = 1;; n++) {
		int r;

		keep_key(&t, "projets_list");
		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = project_create(&t.w, &in, &p);
		fault_disarm_all();
		if (r == 0)
			break;
		failures++;
		assert_int_equal(NUMBER("SELECT COUNT(*) FROM core_projet"), 0);
		assert_int_equal(NUMBER("SELECT COUNT(*) FROM egoejo_outbox"), 0);
		assert_true(has_key(&t, "projets_list"));
	}
	assert_true(failures >= 5);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM core_projet"), 1);
	writing_stop(&t);
}

/* What comes after the commit never fails the write: here every step of it fails once. */
static void test_project_write__what_fails_after_the_commit_is_told(void **state)
{
	struct fixture *f = *state;
	struct project in = new_project(), p;
	struct writing t;
	int told = 0;

	writing_start(&t, f);
	in.active_oracles = (struct json_text){ STR("[\"social_impact\"]") };
	for (int n = 1; n < 40; n++) {
		int r;

		fault_arm(FAULT_SQL_STEP, n, /* repeat: */ false);
		r = project_create(&t.w, &in, &p);
		fault_disarm_all();
		told += r == 0 && t.w.refresh_error < 0;
		if (r == 0)
			assert_text(p.titre, "Jardin");
	}
	assert_true(told >= 4);
	writing_stop(&t);
}

static void set_titre(const void *arg, struct project *p)
{
	p->titre = str_of(arg);
	p->impact_score = 12;
}

static void test_project_write__an_edit_changes_what_it_names(void **state)
{
	const struct project_edit edit = { set_titre, "Verger" };
	struct fixture *f = *state;
	struct project in = new_project(), p;
	struct writing t;

	writing_start(&t, f);
	add_account(f, 1);
	p = create(f, &t, &in);
	keep_key(&t, "projets_list");
	assert_ok(project_update(&t.w, p.id, &edit, &p));
	assert_text(p.titre, "Verger");
	assert_text(p.description, "Un jardin");
	assert_int_equal(p.p3_social, 12);
	assert_false(has_key(&t, "projets_list"));
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM egoejo_outbox"), 1); /* that of the creation */
	assert_int_equal(project_update(&t.w, 999999, &edit, &p), ERR_NOT_FOUND);
	writing_stop(&t);
}

static void set_image(const void *arg, struct project *p)
{
	p->image = str_of(arg);
}

static void test_project_write__a_changed_image_is_scanned(void **state)
{
	struct fixture *f = *state;
	struct project in = new_project(), p;
	struct writing t;

	writing_start(&t, f);
	add_account(f, 1);
	p = create(f, &t, &in);
	for (int i = 0; i < 2; i++)
		assert_ok(project_update(&t.w, p.id, &(struct project_edit){ set_image, "projets/b.png" }, &p));
	assert_ok(project_update(&t.w, p.id, &(struct project_edit){ set_image, NULL }, &p));
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM egoejo_outbox WHERE name = 'core.tasks_security.scan_file_antivirus'"), 1);
	writing_stop(&t);
}

static void test_project_write__edits_and_deletions_are_in_the_journal(void **state)
{
	const struct project_edit edit = { set_titre, "Le \"verger\"" };
	struct fixture *f = *state;
	struct project in = new_project(), p;
	struct writing t;

	writing_start(&t, f);
	add_account(f, 1);
	p = create(f, &t, &in);
	assert_ok(project_update(&t.w, p.id, &edit, &p));
	assert_ok(project_delete(&t.w, p.id));
	assert_int_equal(
	        NUMBER("SELECT COUNT(*) FROM core_auditlog WHERE action = 'project_update' AND target_type = 'projet' AND actor_id = 1"),
	        1);
	assert_int_equal(
	        NUMBER("SELECT COUNT(*) FROM core_auditlog WHERE action = 'project_delete' AND target_type = 'projet' AND actor_id = 1"),
	        1);
	assert_int_equal(project_delete(&t.w, p.id), ERR_NOT_FOUND);
	writing_stop(&t);
}

static void test_project_write__a_shareholder_holds_the_project(void **state)
{
	struct fixture *f = *state;
	struct project in = new_project(), p;
	struct writing t;
	char sql[300];

	writing_start(&t, f);
	add_account(f, 1);
	p = create(f, &t, &in);
	snprintf(sql, sizeof(sql),
	         "INSERT INTO investment_shareholderregister (number_of_shares, amount_invested, is_signed, created_at, updated_at, "
	         "investor_id, project_id) VALUES (1, 1, true, '2026-01-01 00:00:00', '2026-01-01 00:00:00', 1, %lld)",
	         (long long)p.id);
	write_rows(f, sql);
	keep_key(&t, "projets_list");
	assert_int_equal(project_delete(&t.w, p.id), ERR_CONFLICT);
	assert_true(has_key(&t, "projets_list"));
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM project_impact_4p"), 1);
	assert_int_equal(NUMBER("SELECT COUNT(*) FROM core_auditlog"), 0);
	writing_stop(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_project_write__a_new_project_with_its_task_and_scores),
		CASE(test_project_write__an_image_is_scanned),
		CASE(test_project_write__oracles_are_asked_after_the_commit),
		CASE(test_project_write__a_failing_step_leaves_nothing),
		CASE(test_project_write__what_fails_after_the_commit_is_told),
		CASE(test_project_write__an_edit_changes_what_it_names),
		CASE(test_project_write__a_changed_image_is_scanned),
		CASE(test_project_write__edits_and_deletions_are_in_the_journal),
		CASE(test_project_write__a_shareholder_holds_the_project),
	};

	return RUN_ON_BOTH(tests);
}
