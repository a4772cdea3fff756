/*
 * Boosts: grains planted on a project. Source: projects.md 1, saka.md 4; database.md core_sakaprojectsupport.
 */
#ifndef DOMAIN_BOOST_H
#define DOMAIN_BOOST_H

#include "base/settings.h"
#include "domain/project.h"

struct boost {
	int64_t saka_spent;
	int64_t saka_score, saka_supporters_count; /* of the project, afterwards */
};

/*
 * Plants grains of the writer's wallet on a project, in one transaction, the project locked before the wallet. ERR_NOT_FOUND
 * (project), ERR_FORBIDDEN (the balance is too small, or SAKA is off), ERR_CONFLICT (the score would outgrow its column), and the errors of
 * db_write: nothing was spent. Once it returns 0 it stands.
 */
int project_boost(struct project_writing *, const struct settings *, int64_t project_id, int64_t amount, struct boost *ret_boost);

#endif
