/*
 * Communities: read-only groups of people and projects; inactive ones do not exist for callers. Source: projects.md 8.
 */
#ifndef DOMAIN_COMMUNITY_H
#define DOMAIN_COMMUNITY_H

#include "db/db.h"

struct community {
	int64_t id;
	struct str name, slug;
	struct str description; /* may be null */
	bool is_active;
	struct instant created_at, updated_at;
	int64_t members_count, projects_count;
	struct db_rows projects; /* of struct community_project; filled by community_find only */
};

struct community_project {
	int64_t id;
	struct str titre;
};

#define COMMUNITY_PROJECTS_MAX 20

/* Active communities, newest first, without their projects. */
int community_list(struct db_conn *, struct arena *, struct db_rows *ret_communities);

/* One active community by its exact slug, with its newest COMMUNITY_PROJECTS_MAX projects; ERR_NOT_FOUND. */
int community_find(struct db_conn *, struct arena *, struct str slug, struct community *ret_community);

/* Whether there is such a community, active or not: 0 or ERR_NOT_FOUND. */
int community_exists(struct db_conn *, int64_t id);

#endif
