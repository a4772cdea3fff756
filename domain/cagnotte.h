/*
 * Cagnottes: money pots, usually of a project. Source: projects.md 9; database.md core_cagnotte.
 */
#ifndef DOMAIN_CAGNOTTE_H
#define DOMAIN_CAGNOTTE_H

#include "db/db.h"

struct cagnotte {
	int64_t id;
	struct str titre, description;
	double montant_cible, montant_collecte; /* euros */
	struct instant created_at;
	int64_t projet_id; /* may be null */
};

/* The number of cagnottes. */
int cagnotte_count(struct db_conn *, int64_t *ret_count);

/* Cagnottes, newest first. */
int cagnotte_list(struct db_conn *, struct arena *, int64_t limit, int64_t offset, struct db_rows *ret_cagnottes);

#endif
