/*
 * Projects: what they are and how they are read. Source: projects.md 1, 2, 6; database.md core_projet, project_impact_4p.
 *
 * Functions run on the caller's connection, texts live in the arena; errors are those of db_select (db/db.h).
 */
#ifndef DOMAIN_PROJECT_H
#define DOMAIN_PROJECT_H

#include "db/db.h"

/* A row of core_projet with the 4P scores of project_impact_4p (zeros and no time when never computed). */
struct project {
	int64_t id;
	struct str titre, description;
	struct str categorie;                       /* may be null */
	int64_t impact_score;                       /* may be null */
	struct str image;                           /* path under the media root; null or empty: none */
	struct json_text embedding, coordinates_3d; /* may be null */
	struct str funding_type;
	struct decimal donation_goal, investment_goal;
	struct decimal share_price;         /* may be null */
	int64_t total_shares;               /* may be null */
	struct decimal valuation_pre_money; /* may be null */
	struct instant created_at;
	int64_t saka_score, saka_supporters_count;
	struct json_text active_oracles;
	int64_t community_id; /* may be null */
	double p1_financier;
	int64_t p2_saka, p3_social, p4_sens;
	struct instant impact_updated_at; /* may be null */
};

enum project_order { PROJECT_BY_DATE, PROJECT_BY_SAKA };

/* All projects, newest first; by SAKA: highest score first, then newest. */
int project_list(struct db_conn *, struct arena *, enum project_order, struct db_rows *ret_projects);

/* One project; ERR_NOT_FOUND. */
int project_find(struct db_conn *, struct arena *, int64_t id, struct project *ret_project);

#define PROJECT_SEARCH_MAX 100

/*
 * Projects whose title or description holds the text (at least two characters), at most PROJECT_SEARCH_MAX. With
 * pg_trgm by similarity, else by date, and then *ret_simple is true. Case folds for ASCII only on SQLite.
 */
int project_search(struct db_conn *, struct arena *, struct str text, struct db_rows *ret_projects, bool *ret_simple);

#endif
