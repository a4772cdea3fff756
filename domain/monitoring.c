/*
 * Ids are taken from the table's own sequence before their rows are written, so that Django and other processes may write
 * to the same tables. The engines keep their sequences differently: SQLite in a row of sqlite_sequence per table.
 */
#include "domain/monitoring.h"

#include <string.h>

#include "base/clock.h"

static const struct metric_type {
	const char *type, *name;
} metric_types[] = {
#define X(type, name) { type, name },
	MONITORING_METRICS(X)
#undef X
};

const char *monitoring_metric_type(struct str name)
{
	for (size_t i = 0; i < N_ELEMENTS(metric_types); i++)
		if (str_is(name, metric_types[i].type))
			return metric_types[i].type;
	return "Custom";
}

const char *monitoring_alert_level(struct str level)
{
	static const char *const levels[] = { "critical", "error", "warning", "info", "performance", "api" };

	for (size_t i = 0; i < N_ELEMENTS(levels); i++)
		if (str_is(level, levels[i]))
			return levels[i];
	return "info";
}

/* ---- ids ---- */

struct id_row {
	int64_t id;
};

#define NEXT_OF(table) "nextval(pg_get_serial_sequence('" table "', 'id'))"

static int reserve_postgresql(struct db_conn *db, enum report_kind kind, struct arena *arena, size_t n, int64_t *ret_ids)
{
	static const struct db_column columns[REPORT_KINDS][1] = {
		{ DB_COLUMN(struct id_row, id, INT, NEXT_OF("monitoring_performance_metric")) },
		{ DB_COLUMN(struct id_row, id, INT, NEXT_OF("monitoring_alert")) },
	};
	static const struct db_row rows[REPORT_KINDS] = { DB_ROW(struct id_row, columns[0]), DB_ROW(struct id_row, columns[1]) };
	static const struct db_statement next[REPORT_KINDS] = {
		{ "SELECT $cols FROM generate_series(1, CAST($1 AS integer))", &rows[0] },
		{ "SELECT $cols FROM generate_series(1, CAST($1 AS integer))", &rows[1] },
	};
	struct db_rows ids;
	int r = db_select(db, &next[kind], DB_PARAMS(DB_INT((int64_t)n)), arena, &ids);

	for (size_t i = 0; i < n && r == 0; i++)
		ret_ids[i] = ((const struct id_row *)ids.items)[i].id;
	return r;
}

static int reserve_sqlite(struct db_conn *db, enum report_kind kind, size_t n, int64_t *ret_ids)
{
#define MAX_OF(table) "(SELECT COALESCE(max(id), 0) FROM " table ")"
#define MOVE_ON(table)                                                                                       \
	{                                                                                                    \
		"UPDATE sqlite_sequence SET seq = max(seq, " MAX_OF(table) ") + $1 WHERE name = '" table "'" \
	}
#define BEGIN_AT(table)                                                                                \
	{                                                                                              \
		"INSERT INTO sqlite_sequence (name, seq) VALUES ('" table "', " MAX_OF(table) " + $1)" \
	}
	static const struct db_statement move[REPORT_KINDS] = { MOVE_ON("monitoring_performance_metric"), MOVE_ON("monitoring_alert") };
	static const struct db_statement begin[REPORT_KINDS] = { BEGIN_AT("monitoring_performance_metric"), BEGIN_AT("monitoring_alert") };
	static const char *const look[REPORT_KINDS] = { "SELECT seq FROM sqlite_sequence WHERE name = 'monitoring_performance_metric'",
		                                        "SELECT seq FROM sqlite_sequence WHERE name = 'monitoring_alert'" };
	int64_t changed = 0, last = 0;
	int r = db_execute(db, &move[kind], DB_PARAMS(DB_INT((int64_t)n)), &changed);

	if (r == 0 && changed == 0) /* the table has never had a row */
		r = db_execute(db, &begin[kind], DB_PARAMS(DB_INT((int64_t)n)), NULL);
	if (r == 0)
		r = db_select_int(db, look[kind], DB_NO_PARAMS, &last);
	for (size_t i = 0; i < n && r == 0; i++)
		ret_ids[i] = last - (int64_t)n + 1 + (int64_t)i;
	return r;
}

