#include "domain/outage.h"

int outage_claim(struct db_conn *db, const struct outage *o, struct instant now)
{
	/* An open one is due again at $4. One that was closed is another when it began after that, or has lasted since $5 all the same. */
	static const struct db_statement claim = {
		"INSERT INTO egoejo_alert (key, opened_at, last_sent_at, sent, closed_at) VALUES ($1, $2, $3, 1, NULL) ON CONFLICT (key) "
		"DO "
		"UPDATE SET opened_at = CASE WHEN egoejo_alert.closed_at IS NULL THEN egoejo_alert.opened_at ELSE $2 END, last_sent_at = "
		"$3, "
		"sent = CASE WHEN egoejo_alert.closed_at IS NULL THEN egoejo_alert.sent + 1 ELSE 1 END, closed_at = NULL WHERE "
		"(egoejo_alert.closed_at IS NULL AND (egoejo_alert.last_sent_at IS NULL OR egoejo_alert.last_sent_at <= $4)) OR "
		"egoejo_alert.closed_at < $2 OR egoejo_alert.closed_at <= $5"
	};
	const struct instant due = { now.us - o->every_us }, settled = { now.us - o->settle_us };
	int64_t changed = 0;
	int r = db_execute(db, &claim, DB_PARAMS(DB_TEXT(o->key), DB_TIME(o->since), DB_TIME(now), DB_TIME(due), DB_TIME(settled)),
	                   &changed);

	return r < 0 ? r : changed > 0;
}

struct row {
	struct instant since;
};

int outage_close(struct db_conn *db, struct str key, struct instant now, struct instant *ret_since)
{
	static const struct db_column columns[] = { DB_COLUMN(struct row, since, TIME, "opened_at") };
	static const struct db_row row = DB_ROW(struct row, columns);
	static const struct db_statement close = {
		"UPDATE egoejo_alert SET closed_at = $2 WHERE key = $1 AND closed_at IS NULL RETURNING $cols", &row
	};
	struct row closed;
	int r = db_select_one(db, &close, DB_PARAMS(DB_TEXT(key), DB_TIME(now)), NULL, &closed);

	if (r == 0)
		*ret_since = closed.since;
	return r == ERR_NOT_FOUND ? 0 : r < 0 ? r : 1;
}

int outage_is_open(struct db_conn *db, struct str key)
{
	int64_t open = 0;
	int r = db_select_int(db, "SELECT COUNT(*) FROM egoejo_alert WHERE key = $1 AND closed_at IS NULL", DB_PARAMS(DB_TEXT(key)), &open);

	return r < 0 ? r : open > 0;
}

int outage_told_since(struct db_conn *db, struct str prefix, struct instant since)
{
	static const char count[] =
	        "SELECT COUNT(*) FROM egoejo_alert WHERE substr(key, 1, CAST($1 AS integer)) = $2 AND last_sent_at >= $3";
	int64_t told = 0;
	int r = db_select_int(db, count, DB_PARAMS(DB_INT((int64_t)prefix.len), DB_TEXT(prefix), DB_TIME(since)), &told);

	return r < 0 ? r : told > 0;
}
