/*
 * Lists of ids are one JSON parameter. No statement reads more of the table than it is about: what is looked for by a state is found
 * in an index that begins with it, and where ids are given the state is written so that no such index comes into question.
 */
#include "db/outbox_lease.h"

#include "db/driver_impl.h"
#include "db/outbox_impl.h"

#define IS_SENT "COALESCE(state, '') = 'sent'"

/* ---- putting ---- */

static void tell(void *arg)
{
	struct db *db = arg;
	void (*fn)(void *) = atomic_load(&db->put);

	if (fn)
		fn(db->put_arg);
}

/* One call for a commit, however many rows it wrote. */
static int tell_after_commit(struct db_conn *conn)
{
	for (size_t i = 0; i < conn->n_after; i++)
		if (conn->after[i].fn == tell)
			return 0;
	return db_after_commit(conn, tell, conn->db);
}

void outbox_watch(struct db *db, void (*fn)(void *arg), void *arg)
{
	db->put_arg = arg;
	atomic_store(&db->put, fn);
}

int outbox_put_row(struct db_conn *db, const struct outbox_row *row)
{
	static const struct db_statement put = {
		"INSERT INTO egoejo_outbox (task_id, name, queue, priority, envelope, durable, state, due_at, "
		"attempts, created_at) VALUES ($1, $2, $3, $4, $5, $6, 'new', $7, 0, $8)"
	};
	struct instant now = clock_now(), asked = row->due_at.us < now.us ? row->due_at : now;
	int r = db_execute(db, &put,
	                   DB_PARAMS(DB_TEXT(row->task_id), DB_TEXT(row->name), DB_TEXT(row->queue), DB_INT(row->priority),
	                             DB_TEXT(row->envelope), DB_BOOL(row->durable), DB_TIME(row->due_at), DB_TIME(asked)),
	                   NULL);

	return r == 0 && row->due_at.us <= now.us ? tell_after_commit(db) : r;
}

/* ---- leases ---- */

int outbox_renew(struct db_conn *db, struct str owner, struct str ids)
{
	static const struct db_statement sql =
	        OUTBOX_BY_IDS("UPDATE egoejo_outbox SET lease_until = $1 WHERE lease_owner = $2 AND ", 3, "");

	return db_execute(db, &sql, DB_PARAMS(DB_TIME(outbox_later(OUTBOX_LEASE_US)), DB_TEXT(owner), DB_TEXT(ids)), NULL);
}

#define FREED "lease_owner = NULL, lease_until = NULL"

int outbox_give_back(struct db_conn *db, struct str owner, struct str ids, struct str error)
{
	static const struct db_statement sql = OUTBOX_BY_IDS("UPDATE egoejo_outbox SET " FREED ", attempts = attempts - 1, "
	                                                     "last_error = COALESCE($1, last_error) WHERE lease_owner = $2 AND ",
	                                                     3, "");

	return db_execute(db, &sql, DB_PARAMS(DB_TEXT(error), DB_TEXT(owner), DB_TEXT(ids)), NULL);
}

int outbox_put_off(struct db_conn *db, struct str owner, struct str ids, struct instant due_at, struct str error)
{
	static const struct db_statement sql = OUTBOX_BY_IDS("UPDATE egoejo_outbox SET " FREED ", attempts = attempts - 1, due_at = $1, "
	                                                     "last_error = COALESCE($2, last_error) WHERE lease_owner = $3 AND ",
	                                                     4, "");

	return db_execute(db, &sql, DB_PARAMS(DB_TIME(due_at), DB_TEXT(error), DB_TEXT(owner), DB_TEXT(ids)), NULL);
}

int outbox_sent(struct db_conn *db, struct str ids)
{
	static const struct db_statement forget = OUTBOX_BY_IDS("DELETE FROM egoejo_outbox WHERE NOT durable AND ", 1, "");
	static const struct db_statement keep = OUTBOX_BY_IDS(
	        "UPDATE egoejo_outbox SET " FREED ", state = 'sent', sent_at = $1, attempts = 0, last_error = NULL WHERE durable AND ", 2,
	        "");
	int r = db_execute(db, &forget, DB_PARAMS(DB_TEXT(ids)), NULL);

	return r < 0 ? r : db_execute(db, &keep, DB_PARAMS(DB_TIME(clock_now()), DB_TEXT(ids)), NULL);
}

