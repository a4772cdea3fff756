/*
 * The audit journal: who did what to which row. Source: accounts.md 6; database.md core_auditlog.
 */
#ifndef DOMAIN_AUDIT_H
#define DOMAIN_AUDIT_H

#include "db/db.h"

/*
 * Writes one entry, inside the db_write closure of the change that it tells of, so that there is one exactly when the
 * change happened. actor_id NULL_INT: nobody signed in; target_id NULL_INT: no row; metadata absent: {}. Errors as db_execute.
 */
int audit_write(struct db_conn *, int64_t actor_id, const char *action, const char *target_type, int64_t target_id,
                struct json_text metadata);

#endif
