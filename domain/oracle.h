/*
 * Impact oracles: what is said of a project's effects by the oracles that it has chosen. Both are simulations, no network
 * call is ever made. Source: projects.md 5, content.md 10.2 (key oracle_data:project:<id>).
 *
 * What was read is kept in the cache for an hour together with a mark of what it was read from, so that a report made
 * from an older text of the project is never found again, whoever stored it and whenever. Any thread.
 */
#ifndef DOMAIN_ORACLE_H
#define DOMAIN_ORACLE_H

#include "cache/cache.h"
#include "db/db.h"

#define ORACLES_MAX  10   /* of one project that are asked; more are listed and ignored */
#define ORACLE_TTL_S 3600 /* of a report in the cache */

/* A registered oracle. */
struct oracle_info {
	struct str oracle_id, name, description;
	struct json_text impact_dimensions, config_keys; /* arrays of texts */
};

/* All of them (struct oracle_info), in the order of the registry; static, not to be changed. */
struct db_rows oracle_registry(void);

/* What the oracles are told of a project; texts are borrowed. */
struct oracle_subject {
	int64_t project_id;
	struct str categorie; /* may be null */
	struct str description;
	struct json_text active_oracles; /* what is not an array of texts counts as none */
};

/* The parts of the 4P scores that come from oracles; 0 without them. */
struct oracle_scores {
	double co2_avoided_kg;      /* sum */
	double social_impact_score; /* mean */
	double purpose_alignment;   /* mean */
};

struct oracle_report {
	struct str json; /* {"oracles":{…},"aggregated_metrics":{…},"metadata":{…}} */
	struct oracle_scores scores;
};

/* Whether a text is what active_oracles must be: a JSON array of texts. */
bool oracle_list_is_valid(struct json_text active_oracles);

/* Whether a project has any active oracle, known or not. */
bool oracle_any_active(struct json_text active_oracles);

/*
 * Asks the active oracles, through the cache; without any, nothing is stored. The text lives in the arena. ERR_NOMEM,
 * ERR_LIMIT (arena), ERR_IO (no random bytes). Waits no longer than the budget.
 */
int oracle_consult(struct cache *, struct redis_budget *, struct arena *, const struct oracle_subject *, struct oracle_report *ret_report);

#endif
