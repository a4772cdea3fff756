#include "domain/project_impl.h"

#include "domain/like_impl.h"

static const struct db_column project_columns[] = {
	DB_COLUMN(struct project, id, INT, "p.id"),
	DB_COLUMN(struct project, titre, TEXT, "p.titre"),
	DB_COLUMN(struct project, description, TEXT, "p.description"),
	DB_COLUMN(struct project, categorie, TEXT, "p.categorie"),
	DB_COLUMN(struct project, impact_score, INT, "p.impact_score"),
	DB_COLUMN(struct project, image, TEXT, "p.image"),
	DB_COLUMN(struct project, embedding, JSON, "p.embedding"),
	DB_COLUMN(struct project, coordinates_3d, JSON, "p.coordinates_3d"),
	DB_COLUMN(struct project, funding_type, TEXT, "p.funding_type"),
	DB_COLUMN(struct project, donation_goal, DECIMAL, "p.donation_goal"),
	DB_COLUMN(struct project, investment_goal, DECIMAL, "p.investment_goal"),
	DB_COLUMN(struct project, share_price, DECIMAL, "p.share_price"),
	DB_COLUMN(struct project, total_shares, INT, "p.total_shares"),
	DB_COLUMN(struct project, valuation_pre_money, DECIMAL, "p.valuation_pre_money"),
	DB_COLUMN(struct project, created_at, TIME, "p.created_at"),
	DB_COLUMN(struct project, saka_score, INT, "p.saka_score"),
	DB_COLUMN(struct project, saka_supporters_count, INT, "p.saka_supporters_count"),
	DB_COLUMN(struct project, active_oracles, JSON, "p.active_oracles"),
	DB_COLUMN(struct project, community_id, INT, "p.community_id"),
	DB_COLUMN(struct project, p1_financier, FLOAT, "COALESCE(i.financial_score, 0)"),
	DB_COLUMN(struct project, p2_saka, INT, "COALESCE(i.saka_score, 0)"),
	DB_COLUMN(struct project, p3_social, INT, "COALESCE(i.social_score, 0)"),
	DB_COLUMN(struct project, p4_sens, INT, "COALESCE(i.purpose_score, 0)"),
	DB_COLUMN(struct project, impact_updated_at, TIME, "i.updated_at"),
};
static const struct db_row project_row = DB_ROW(struct project, project_columns);

#define FROM_PROJECT "SELECT $cols FROM core_projet p LEFT JOIN project_impact_4p i ON i.project_id = p.id "
#define NEWEST_FIRST "ORDER BY p.created_at DESC, p.id DESC "

int project_list(struct db_conn *db, struct arena *arena, enum project_order order, struct db_rows *ret_projects)
{
	static const struct db_statement by_date = { FROM_PROJECT NEWEST_FIRST, &project_row };
	static const struct db_statement by_saka = { FROM_PROJECT "ORDER BY p.saka_score DESC, p.created_at DESC, p.id DESC",
		                                     &project_row };

	return db_select(db, order == PROJECT_BY_SAKA ? &by_saka : &by_date, DB_NO_PARAMS, arena, ret_projects);
}

int project_find(struct db_conn *db, struct arena *arena, int64_t id, struct project *ret_project)
{
	static const struct db_statement by_id = { FROM_PROJECT "WHERE p.id = $1", &project_row };

	return db_select_one(db, &by_id, DB_PARAMS(DB_INT(id)), arena, ret_project);
}

int project_known(struct db_conn *db, int64_t id)
{
	int64_t found;

	return db_select_int(db, "SELECT id FROM core_projet WHERE id = $1", DB_PARAMS(DB_INT(id)), &found);
}

int project_lock(struct db_conn *db, struct arena *arena, int64_t id, struct project *ret_project)
{
	static const struct db_statement by_id = {
		.sqlite = FROM_PROJECT "WHERE p.id = $1",
		.postgresql = FROM_PROJECT "WHERE p.id = $1 FOR UPDATE OF p",
		.row = &project_row,
	};

	return db_select_one(db, &by_id, DB_PARAMS(DB_INT(id)), arena, ret_project);
}

static int search_simple(struct db_conn *db, struct arena *arena, struct str pattern, struct db_rows *ret_projects)
{
	static const struct db_statement containing = {
		.sqlite = FROM_PROJECT "WHERE p.titre LIKE $1 ESCAPE '\\' OR p.description LIKE $1 ESCAPE '\\' " NEWEST_FIRST "LIMIT 100",
		.postgresql =
		        FROM_PROJECT "WHERE UPPER(p.titre) LIKE UPPER($1) OR UPPER(p.description) LIKE UPPER($1) " NEWEST_FIRST "LIMIT 100",
		.row = &project_row,
	};
	_Static_assert(PROJECT_SEARCH_MAX == 100, "the statements name the limit");

	return db_select(db, &containing, DB_PARAMS(DB_TEXT(pattern)), arena, ret_projects);
}

/* similarity = trgm(titre) + half of trgm(description); the tie-break is the date (projects.md 2). */
static int search_similar(struct db_conn *db, struct arena *arena, struct str text, struct str pattern, struct db_rows *ret_projects)
{
	static const struct db_statement similar = {
		.postgresql = FROM_PROJECT ", LATERAL (SELECT similarity(p.titre, $1) + 0.5 * similarity(p.description, $1) AS score) s "
		                           "WHERE UPPER(p.titre) LIKE UPPER($2) OR UPPER(p.description) LIKE UPPER($2) OR s.score > 0.1 "
		                           "ORDER BY s.score DESC, p.created_at DESC, p.id DESC LIMIT 100",
		.row = &project_row,
	};

	return db_select(db, &similar, DB_PARAMS(DB_TEXT(text), DB_TEXT(pattern)), arena, ret_projects);
}

static bool has_trigrams(struct db_conn *db)
{
	int64_t n;

	return db_engine(db_of(db)) == DB_POSTGRESQL &&
	       db_select_int(db, "SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'", DB_NO_PARAMS, &n) == 0 && n > 0;
}

int project_search(struct db_conn *db, struct arena *arena, struct str text, struct db_rows *ret_projects, bool *ret_simple)
{
	struct str pattern = like_contains(arena, text);

	if (!pattern.s)
		return ERR_NOMEM;
	if (has_trigrams(db) && search_similar(db, arena, text, pattern, ret_projects) == 0) {
		*ret_simple = false;
		return 0;
	}
	*ret_simple = true;
	return search_simple(db, arena, pattern, ret_projects);
}
