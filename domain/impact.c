/*
 * One read gathers what the scores are made of, plain arithmetic makes them, one upsert stores them. Sums are doubles on
 * both engines, as contributions are stored: the score is an indicator, not an account.
 */
#include "domain/impact.h"

#include <math.h>

#include "base/clock.h"

#define COUNT_MAX     INT32_MAX             /* of the score columns */
#define CENTS_MAX     INT64_C(999999999999) /* of financial_score: numeric(12,2) */
#define SUBJECT_BYTES (16u * 1024 * 1024)   /* for the text of one project */

/* What the scores are made of. */
struct inputs {
	int64_t impact_score; /* may be null */
	int64_t saka_score, supporters, cagnottes;
	double contributions, escrows; /* euros; null: none */
	struct json_text active_oracles;
};

static const struct db_column input_columns[] = {
	DB_COLUMN(struct inputs, impact_score, INT, "p.impact_score"),
	DB_COLUMN(struct inputs, saka_score, INT, "p.saka_score"),
	DB_COLUMN(struct inputs, supporters, INT, "p.saka_supporters_count"),
	DB_COLUMN(struct inputs, cagnottes, INT, "(SELECT COUNT(*) FROM core_cagnotte c WHERE c.projet_id = p.id)"),
	DB_COLUMN(struct inputs, contributions, FLOAT,
	          "(SELECT SUM(k.montant) FROM core_contribution k JOIN core_cagnotte c ON c.id = k.cagnotte_id WHERE c.projet_id = p.id "
	          "AND k.montant BETWEEN -1e12 AND 1e12)"), /* what no amount can be (infinite, NaN) would fail the sum on PostgreSQL */
	DB_COLUMN(struct inputs, escrows, FLOAT,
	          "(SELECT SUM(e.amount) FROM finance_escrowcontract e WHERE e.project_id = p.id AND e.status IN ('LOCKED', 'RELEASED'))"),
	DB_COLUMN(struct inputs, active_oracles, JSON, "p.active_oracles"),
};
static const struct db_row input_row = DB_ROW(struct inputs, input_columns);

/* A number as an integer from low to high; what is no number is 0. */
static int64_t bring_within(double value, int64_t low, int64_t high)
{
	if (isnan(value))
		value = 0;
	if (value <= (double)low)
		return low;
	return value >= (double)high ? high : (int64_t)value;
}

static double or_nothing(double sum)
{
	return isnan(sum) ? 0 : sum;
}

struct scores {
	struct decimal financial;
	int64_t saka, social, purpose;
};

static struct scores compute(const struct inputs *in, const struct oracle_scores *oracles)
{
	double euros = or_nothing(in->contributions) + or_nothing(in->escrows);
	double impact = in->impact_score == NULL_INT ? 0 : (double)in->impact_score;
	double bonus = oracles->co2_avoided_kg / 100 + oracles->social_impact_score;
	double sense = 10.0 * (double)in->supporters + 5.0 * (double)in->cagnottes + floor(50 * oracles->purpose_alignment);

	return (struct scores){
		.financial = { bring_within(round(euros * 100), -CENTS_MAX, CENTS_MAX) },
		.saka = bring_within((double)in->saka_score, 0, COUNT_MAX),
		.social = bring_within(floor(impact + bonus), 0, 100),
		.purpose = bring_within(sense, 0, COUNT_MAX),
	};
}

static int store(struct db_conn *db, int64_t project_id, const struct scores *scores)
{
	static const struct db_statement upsert = {
		.sql = "INSERT INTO project_impact_4p (financial_score, saka_score, social_score, purpose_score, updated_at, created_at, "
		       "project_id) VALUES ($1, $2, $3, $4, $5, $5, $6) ON CONFLICT (project_id) DO UPDATE SET financial_score = "
		       "excluded.financial_score, saka_score = excluded.saka_score, social_score = excluded.social_score, purpose_score = "
		       "excluded.purpose_score, updated_at = excluded.updated_at"
	};

	return db_execute(db, &upsert,
	                  DB_PARAMS(DB_DECIMAL(scores->financial), DB_INT(scores->saka), DB_INT(scores->social), DB_INT(scores->purpose),
	                            DB_TIME(clock_now()), DB_INT(project_id)),
	                  NULL);
}

static int recompute(struct db_conn *db, struct arena *arena, int64_t project_id, const struct oracle_scores *oracles, bool *ret_pending)
{
	static const struct db_statement select = { "SELECT $cols FROM core_projet p WHERE p.id = $1", &input_row };
	static const struct oracle_scores none = { 0 };
	struct scores scores;
	struct inputs in;
	int r = db_select_one(db, &select, DB_PARAMS(DB_INT(project_id)), arena, &in);

	if (r < 0)
		return r;
	if (!oracles && (*ret_pending = oracle_any_active(in.active_oracles)))
		return 0;
	scores = compute(&in, oracles ? oracles : &none);
	return store(db, project_id, &scores);
}

int impact_recompute(struct db_conn *db, int64_t project_id, const struct oracle_scores *oracles, bool *ret_pending)
{
	struct arena arena;
	int r;

	arena_init(&arena, SUBJECT_BYTES);
	r = recompute(db, &arena, project_id, oracles, ret_pending);
	arena_finish(&arena);
	return r;
}

/* ---- with oracles ---- */

static const struct db_column subject_columns[] = {
	DB_COLUMN(struct oracle_subject, project_id, INT, "id"),
	DB_COLUMN(struct oracle_subject, categorie, TEXT, "categorie"),
	DB_COLUMN(struct oracle_subject, description, TEXT, "description"),
	DB_COLUMN(struct oracle_subject, active_oracles, JSON, "active_oracles"),
};
static const struct db_row subject_row = DB_ROW(struct oracle_subject, subject_columns);

struct refreshing {
	int64_t project_id;
	struct oracle_report report;
};

static int store_refreshed(struct db_conn *db, void *arg)
{
	const struct refreshing *refreshing = arg;

	return impact_recompute(db, refreshing->project_id, &refreshing->report.scores, NULL);
}

static int refresh(struct db_conn *db, struct cache *cache, struct redis_budget *budget, struct arena *arena, int64_t project_id)
{
	static const struct db_statement select = { "SELECT $cols FROM core_projet WHERE id = $1", &subject_row };
	struct refreshing refreshing = { .project_id = project_id };
	struct oracle_subject subject;
	int r = db_select_one(db, &select, DB_PARAMS(DB_INT(project_id)), arena, &subject);

	if (r == 0)
		r = oracle_consult(cache, budget, arena, &subject, &refreshing.report);
	return r < 0 ? r : db_write(db, store_refreshed, &refreshing);
}

int impact_refresh(struct db_conn *db, struct cache *cache, struct redis_budget *budget, int64_t project_id)
{
	struct arena arena;
	int r;

	arena_init(&arena, SUBJECT_BYTES);
	r = refresh(db, cache, budget, &arena, project_id);
	arena_finish(&arena);
	return r;
}
