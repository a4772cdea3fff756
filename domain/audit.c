#include "domain/audit.h"

#include <stdio.h>

#include "base/clock.h"

int audit_write(struct db_conn *db, int64_t actor_id, const char *action, const char *target_type, int64_t target_id,
                struct json_text metadata)
{
	static const struct db_statement insert = {
		"INSERT INTO core_auditlog (actor_id, action, target_type, target_id, metadata, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
	};
	char target[24] = "";

	if (target_id != NULL_INT)
		snprintf(target, sizeof(target), "%lld", (long long)target_id);
	if (!metadata.text.s)
		metadata = (struct json_text){ STR("{}") };
	return db_execute(db, &insert,
	                  DB_PARAMS(DB_INT(actor_id), DB_TEXT(str_of(action)), DB_TEXT(str_of(target_type)), DB_TEXT(str_of(target)),
	                            DB_JSON(metadata), DB_TIME(clock_now())),
	                  NULL);
}

static const struct db_column entry_columns[] = {
	DB_COLUMN(struct audit_entry, id, INT, "a.id"),
	DB_COLUMN(struct audit_entry, actor_id, INT, "u.id"),
	DB_COLUMN(struct audit_entry, actor_username, TEXT, "u.username"),
	DB_COLUMN(struct audit_entry, actor_email, TEXT, "u.email"),
	DB_COLUMN(struct audit_entry, actor_first_name, TEXT, "u.first_name"),
	DB_COLUMN(struct audit_entry, actor_last_name, TEXT, "u.last_name"),
	DB_COLUMN(struct audit_entry, action, TEXT, "a.action"),
	DB_COLUMN(struct audit_entry, target_type, TEXT, "a.target_type"),
	DB_COLUMN(struct audit_entry, target_id, TEXT, "a.target_id"),
	DB_COLUMN(struct audit_entry, metadata, JSON, "a.metadata"),
	DB_COLUMN(struct audit_entry, created_at, TIME, "a.created_at"),
};
static const struct db_row entry_row = DB_ROW(struct audit_entry, entry_columns);

#define FROM_ENTRIES "SELECT $cols FROM core_auditlog a LEFT JOIN auth_user u ON u.id = a.actor_id "

int audit_count(struct db_conn *db, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) FROM core_auditlog", DB_NO_PARAMS, ret_count);
}

int audit_list(struct db_conn *db, struct arena *arena, int64_t limit, int64_t offset, struct db_rows *ret_entries)
{
	static const struct db_statement newest_first = { FROM_ENTRIES "ORDER BY a.created_at DESC, a.id DESC LIMIT $1 OFFSET $2",
		                                          &entry_row };

	return db_select(db, &newest_first, DB_PARAMS(DB_INT(limit), DB_INT(offset)), arena, ret_entries);
}

int audit_find(struct db_conn *db, struct arena *arena, int64_t id, struct audit_entry *ret_entry)
{
	static const struct db_statement by_id = { FROM_ENTRIES "WHERE a.id = $1", &entry_row };

	return db_select_one(db, &by_id, DB_PARAMS(DB_INT(id)), arena, ret_entry);
}
