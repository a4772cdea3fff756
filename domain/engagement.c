#include "domain/engagement.h"

#include "base/clock.h"

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

/* What the viewer sees ($1 is staff, $2 his id or null), narrowed by $3 (help request). */
#define VISIBLE                                                   \
	"FROM core_engagement "                                   \
	"WHERE (anonymity <> 'team_only' OR $1 OR user_id = $2) " \
	"AND (CAST($3 AS bigint) IS NULL OR help_request_id = $3) "

#define VISIBLE_PARAMS(viewer, help_request_id) \
	DB_BOOL((viewer) && (viewer)->is_staff), DB_INT((viewer) ? (viewer)->id : NULL_INT), DB_INT(help_request_id)

int engagement_count(struct db_conn *db, const struct account *viewer, int64_t help_request_id, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) " VISIBLE, DB_PARAMS(VISIBLE_PARAMS(viewer, help_request_id)), ret_count);
}

int engagement_list(struct db_conn *db, struct arena *arena, const struct account *viewer, int64_t help_request_id, int64_t limit,
                    int64_t offset, struct db_rows *ret_engagements)
{
	static const struct db_statement newest_first = { "SELECT $cols " VISIBLE "ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5",
		                                          &engagement_row };

	return db_select(db, &newest_first, DB_PARAMS(VISIBLE_PARAMS(viewer, help_request_id), DB_INT(limit), DB_INT(offset)), arena,
	                 ret_engagements);
}

int engagement_help_request_known(struct db_conn *db, int64_t help_request_id)
{
	int64_t id;

	return db_select_int(db, "SELECT id FROM core_helprequest WHERE id = $1", DB_PARAMS(DB_INT(help_request_id)), &id);
}

/* ---- offering ---- */

struct offering {
	int64_t author_id;
	struct engagement *engagement;
};

static int offer(struct db_conn *db, void *arg)
{
	static const char insert[] = "INSERT INTO core_engagement (help_types, domains, availability, scope, anonymity, notes, "
	                             "help_request_id, status, created_at, updated_at, user_id) "
	                             "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10) RETURNING id";
	const struct offering *o = arg;
	struct engagement *e = o->engagement;

	return db_select_int(db, insert,
	                     DB_PARAMS(DB_JSON(e->help_types), DB_JSON(e->domains), DB_TEXT(e->availability), DB_TEXT(e->scope),
	                               DB_TEXT(e->anonymity), DB_TEXT(e->notes), DB_INT(e->help_request_id), DB_TEXT(e->status),
	                               DB_TIME(e->created_at), DB_INT(o->author_id)),
	                     &e->id);
}

int engagement_create(struct db_conn *db, const struct account *author, struct engagement *engagement)
{
	struct offering offering = { author ? author->id : NULL_INT, engagement };

	engagement->status = (struct str)STR("new");
	engagement->created_at = clock_now();
	return db_write(db, offer, &offering);
}