int monitoring_reserve_ids(struct db_conn *db, enum report_kind kind, struct arena *arena, size_t n, int64_t *ret_ids)
{
	if (db_engine(db_of(db)) == DB_POSTGRESQL)
		return reserve_postgresql(db, kind, arena, n, ret_ids);
	return reserve_sqlite(db, kind, n, ret_ids);
}

/* ---- writing ---- */

/* The account, if there still is one; CAST because $7 stands where its type cannot be told from. */
#define USER "(SELECT u.id FROM auth_user u WHERE u.id = $7)"

int monitoring_write_metric(struct db_conn *db, int64_t id, const struct metric_report *m)
{
	static const struct db_statement insert = { "INSERT INTO monitoring_performance_metric (id, metric_type, value, url, user_agent, "
		                                    "ip_address, user_id, timestamp, metadata) "
		                                    "VALUES ($1, $2, $3, $4, $5, $6, " USER ", $8, $9) ON CONFLICT (id) DO NOTHING" };
	const struct report_origin *from = &m->from;

	return db_execute(db, &insert,
	                  DB_PARAMS(DB_INT(id), DB_TEXT(str_of(m->type)), DB_FLOAT(m->value), DB_TEXT(from->url), DB_TEXT(from->user_agent),
	                            DB_TEXT(from->address), DB_INT(from->user_id), DB_TIME(from->timestamp), DB_JSON(from->metadata)),
	                  NULL);
}

int monitoring_write_alert(struct db_conn *db, int64_t id, const struct alert_report *a)
{
	static const struct db_statement insert = { "INSERT INTO monitoring_alert (id, level, message, url, user_agent, ip_address, "
		                                    "user_id, timestamp, metadata, resolved, resolved_at) "
		                                    "VALUES ($1, $2, $3, $4, $5, $6, " USER
		                                    ", $8, $9, FALSE, NULL) ON CONFLICT (id) DO NOTHING" };
	const struct report_origin *from = &a->from;

	return db_execute(db, &insert,
	                  DB_PARAMS(DB_INT(id), DB_TEXT(str_of(a->level)), DB_TEXT(a->message), DB_TEXT(from->url),
	                            DB_TEXT(from->user_agent), DB_TEXT(from->address), DB_INT(from->user_id), DB_TIME(from->timestamp),
	                            DB_JSON(from->metadata)),
	                  NULL);
}

struct purge {
	enum report_kind kind;
	struct instant before;
	int64_t limit, deleted;
};

static int purge_rows(struct db_conn *db, void *arg)
{
#define OLDEST(table)                                                                                        \
	{                                                                                                    \
		"DELETE FROM " table " WHERE id IN (SELECT id FROM " table " WHERE timestamp < $1 LIMIT $2)" \
	}
	static const struct db_statement delete[REPORT_KINDS] = { OLDEST("monitoring_performance_metric"), OLDEST("monitoring_alert") };
	struct purge *p = arg;

	return db_execute(db, &delete[p->kind], DB_PARAMS(DB_TIME(p->before), DB_INT(p->limit)), &p->deleted);
}

int monitoring_purge(struct db_conn *db, enum report_kind kind, struct instant before, int64_t limit)
{
	struct purge p = { kind, before, limit, 0 };
	int r = db_write(db, purge_rows, &p);

	return r < 0 ? r : (int)p.deleted;
}

/* ---- reading ---- */

