#include "domain/engagement.h"

static const struct db_column engagement_columns[] = {
	DB_COLUMN(struct engagement, id, INT, "id"),
	DB_COLUMN(struct engagement, help_types, JSON, "help_types"),
	DB_COLUMN(struct engagement, domains, JSON, "domains"),
	DB_COLUMN(struct engagement, availability, TEXT, "availability"),
	DB_COLUMN(struct engagement, scope, TEXT, "scope"),
	DB_COLUMN(struct engagement, anonymity, TEXT, "anonymity"),
	DB_COLUMN(struct engagement, notes, TEXT, "notes"),
	DB_COLUMN(struct engagement, help_request_id, INT, "help_request_id"),
	DB_COLUMN(struct engagement, status, TEXT, "status"),
	DB_COLUMN(struct engagement, created_at, TIME, "created_at"),
};
static const struct db_row engagement_row = DB_ROW(struct engagement, engagement_columns);

#define PUBLIC "FROM core_engagement WHERE anonymity <> 'team_only' AND (CAST($1 AS bigint) IS NULL OR help_request_id = $1) "

int engagement_count(struct db_conn *db, int64_t help_request_id, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) " PUBLIC, DB_PARAMS(DB_INT(help_request_id)), ret_count);
}

int engagement_list(struct db_conn *db, struct arena *arena, int64_t help_request_id, int64_t limit, int64_t offset,
                    struct db_rows *ret_engagements)
{
	static const struct db_statement newest_first = { "SELECT $cols " PUBLIC "ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3",
		                                          &engagement_row };

	return db_select(db, &newest_first, DB_PARAMS(DB_INT(help_request_id), DB_INT(limit), DB_INT(offset)), arena, ret_engagements);
}