int outbox_retry(struct db_conn *db, struct str owner, int64_t id, struct str envelope, struct instant due_at, struct str error)
{
	static const struct db_statement sql = { "UPDATE egoejo_outbox SET " FREED ", attempts = 0, envelope = $1, due_at = $2, "
		                                 "last_error = $3 WHERE id = $4 AND lease_owner = $5",
		                                 .replan = true };

	return db_execute(db, &sql, DB_PARAMS(DB_TEXT(envelope), DB_TIME(due_at), DB_TEXT(error), DB_INT(id), DB_TEXT(owner)), NULL);
}

int outbox_bury(struct db_conn *db, struct str owner, int64_t id, struct str error)
{
	static const struct db_statement sql = { "UPDATE egoejo_outbox SET " FREED ", state = 'dead', last_error = $1 WHERE id = $2 "
		                                 "AND lease_owner = $3",
		                                 .replan = true };

	return db_execute(db, &sql, DB_PARAMS(DB_TEXT(error), DB_INT(id), DB_TEXT(owner)), NULL);
}

/* ---- rows that Redis has ---- */

/* Many are sent at one time: by the index those of that time are read again. */
int outbox_list_sent(struct db_conn *db, struct outbox_place after, int64_t limit, struct arena *arena, struct db_rows *ret_rows)
{
	static const struct db_column columns[] = {
		DB_COLUMN(struct outbox_sent_row, id, INT, "id"),
		DB_COLUMN(struct outbox_sent_row, task_id, TEXT, "task_id"),
		DB_COLUMN(struct outbox_sent_row, queue, TEXT, "queue"),
		DB_COLUMN(struct outbox_sent_row, sent_at, TIME, "sent_at"),
	};
	static const struct db_row row = DB_ROW(struct outbox_sent_row, columns);
	static const struct db_statement sql = { "SELECT $cols FROM egoejo_outbox WHERE state = 'sent' AND sent_at >= $1 AND (sent_at > $1 "
		                                 "OR id > $2) ORDER BY sent_at, id LIMIT $3",
		                                 &row, .replan = true };

	return db_select(db, &sql, DB_PARAMS(DB_TIME(after.sent_at), DB_INT(after.id), DB_INT(limit)), arena, ret_rows);
}

int outbox_settle(struct db_conn *db, struct str ids)
{
	static const struct db_statement sql = OUTBOX_BY_IDS("DELETE FROM egoejo_outbox WHERE " IS_SENT " AND ", 1, "");

	return db_execute(db, &sql, DB_PARAMS(DB_TEXT(ids)), NULL);
}

int outbox_settle_done(struct db_conn *db, struct str ids, int64_t *ret_n)
{
	static const struct db_statement sql =
	        OUTBOX_BY_IDS("DELETE FROM egoejo_outbox WHERE " IS_SENT " AND ", 1,
	                      " AND EXISTS (SELECT 1 FROM egoejo_task_done d WHERE d.task_id = egoejo_outbox.task_id)");

	return db_execute(db, &sql, DB_PARAMS(DB_TEXT(ids)), ret_n);
}

int outbox_send_again(struct db_conn *db, struct str ids, struct str error)
{
	static const struct db_statement sql =
	        OUTBOX_BY_IDS("UPDATE egoejo_outbox SET state = 'new', due_at = $1, last_error = $2 WHERE " IS_SENT " AND ", 3, "");

	return db_execute(db, &sql, DB_PARAMS(DB_TIME(clock_now()), DB_TEXT(error), DB_TEXT(ids)), NULL);
}

/* ---- for people and metrics ---- */

#define COUNTED(state) \
	"(SELECT count(*) FROM (SELECT 1 FROM egoejo_outbox WHERE state = '" state "' ORDER BY state, due_at LIMIT $2) AS " state "_rows)"

