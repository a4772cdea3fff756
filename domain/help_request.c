#include "domain/help_request.h"

static const struct db_column help_request_columns[] = {
	DB_COLUMN(struct help_request, id, INT, "id"),
	DB_COLUMN(struct help_request, title, TEXT, "title"),
	DB_COLUMN(struct help_request, description, TEXT, "description"),
	DB_COLUMN(struct help_request, help_type, TEXT, "help_type"),
	DB_COLUMN(struct help_request, urgency, TEXT, "urgency"),
	DB_COLUMN(struct help_request, is_linked_to_project, BOOL, "is_linked_to_project"),
	DB_COLUMN(struct help_request, project_id, INT, "project_id"),
	DB_COLUMN(struct help_request, anonymity, TEXT, "anonymity"),
	DB_COLUMN(struct help_request, status, TEXT, "status"),
	DB_COLUMN(struct help_request, created_at, TIME, "created_at"),
};
static const struct db_row help_request_row = DB_ROW(struct help_request, help_request_columns);

#define PUBLIC "FROM core_helprequest WHERE anonymity <> 'team_only' AND (CAST($1 AS text) IS NULL OR status = $1) "

int help_request_count(struct db_conn *db, struct str status, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) " PUBLIC, DB_PARAMS(DB_TEXT(status)), ret_count);
}

int help_request_list(struct db_conn *db, struct arena *arena, struct str status, int64_t limit, int64_t offset,
                      struct db_rows *ret_requests)
{
	static const struct db_statement newest_first = { "SELECT $cols " PUBLIC "ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3",
		                                          &help_request_row };

	return db_select(db, &newest_first, DB_PARAMS(DB_TEXT(status), DB_INT(limit), DB_INT(offset)), arena, ret_requests);
}
