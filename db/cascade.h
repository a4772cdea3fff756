/*
 * Deleting a row together with what refers to it, by the rules of db/schema.def: CASCADE deletes the referring rows (and
 * what refers to those), SET_NULL empties the reference, PROTECT refuses. SQL has no such action in this schema: it is the
 * application's to do (database.md), and deferred foreign keys make what was forgotten an ERR_CONFLICT at the commit.
 *
 * Everything is set-based: a statement for each reference, however many rows there are. Tables are named as in
 * schema.def; their key is `id`. Any noun: deleting a project is cascade_delete(db, "core_projet", id), an account
 * "auth_user". What rules do not say (files, texts to make anonymous, audit entries) is the caller's.
 */
#ifndef DB_CASCADE_H
#define DB_CASCADE_H

#include "db/db.h"

/*
 * Whether a row with a PROTECT reference keeps this one, or one that would be deleted with it, from being deleted. On any
 * connection; inside a closure it stays true until the commit. ERR_INTERNAL for an unknown table; errors of db_select.
 */
int cascade_is_protected(struct db_conn *, const char *table, int64_t id, bool *ret_protected);

/*
 * Inside a closure: deletes the row and applies the rules to what refers to it. ERR_CONFLICT, and nothing is changed,
 * when it is protected; ERR_INTERNAL for an unknown table; errors of db_execute. A row that is not there is no error.
 */
int cascade_delete(struct db_conn *, const char *table, int64_t id);

#endif
