/*
 * Help requests: what people ask for. Those for the team only are not shown to the public. Source: content.md 3, 11.3.
 */
#ifndef DOMAIN_HELP_REQUEST_H
#define DOMAIN_HELP_REQUEST_H

#include "db/db.h"

struct help_request {
	int64_t id;
	struct str title, description, help_type, urgency;
	bool is_linked_to_project;
	int64_t project_id; /* may be null */
	struct str anonymity, status;
	struct instant created_at;
};

/* The number of public help requests; status absent = any, else exact. */
int help_request_count(struct db_conn *, struct str status, int64_t *ret_count);

/* Public help requests, newest first. */
int help_request_list(struct db_conn *, struct arena *, struct str status, int64_t limit, int64_t offset, struct db_rows *ret_requests);

#endif
