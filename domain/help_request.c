#include "domain/help_request.h"

#include "base/clock.h"
#include "domain/audit.h"

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

/* What the viewer sees ($1 is staff, $2 his id or null), narrowed by $3 (status) and $4 (only his own). */
#define VISIBLE                                                   \
	"FROM core_helprequest "                                  \
	"WHERE (anonymity <> 'team_only' OR $1 OR user_id = $2) " \
	"AND (CAST($3 AS text) IS NULL OR status = $3) "          \
	"AND (NOT $4 OR user_id = $2) "

#define VISIBLE_PARAMS(viewer, filter)                                                                                  \
	DB_BOOL((viewer) && (viewer)->is_staff), DB_INT((viewer) ? (viewer)->id : NULL_INT), DB_TEXT((filter)->status), \
	        DB_BOOL((viewer) && (filter)->mine)

int help_request_count(struct db_conn *db, const struct account *viewer, const struct help_request_filter *filter, int64_t *ret_count)
{
	return db_select_int(db, "SELECT count(*) " VISIBLE, DB_PARAMS(VISIBLE_PARAMS(viewer, filter)), ret_count);
}

int help_request_list(struct db_conn *db, struct arena *arena, const struct account *viewer, const struct help_request_filter *filter,
                      int64_t limit, int64_t offset, struct db_rows *ret_requests)
{
	static const struct db_statement newest_first = { "SELECT $cols " VISIBLE "ORDER BY created_at DESC, id DESC LIMIT $5 OFFSET $6",
		                                          &help_request_row };

	return db_select(db, &newest_first, DB_PARAMS(VISIBLE_PARAMS(viewer, filter), DB_INT(limit), DB_INT(offset)), arena, ret_requests);
}

int help_request_project_known(struct db_conn *db, int64_t project_id)
{
	int64_t id;

	return db_select_int(db, "SELECT id FROM core_projet WHERE id = $1", DB_PARAMS(DB_INT(project_id)), &id);
}

/* ---- asking ---- */

struct asking {
	int64_t author_id;
	struct help_request *request;
};

static int ask(struct db_conn *db, void *arg)
{
	static const char insert[] = "INSERT INTO core_helprequest (title, description, help_type, urgency, is_linked_to_project, "
	                             "project_id, anonymity, status, created_at, updated_at, user_id) "
	                             "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10) RETURNING id";
	const struct asking *a = arg;
	struct help_request *h = a->request;

	return db_select_int(db, insert,
	                     DB_PARAMS(DB_TEXT(h->title), DB_TEXT(h->description), DB_TEXT(h->help_type), DB_TEXT(h->urgency),
	                               DB_BOOL(h->is_linked_to_project), DB_INT(h->project_id), DB_TEXT(h->anonymity), DB_TEXT(h->status),
	                               DB_TIME(h->created_at), DB_INT(a->author_id)),
	                     &h->id);
}

int help_request_create(struct db_conn *db, const struct account *author, struct help_request *request)
{
	struct asking asking = { author ? author->id : NULL_INT, request };

	request->status = (struct str)STR("new");
	request->created_at = clock_now();
	return db_write(db, ask, &asking);
}

/* ---- accepting ---- */

struct accepting {
	const struct account *staff;
	const struct help_request_filter *filter;
	int64_t id;
	struct arena *arena;
	struct help_request *ret_request;
};

static int accept_one(struct db_conn *db, void *arg)
{
	static const struct db_statement by_id = { "SELECT $cols " VISIBLE "AND id = $5", &help_request_row };
	static const struct db_statement update = { "UPDATE core_helprequest SET status = 'accepted', updated_at = $2 WHERE id = $1" };
	const struct accepting *a = arg;
	int r = db_select_one(db, &by_id, DB_PARAMS(VISIBLE_PARAMS(a->staff, a->filter), DB_INT(a->id)), a->arena, a->ret_request);

	if (r == 0)
		r = db_execute(db, &update, DB_PARAMS(DB_INT(a->id), DB_TIME(clock_now())), NULL);
	if (r == 0)
		r = audit_write(db, a->staff->id, "help_request_accept", "help_request", a->id, (struct json_text){ { NULL, 0 } });
	return r;
}

int help_request_accept(struct db_conn *db, struct arena *arena, const struct account *staff, const struct help_request_filter *filter,
                        int64_t id, struct help_request *ret_request)
{
	struct help_request found;
	struct accepting accepting = { staff, filter, id, arena, &found };
	int r;

	r = db_write(db, accept_one, &accepting);
	if (r < 0)
		return r;
	found.status = (struct str)STR("accepted");
	*ret_request = found;
	return 0;
}
