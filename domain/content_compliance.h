/*
 * How the published contents stand by the charter, for everybody to see: content.md 2, the public report. Errors as db_select,
 * and ERR_NOMEM; texts live in the arena. The connection's thread; it reads every published content, so not on a thread that serves.
 */
#ifndef DOMAIN_CONTENT_COMPLIANCE_H
#define DOMAIN_CONTENT_COMPLIANCE_H

#include "domain/charter.h"
#include "domain/content.h"

/* A published content that does not comply. */
struct content_violation {
	int64_t id;
	struct str title, slug;
	bool missing_source;
	struct charter_hit *hits; /* financial language */
	size_t n_hits;
};

struct content_compliance {
	int64_t published;
	struct content_violation *violations; /* newest content first */
	size_t n_violations;
};

/* Looks through them all. */
int content_check_compliance(struct db_conn *, struct arena *, struct content_compliance *ret_compliance);

#endif
