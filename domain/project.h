/*
 * Projects: what they are, how they are read and written. Source: projects.md 1, 2, 6, 11; database.md core_projet,
 * project_impact_4p. Functions run on the caller's connection, texts live in the arena.
 *
 * Reading: errors are those of db_select (db/db.h). Writing: one transaction for the rows, the tasks that they ask for,
 * the audit entry and the 4P scores; after its commit the cache lets go of what is stale. The errors of db_write, and
 * nothing has happened; what fails after the commit is told, never returned, for the write stands.
 */
#ifndef DOMAIN_PROJECT_H
#define DOMAIN_PROJECT_H

#include "cache/cache.h"
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

/* For references: whether there is such a project: 0; ERR_NOT_FOUND. */
int project_known(struct db_conn *, int64_t id);

#define PROJECT_SEARCH_MAX 100

/*
 * Projects whose title or description holds the text (at least two characters), at most PROJECT_SEARCH_MAX. With
 * pg_trgm by similarity, else by date, and then *ret_simple is true. Case folds for ASCII only on SQLite.
 */
int project_search(struct db_conn *, struct arena *, struct str text, struct db_rows *ret_projects, bool *ret_simple);

/* With what a write is made. Borrowed; the caller fills all but refresh_error. */
struct project_writing {
	struct db_conn *db;
	struct cache *cache;
	struct redis_budget *budget;
	struct arena *arena;
	int64_t actor_id;  /* who writes */
	int refresh_error; /* gets why the scores of a project with oracles were not computed, or 0 */
};

/* Inserts a project (all members but id, created_at and the scores); *ret_project is the row as it stands afterwards. */
int project_create(struct project_writing *, const struct project *, struct project *ret_project);

/* What is to be changed: called on the present row, locked; perhaps more than once, on another thread. */
struct project_edit {
	void (*apply)(const void *arg, struct project *);
	const void *arg;
};

/* Changes a project; *ret_project is the row as it stands afterwards. ERR_NOT_FOUND. */
int project_update(struct project_writing *, int64_t id, const struct project_edit *, struct project *ret_project);

/* Deletes a project and what is its own. ERR_NOT_FOUND; ERR_CONFLICT: an escrow or a shareholder holds it. */
int project_delete(struct project_writing *, int64_t id);

#endif
