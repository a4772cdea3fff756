/*
 * The 4P scores of a project: money, grains, social effect, sense. Source: projects.md 6, 11.5; database.md
 * project_impact_4p. Every write that changes what they are made of computes them again: project created, edited, boosted;
 * cagnotte, contribution, pledge, release.
 *
 * A failure to compute never fails the write, because nothing can fail but the database itself: whatever the rows hold,
 * each score is brought within its column. What oracles say comes through the cache, which a closure must not touch;
 * so a project with active oracles is left for impact_refresh, after the commit, and any other is done in the closure.
 */
#ifndef DOMAIN_IMPACT_H
#define DOMAIN_IMPACT_H

#include "domain/oracle.h"

/*
 * In a closure: computes and stores the scores of a project. oracles: what they say, or NULL: not asked; then *ret_pending
 * (may be NULL with oracles) is true, and nothing was written, when the project has active ones. ERR_NOT_FOUND; errors of
 * db_execute.
 */
int impact_recompute(struct db_conn *, int64_t project_id, const struct oracle_scores *oracles, bool *ret_pending);

/*
 * After the commit of a write that left a project pending: asks the oracles and stores the scores, in a transaction of
 * its own. Not inside a closure. The write stands whatever comes back: errors of oracle_consult and db_write.
 */
int impact_refresh(struct db_conn *, struct cache *, struct redis_budget *, int64_t project_id);

#endif
