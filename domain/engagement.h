/*
 * Engagements: what people offer. Those for the team only are not shown to the public. Source: content.md 4, 11.3.
 */
#ifndef DOMAIN_ENGAGEMENT_H
#define DOMAIN_ENGAGEMENT_H

#include "db/db.h"

struct engagement {
	int64_t id;
	struct json_text help_types, domains;
	struct str availability, scope, anonymity, notes;
	int64_t help_request_id; /* may be null */
	struct str status;
	struct instant created_at;
};

/* The number of public engagements; help_request_id NULL_INT = any. */
int engagement_count(struct db_conn *, int64_t help_request_id, int64_t *ret_count);

/* Public engagements, newest first. */
int engagement_list(struct db_conn *, struct arena *, int64_t help_request_id, int64_t limit, int64_t offset,
                    struct db_rows *ret_engagements);

#endif