int outbox_figures(struct db_conn *db, struct arena *arena, struct outbox_figures *ret_figures)
{
	static const struct db_column columns[] = {
		DB_COLUMN(struct outbox_figures, waiting, INT, COUNTED("new")),
		DB_COLUMN(struct outbox_figures, sent, INT, COUNTED("sent")),
		DB_COLUMN(struct outbox_figures, dead, INT, COUNTED("dead")),
		DB_COLUMN(struct outbox_figures, oldest_due, TIME,
		          "(SELECT min(due_at) FROM egoejo_outbox WHERE state = 'new' AND due_at <= $1)"),
		DB_COLUMN(struct outbox_figures, oldest_sent, TIME,
		          "(SELECT min(sent_at) FROM egoejo_outbox WHERE state = 'sent' AND sent_at IS NOT NULL)"),
	};
	static const struct db_row row = DB_ROW(struct outbox_figures, columns);
	static const struct db_statement sql = { "SELECT $cols", &row, .replan = true };

	return db_select_one(db, &sql, DB_PARAMS(DB_TIME(clock_now()), DB_INT(OUTBOX_COUNTED_MAX)), arena, ret_figures);
}

int outbox_list(struct db_conn *db, struct str state, struct str task_id, int64_t limit, struct arena *arena, struct db_rows *ret_rows)
{
	static const struct db_column columns[] = {
		DB_COLUMN(struct outbox_listed, id, INT, "id"),
		DB_COLUMN(struct outbox_listed, task_id, TEXT, "task_id"),
		DB_COLUMN(struct outbox_listed, name, TEXT, "name"),
		DB_COLUMN(struct outbox_listed, queue, TEXT, "queue"),
		DB_COLUMN(struct outbox_listed, state, TEXT, "state"),
		DB_COLUMN(struct outbox_listed, lease_owner, TEXT, "lease_owner"),
		DB_COLUMN(struct outbox_listed, last_error, TEXT, "last_error"),
		DB_COLUMN(struct outbox_listed, envelope, TEXT, "envelope"),
		DB_COLUMN(struct outbox_listed, priority, INT, "priority"),
		DB_COLUMN(struct outbox_listed, attempts, INT, "attempts"),
		DB_COLUMN(struct outbox_listed, durable, BOOL, "durable"),
		DB_COLUMN(struct outbox_listed, due_at, TIME, "due_at"),
		DB_COLUMN(struct outbox_listed, sent_at, TIME, "sent_at"),
		DB_COLUMN(struct outbox_listed, lease_until, TIME, "lease_until"),
		DB_COLUMN(struct outbox_listed, created_at, TIME, "created_at"),
	};
	static const struct db_row row = DB_ROW(struct outbox_listed, columns);
	static const struct db_statement of_task = { "SELECT $cols FROM egoejo_outbox WHERE task_id = $1 AND state = COALESCE($2, state)",
		                                     &row, .replan = true };
	static const struct db_statement of_state = { "SELECT $cols FROM egoejo_outbox WHERE state = $1 ORDER BY id LIMIT $2", &row,
		                                      .replan = true };
	static const struct db_statement all = { "SELECT $cols FROM egoejo_outbox ORDER BY id LIMIT $1", &row, .replan = true };

	if (task_id.s)
		return db_select(db, &of_task, DB_PARAMS(DB_TEXT(task_id), DB_TEXT(state)), arena, ret_rows);
	if (state.s)
		return db_select(db, &of_state, DB_PARAMS(DB_TEXT(state), DB_INT(limit)), arena, ret_rows);
	return db_select(db, &all, DB_PARAMS(DB_INT(limit)), arena, ret_rows);
}

int outbox_revive(struct db_conn *db, struct str task_id, int64_t *ret_n)
{
	static const struct db_statement sql = { "UPDATE egoejo_outbox SET " FREED ", state = 'new', due_at = $1, attempts = 0 WHERE "
		                                 "task_id = $2 AND (state <> 'new' OR lease_until IS NULL OR lease_until <= $1)",
		                                 .replan = true };

	return db_execute(db, &sql, DB_PARAMS(DB_TIME(clock_now()), DB_TEXT(task_id)), ret_n);
}

int outbox_purge_dead(struct db_conn *db, int64_t *ret_n)
{
	static const struct db_statement sql = { "DELETE FROM egoejo_outbox WHERE state = 'dead'", .replan = true };

	return db_execute(db, &sql, DB_NO_PARAMS, ret_n);
}

void outbox_add_id(struct buf *ids, int64_t id)
{
	buf_addf(ids, "%s%lld", ids->len ? "," : "[", (long long)id);
}

struct str outbox_ids(struct buf *ids)
{
	buf_add_text(ids, ids->len ? "]" : "[]");
	return buf_view(ids);
}
