#include "db/beat.h"

struct beat_row {
	struct instant due;
};

int beat_last_due(struct db_conn *db, struct arena *arena, struct str name, struct instant *ret_due)
{
	static const struct db_column columns[] = { DB_COLUMN(struct beat_row, due, TIME, "last_due_at") };
	static const struct db_row row = DB_ROW(struct beat_row, columns);
	static const struct db_statement sql = { "SELECT $cols FROM egoejo_beat WHERE name = $1", &row };
	struct beat_row found;
	int r = db_select_one(db, &sql, DB_PARAMS(DB_TEXT(name)), arena, &found);

	if (r == 0)
		*ret_due = found.due;
	return r;
}

int beat_begin(struct db_conn *db, struct str name, struct instant due)
{
	static const struct db_statement sql = {
		"INSERT INTO egoejo_beat (name, last_due_at, total_runs) VALUES ($1, $2, 0) ON CONFLICT (name) DO NOTHING"
	};

	return db_execute(db, &sql, DB_PARAMS(DB_TEXT(name), DB_TIME(due)), NULL);
}

int beat_move(struct db_conn *db, struct str name, struct instant due, bool fired)
{
	static const struct db_statement sql = { "UPDATE egoejo_beat SET last_due_at = $1, total_runs = total_runs + CAST($2 AS integer) "
		                                 "WHERE name = $3 AND last_due_at < $1" };
	int64_t changed = 0;
	int r = db_execute(db, &sql, DB_PARAMS(DB_TIME(due), DB_INT(fired), DB_TEXT(name)), &changed);

	return r < 0 ? r : changed > 0;
}

int beat_move_back(struct db_conn *db, struct str name, struct instant horizon, struct instant due)
{
	static const struct db_statement sql = { "UPDATE egoejo_beat SET last_due_at = $1 WHERE name = $2 AND last_due_at > $3" };
	int64_t changed = 0;
	int r = db_execute(db, &sql, DB_PARAMS(DB_TIME(due), DB_TEXT(name), DB_TIME(horizon)), &changed);

	return r < 0 ? r : changed > 0;
}
