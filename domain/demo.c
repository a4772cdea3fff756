/*
 * The rows are tables of C structs, written in one transaction by one statement a table. Nothing is given an id: what
 * refers to another row finds it by its slug or title, because identity columns of PostgreSQL do not see ids that are
 * supplied. The scores of the projects are computed from these rows as the rules want them (projects.md 6), not made up.
 */
#include "domain/demo.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "domain/demo_impl.h"

#define DAY_US (24 * 3600 * US_PER_S)

struct filling {
	struct instant now;
	bool occupied;
};

static struct instant days_before(struct instant now, int days)
{
	return (struct instant){ now.us - days * DAY_US };
}

static const char count_rows[] = "SELECT (SELECT COUNT(*) FROM auth_user) + (SELECT COUNT(*) FROM core_projet) + "
                                 "(SELECT COUNT(*) FROM core_educationalcontent) + (SELECT COUNT(*) FROM core_community) + "
                                 "(SELECT COUNT(*) FROM core_cagnotte) + (SELECT COUNT(*) FROM core_helprequest) + "
                                 "(SELECT COUNT(*) FROM core_engagement) + (SELECT COUNT(*) FROM core_intent) + "
                                 "(SELECT COUNT(*) FROM core_poll) + (SELECT COUNT(*) FROM core_chatthread)";

static const struct db_statement insert_community = {
	.sql = "INSERT INTO core_community (name, slug, description, is_active, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)",
};

static int add_communities(struct db_conn *conn, struct instant now)
{
	int r = 0;

	for (size_t i = 0; i < demo_n_communities && r >= 0; i++) {
		const struct demo_community *c = &demo_communities[i];

		r = db_execute(conn, &insert_community,
		               DB_PARAMS(DB_TEXT(str_of(c->name)), DB_TEXT(str_of(c->slug)), DB_TEXT(str_of(c->description)), DB_BOOL(true),
		                         DB_TIME(days_before(now, c->days_ago))),
		               NULL);
	}
	return r;
}

static const struct db_statement insert_project = {
	.sql = "INSERT INTO core_projet (titre, description, categorie, impact_score, image, created_at, embedding, coordinates_3d, "
	       "donation_goal, funding_type, investment_goal, share_price, total_shares, valuation_pre_money, saka_score, "
	       "saka_supporters_count, community_id, active_oracles) "
	       "VALUES ($1, $2, $3, $4, NULL, $5, NULL, NULL, $6, 'DONATION', $7, NULL, NULL, NULL, $8, $9, "
	       "(SELECT id FROM core_community WHERE slug = $10), $11)",
};

static int add_projects(struct db_conn *conn, struct instant now)
{
	static const struct decimal none = { 0 };
	static const struct json_text no_oracles = { STR("[]") };
	int r = 0;

	for (size_t i = 0; i < demo_n_projects && r >= 0; i++) {
		const struct demo_project *p = &demo_projects[i];
		struct decimal goal = { p->goal_euros * 100 };

		r = db_execute(conn, &insert_project,
		               DB_PARAMS(DB_TEXT(str_of(p->titre)), DB_TEXT(str_of(p->description)), DB_TEXT(str_of(p->categorie)),
		                         DB_INT(p->impact_score), DB_TIME(days_before(now, p->days_ago)), DB_DECIMAL(goal),
		                         DB_DECIMAL(none), DB_INT(p->saka_score), DB_INT(p->saka_supporters), DB_TEXT(str_of(p->community)),
		                         DB_JSON(no_oracles)),
		               NULL);
	}
	return r;
}

static const struct db_statement insert_content = {
	.sql = "INSERT INTO core_educationalcontent (title, slug, type, status, anonymous_display_name, description, file, external_url, "
	       "created_at, updated_at, author_id, project_id, category, tags, embedding, audio_file, audio_source_hash, "
	       "embedding_source_hash, modified_by_id, published_at, published_by_id) "
	       "VALUES ($1, $2, $3, $4, '', $5, NULL, $6, $7, $7, NULL, (SELECT id FROM core_projet WHERE titre = $8), $9, $10, NULL, "
	       "NULL, "
	       "'', '', NULL, $11, NULL)",
};

static int add_contents(struct db_conn *conn, struct instant now)
{
	int r = 0;

	for (size_t i = 0; i < demo_n_contents && r >= 0; i++) {
		const struct demo_content *c = &demo_contents[i];
		struct instant created = days_before(now, c->days_ago);
		struct json_text tags = { str_of(c->tags) };

		r = db_execute(conn, &insert_content,
		               DB_PARAMS(DB_TEXT(str_of(c->title)), DB_TEXT(str_of(c->slug)), DB_TEXT(str_of(c->type)),
		                         DB_TEXT(str_of(c->status)), DB_TEXT(str_of(c->description)), DB_TEXT(str_of(c->external_url)),
		                         DB_TIME(created), DB_TEXT(str_of(c->project)), DB_TEXT(str_of(c->category)), DB_JSON(tags),
		                         DB_TIME(c->was_published ? created : NULL_TIME)),
		               NULL);
	}
	return r;
}

static const struct db_statement insert_cagnotte = {
	.sql = "INSERT INTO core_cagnotte (titre, description, montant_cible, montant_collecte, created_at, projet_id) "
	       "VALUES ($1, $2, $3, $4, $5, (SELECT id FROM core_projet WHERE titre = $6))",
};

