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
