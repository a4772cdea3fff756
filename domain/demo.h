/*
 * Demonstration data: what a newcomer sees after `egoejo demo`. All titles begin with [Démo]; there are no accounts, so
 * nothing of it can be logged in to. Source: design.md 9.3.
 */
#ifndef DOMAIN_DEMO_H
#define DOMAIN_DEMO_H

#include "base/error.h"
#include "base/kinds.h"
#include "db/db.h"

struct demo_counts {
	int projects, contents, communities, cagnottes, help_requests;
};

/*
 * Fills a database that has its tables and no rows, in one transaction; times are in the months before now. ERR_CONFLICT
 * when there are rows already, and the errors of db_write; text in *err. The connection's thread, not inside db_write.
 */
int demo_fill(struct db_conn *, struct instant now, struct demo_counts *ret_counts, struct error *err);

#endif