static const struct db_statement insert_contribution = {
	.sql = "INSERT INTO core_contribution (montant, created_at, cagnotte_id, user_id) "
	       "VALUES ($1, $2, (SELECT id FROM core_cagnotte WHERE titre = $3), NULL)",
};

static int add_contributions(struct db_conn *conn, const struct demo_cagnotte *c, struct instant now)
{
	int r = 0;

	for (size_t i = 0; i < N_ELEMENTS(c->gifts) && c->gifts[i] > 0 && r >= 0; i++) {
		int days_ago = c->days_ago - (int)i > 0 ? c->days_ago - (int)i : 0;

		r = db_execute(conn, &insert_contribution,
		               DB_PARAMS(DB_FLOAT(c->gifts[i]), DB_TIME(days_before(now, days_ago)), DB_TEXT(str_of(c->titre))), NULL);
	}
	return r;
}

static int add_cagnottes(struct db_conn *conn, struct instant now)
{
	int r = 0;

	for (size_t i = 0; i < demo_n_cagnottes && r >= 0; i++) {
		const struct demo_cagnotte *c = &demo_cagnottes[i];
		double sum = 0;

		for (size_t k = 0; k < N_ELEMENTS(c->gifts); k++)
			sum += c->gifts[k];
		r = db_execute(conn, &insert_cagnotte,
		               DB_PARAMS(DB_TEXT(str_of(c->titre)), DB_TEXT(str_of(c->description)), DB_FLOAT(c->target), DB_FLOAT(sum),
		                         DB_TIME(days_before(now, c->days_ago)), DB_TEXT(str_of(c->project))),
		               NULL);
		if (r >= 0)
			r = add_contributions(conn, c, now);
	}
	return r;
}

static const struct db_statement insert_help_request = {
	.sql = "INSERT INTO core_helprequest (title, description, help_type, urgency, is_linked_to_project, anonymity, status, created_at, "
	       "updated_at, project_id, user_id) "
	       "VALUES ($1, $2, $3, $4, $5, 'pseudo', $6, $7, $7, (SELECT id FROM core_projet WHERE titre = $8), NULL)",
};

static int add_help_requests(struct db_conn *conn, struct instant now)
{
	int r = 0;

	for (size_t i = 0; i < demo_n_help_requests && r >= 0; i++) {
		const struct demo_help_request *h = &demo_help_requests[i];

		r = db_execute(conn, &insert_help_request,
		               DB_PARAMS(DB_TEXT(str_of(h->title)), DB_TEXT(str_of(h->description)), DB_TEXT(str_of(h->help_type)),
		                         DB_TEXT(str_of(h->urgency)), DB_BOOL(h->project != NULL), DB_TEXT(str_of(h->status)),
		                         DB_TIME(days_before(now, h->days_ago)), DB_TEXT(str_of(h->project))),
		               NULL);
	}
	return r;
}

/* P1 to P4 of every project. */
static const struct db_statement insert_scores = {
	.sql = "INSERT INTO project_impact_4p (financial_score, saka_score, social_score, purpose_score, updated_at, created_at, "
	       "project_id) "
	       "SELECT COALESCE((SELECT SUM(c.montant) FROM core_contribution c JOIN core_cagnotte k ON k.id = c.cagnotte_id "
	       "WHERE k.projet_id = p.id), 0), p.saka_score, "
	       "CASE WHEN p.impact_score > 100 THEN 100 ELSE COALESCE(p.impact_score, 0) END, "
	       "10 * p.saka_supporters_count + 5 * (SELECT COUNT(*) FROM core_cagnotte k WHERE k.projet_id = p.id), $1, $1, p.id "
	       "FROM core_projet p",
};

static int fill(struct db_conn *conn, void *arg)
{
	int (*const steps[])(struct db_conn *, struct instant) = { add_communities, add_projects, add_contents, add_cagnottes,
		                                                   add_help_requests };
	struct filling *filling = arg;
	int64_t rows = 0;
	int r;

	r = db_select_int(conn, count_rows, DB_NO_PARAMS, &rows);
	filling->occupied = rows > 0;
	if (r >= 0 && filling->occupied)
		return ERR_CONFLICT;
	for (size_t i = 0; i < N_ELEMENTS(steps) && r >= 0; i++)
		r = steps[i](conn, filling->now);
	return r < 0 ? r : db_execute(conn, &insert_scores, DB_PARAMS(DB_TIME(filling->now)), NULL);
}

int demo_fill(struct db_conn *conn, struct instant now, struct demo_counts *ret_counts, struct error *err)
{
	const char *shown = db_shown_url(db_of(conn));
	struct filling filling = { .now = now };
	int r = db_write(conn, fill, &filling);

	if (r < 0 && filling.occupied)
		return error_set(err, ERR_CONFLICT, "%s holds rows already: demonstration data goes into an empty database only", shown);
	if (r < 0)
		return error_set(err, r, "%s: %s", shown, error_name(r));
	*ret_counts = (struct demo_counts){
		.projects = (int)demo_n_projects,
		.contents = (int)demo_n_contents,
		.communities = (int)demo_n_communities,
		.cagnottes = (int)demo_n_cagnottes,
		.help_requests = (int)demo_n_help_requests,
	};
	return 0;
}
