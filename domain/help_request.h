/*
 * Help requests: what people ask for. Texts are stored as they are sent. Source: content.md 3, 11.2, 11.3; database.md
 * core_helprequest. Errors are those of db_select and db_write besides those named. The connection's thread, not inside db_write.
 *
 * What the viewer (NULL: nobody signed in) sees: those that are not for the team only, and his own; staff see all.
 */
#ifndef DOMAIN_HELP_REQUEST_H
#define DOMAIN_HELP_REQUEST_H

#include "db/db.h"
#include "domain/account.h"

struct help_request {
	int64_t id;
	struct str title, description, help_type, urgency;
	bool is_linked_to_project;
	int64_t project_id; /* may be null */
	struct str anonymity, status;
	struct instant created_at;
};

/* Which ones. */
struct help_request_filter {
	struct str status; /* exact; absent: any */
	bool mine;         /* only the viewer's own; no condition when nobody is signed in */
};

/* The number of visible help requests. */
int help_request_count(struct db_conn *, const struct account *viewer, const struct help_request_filter *, int64_t *ret_count);

/* Visible help requests, newest first. */
int help_request_list(struct db_conn *, struct arena *, const struct account *viewer, const struct help_request_filter *, int64_t limit,
                      int64_t offset, struct db_rows *ret_requests);

/* Whether there is a project with this id, as field tables ask: 0 or ERR_NOT_FOUND. */
int help_request_project_known(struct db_conn *, int64_t project_id);

/* Stores a request with status "new"; author NULL: nobody signed in. *request gets id, status and time. */
int help_request_create(struct db_conn *, const struct account *author, struct help_request *request);

/*
 * Accepts a request that the filter lets through, from any status, with an audit entry; *ret_request is the row afterwards.
 * ERR_NOT_FOUND. For staff: the caller checks.
 */
int help_request_accept(struct db_conn *, struct arena *, const struct account *staff, const struct help_request_filter *, int64_t id,
                        struct help_request *ret_request);

#endif
