/* Projects: what reading (project.c) and writing (project_write.c, boost.c) share. */
#ifndef DOMAIN_PROJECT_IMPL_H
#define DOMAIN_PROJECT_IMPL_H

#include "domain/project.h"

/* As project_find, in a closure: the row stays as it is until the commit. */
int project_lock(struct db_conn *, struct arena *, int64_t id, struct project *ret_project);

/*
 * After the commit of a write: keys that `change` makes stale, then the scores of a project that the closure left pending.
 * Fills w->refresh_error.
 */
void project_committed(struct project_writing *, int change, int64_t id, bool pending);

#endif
