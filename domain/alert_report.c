#include "domain/alert_report.h"

struct totals {
	int64_t total;
	struct instant first, last;
};

#define OF_THE_TIME "FROM core_criticalalertevent WHERE created_at >= $1 AND created_at < $2"

static const struct db_column type_columns[] = { DB_COLUMN(struct alert_count, name, TEXT, "event_type"),
	                                         DB_COLUMN(struct alert_count, n, INT, "COUNT(*)") };
static const struct db_column channel_columns[] = { DB_COLUMN(struct alert_count, name, TEXT, "channel"),
	                                            DB_COLUMN(struct alert_count, n, INT, "COUNT(*)") };
static const struct db_row type_row = DB_ROW(struct alert_count, type_columns), channel_row = DB_ROW(struct alert_count, channel_columns);

static const struct db_statement by_type = { "SELECT $cols " OF_THE_TIME " GROUP BY event_type ORDER BY COUNT(*) DESC, event_type",
	                                     &type_row };
static const struct db_statement by_channel = { "SELECT $cols " OF_THE_TIME " GROUP BY channel ORDER BY COUNT(*) DESC, channel",
	                                        &channel_row };

int alert_report(struct db_conn *db, struct arena *arena, struct instant from, struct instant to, struct alert_report *ret_report)
{
	static const struct db_column columns[] = { DB_COLUMN(struct totals, total, INT, "COUNT(*)"),
		                                    DB_COLUMN(struct totals, first, TIME, "MIN(created_at)"),
		                                    DB_COLUMN(struct totals, last, TIME, "MAX(created_at)") };
	static const struct db_row row = DB_ROW(struct totals, columns);
	static const struct db_statement count = { "SELECT $cols " OF_THE_TIME, &row };
	const struct db_param params[] = { DB_TIME(from), DB_TIME(to) };
	struct totals totals;
	int r = db_select_one(db, &count, params, 2, arena, &totals);

	if (r == 0)
		r = db_select(db, &by_type, params, 2, arena, &ret_report->by_type);
	if (r == 0)
		r = db_select(db, &by_channel, params, 2, arena, &ret_report->by_channel);
	ret_report->total = totals.total;
	ret_report->first = totals.first;
	ret_report->last = totals.last;
	return r;
}
