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

/* An entry as it is read, with who he is now; actor_id NULL_INT: nobody was signed in, or the account is gone. */
struct audit_entry {
	int64_t id;
	int64_t actor_id;
	struct str actor_username, actor_email, actor_first_name, actor_last_name;
	struct str action, target_type, target_id;
	struct json_text metadata;
	struct instant created_at;
};

int audit_count(struct db_conn *, int64_t *ret_count);

/* Newest first. */
int audit_list(struct db_conn *, struct arena *, int64_t limit, int64_t offset, struct db_rows *ret_entries);

/* One entry; ERR_NOT_FOUND. */
int audit_find(struct db_conn *, struct arena *, int64_t id, struct audit_entry *ret_entry);

#endif
