/*
 * Engagements: what people offer. Texts are stored as they are sent. Source: content.md 4, 11.3; database.md
 * core_engagement. Errors are those of db_select and db_write. The connection's thread, not inside db_write.
 *
 * What the viewer (NULL: nobody signed in) sees: those that are not for the team only, and his own; staff see all.
 */
#ifndef DOMAIN_ENGAGEMENT_H
#define DOMAIN_ENGAGEMENT_H

#include "db/db.h"
#include "domain/account.h"

struct engagement {
	int64_t id;
	struct json_text help_types, domains;
	struct str availability, scope, anonymity, notes;
	int64_t help_request_id; /* may be null */
	struct str status;
	struct instant created_at;
};

/* The number of visible engagements; help_request_id NULL_INT = any. */
int engagement_count(struct db_conn *, const struct account *viewer, int64_t help_request_id, int64_t *ret_count);

/* Visible engagements, newest first. */
int engagement_list(struct db_conn *, struct arena *, const struct account *viewer, int64_t help_request_id, int64_t limit, int64_t offset,
                    struct db_rows *ret_engagements);

/* Whether there is a help request with this id, as field tables ask: 0 or ERR_NOT_FOUND. */
int engagement_help_request_known(struct db_conn *, int64_t help_request_id);

/* Stores an engagement with status "new"; author NULL: nobody signed in. *engagement gets id, status and time. */
int engagement_create(struct db_conn *, const struct account *author, struct engagement *engagement);

#endif