static const struct db_column stats_columns[] = {
	DB_COLUMN(struct metric_stats, type, TEXT, "metric_type"), DB_COLUMN(struct metric_stats, count, INT, "count(*)"),
	DB_COLUMN(struct metric_stats, avg, FLOAT, "avg(value)"),  DB_COLUMN(struct metric_stats, min, FLOAT, "min(value)"),
	DB_COLUMN(struct metric_stats, max, FLOAT, "max(value)"),
};
static const struct db_row stats_row = DB_ROW(struct metric_stats, stats_columns);

/* Puts the groups in the order of the list; what is not in the list (there should be none) is left out. */
static int sort_stats(struct arena *arena, const struct db_rows *found, struct db_rows *ret_stats)
{
	struct metric_stats *sorted = arena_alloc(arena, N_ELEMENTS(metric_types) * sizeof(*sorted));
	const struct metric_stats *group = found->items;
	size_t n = 0;

	if (!sorted)
		return ERR_NOMEM;
	for (size_t i = 0; i < N_ELEMENTS(metric_types); i++) {
		for (size_t k = 0; k < found->n; k++) {
			if (!str_is(group[k].type, metric_types[i].type))
				continue;
			sorted[n] = group[k];
			sorted[n++].name = str_of(metric_types[i].name);
		}
	}
	*ret_stats = (struct db_rows){ sorted, n };
	return 0;
}

int monitoring_stats(struct db_conn *db, struct arena *arena, struct instant since, struct str type, struct db_rows *ret_stats)
{
	static const struct db_statement grouped = {
		"SELECT $cols FROM monitoring_performance_metric WHERE timestamp >= $1 AND (CAST($2 AS text) IS NULL OR metric_type = $2) "
		"GROUP BY metric_type",
		&stats_row
	};
	struct db_rows found;
	int r = db_select(db, &grouped, DB_PARAMS(DB_TIME(since), DB_TEXT(type)), arena, &found);

	return r < 0 ? r : sort_stats(arena, &found, ret_stats);
}

static const struct db_column alert_columns[] = {
	DB_COLUMN(struct monitoring_alert, id, INT, "id"),
	DB_COLUMN(struct monitoring_alert, level, TEXT, "level"),
	DB_COLUMN(struct monitoring_alert, message, TEXT, "message"),
	DB_COLUMN(struct monitoring_alert, url, TEXT, "url"),
	DB_COLUMN(struct monitoring_alert, timestamp, TIME, "timestamp"),
	DB_COLUMN(struct monitoring_alert, resolved, BOOL, "resolved"),
	DB_COLUMN(struct monitoring_alert, metadata, JSON, "metadata"),
};
static const struct db_row alert_row = DB_ROW(struct monitoring_alert, alert_columns);

#define ALERTS "FROM monitoring_alert WHERE timestamp >= $1 AND resolved = $2 AND (CAST($3 AS text) IS NULL OR level = $3) "

int monitoring_alerts(struct db_conn *db, struct arena *arena, struct instant since, bool resolved, struct str level,
                      struct db_rows *ret_alerts, int64_t *ret_count)
{
	static const struct db_statement newest_first = { "SELECT $cols " ALERTS "ORDER BY timestamp DESC, id DESC LIMIT 100", &alert_row };
	const struct db_param params[] = { DB_TIME(since), DB_BOOL(resolved), DB_TEXT(level) };
	int r = db_select_int(db, "SELECT count(*) " ALERTS, params, 3, ret_count);

	return r < 0 ? r : db_select(db, &newest_first, params, 3, arena, ret_alerts);
}

static int resolve(struct db_conn *db, void *arg)
{
	static const struct db_statement update = { "UPDATE monitoring_alert SET resolved = TRUE, resolved_at = $2 WHERE id = $1" };
	const int64_t *id = arg;
	int64_t changed = 0;
	int r = db_execute(db, &update, DB_PARAMS(DB_INT(*id), DB_TIME(clock_now())), &changed);

	return r == 0 && changed == 0 ? ERR_NOT_FOUND : r;
}

int monitoring_resolve(struct db_conn *db, int64_t id)
{
	return db_write(db, resolve, &id);
}
