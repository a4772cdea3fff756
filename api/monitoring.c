/* What staff read of measures and alerts, those included that are on their way (domain/measures.h): accounts.md 8.3, D14, D15. */
#include "domain/measures.h"

#include "api/handlers_impl.h"
#include "api/reply.h"
#include "base/clock.h"

#define MAX_HOURS 876000 /* a century, into the past and the future */
#define SETTLE_US US_PER_S

static const struct field stats_field_list[] = {
	FIELD(struct metric_stats, "name", name, TEXT), FIELD(struct metric_stats, "count", count, INT),
	FIELD(struct metric_stats, "avg", avg, FLOAT),  FIELD(struct metric_stats, "min", min, FLOAT),
	FIELD(struct metric_stats, "max", max, FLOAT),
};
static const struct fields stats_fields = FIELDS(struct metric_stats, stats_field_list);

static const struct field metric_stats_shape_list[] = {
	SHAPE("period_hours", INT),
	SHAPE("since", TIME),
	SHAPE("stats", MAP, .each = EACH(OBJECT, .of = &stats_fields)),
};
const struct fields metric_stats_shape = SHAPES(metric_stats_shape_list);

#define HOURS_PARAMETER SHAPE("hours", INT, .min = -MAX_HOURS, .max = MAX_HOURS, .meaning = "Depuis combien d'heures.")

static const struct field metric_stats_query_list[] = {
	HOURS_PARAMETER,
	SHAPE("metric_type", TEXT, .flags = FIELD_BLANK),
};
const struct fields metric_stats_query = SHAPES(metric_stats_query_list);

static const struct field alert_field_list[] = {
	FIELD(struct monitoring_alert, "id", id, INT),
	FIELD(struct monitoring_alert, "level", level, TEXT),
	FIELD(struct monitoring_alert, "message", message, TEXT),
	FIELD(struct monitoring_alert, "url", url, TEXT, .flags = FIELD_NULLABLE),
	FIELD(struct monitoring_alert, "timestamp", timestamp, TIME),
	FIELD(struct monitoring_alert, "resolved", resolved, BOOL),
	FIELD(struct monitoring_alert, "metadata", metadata, JSON),
};
static const struct fields alert_fields = FIELDS(struct monitoring_alert, alert_field_list);

static const struct field alert_list_shape_list[] = { SHAPE("count", INT),
	                                              SHAPE("alerts", LIST, .each = EACH(OBJECT, .of = &alert_fields)) };
const struct fields alert_list_shape = SHAPES(alert_list_shape_list);

static const struct field alert_list_query_list[] = {
	HOURS_PARAMETER,
	SHAPE("level", TEXT, .flags = FIELD_BLANK),
	SHAPE("resolved", TEXT, .flags = FIELD_BLANK, .meaning = "« true » pour les alertes résolues ; sinon les autres."),
};
const struct fields alert_list_query = SHAPES(alert_list_query_list);

static const struct field resolved_shape_list[] = { SHAPE("status", TEXT) };
const struct fields resolved_shape = SHAPES(resolved_shape_list);

/* ?hours=, as an integer; the time so long ago. False: 400 has been answered. */
static bool hours_or_reply(struct request *req, const struct query *query, int64_t usual, int64_t *ret_hours, struct instant *ret_since)
{
	struct str text = query_get(query, "hours");

	*ret_hours = usual;
	if (text.s && (!str_to_int(str_trim_unicode(text), ret_hours) || *ret_hours < -MAX_HOURS || *ret_hours > MAX_HOURS)) {
		reply_detail(req, 400, "« hours » doit être un nombre entier entre -876000 et 876000.");
		return false;
	}
	*ret_since = (struct instant){ clock_now().us - *ret_hours * 3600 * US_PER_S };
	return true;
}

static void add_stats(struct buf *b, const struct db_rows *rows)
{
	const struct metric_stats *stats = rows->items;

	for (size_t i = 0; i < rows->n; i++) {
		if (i)
			buf_add_char(b, ',');
		json_add_str(b, stats[i].type);
		buf_add_char(b, ':');
		fields_write(b, &stats_fields, &stats[i], (struct str){ NULL, 0 });
	}
}

void monitoring_metric_stats(struct request *req)
{
	struct buf b = BUF_EMPTY;
	struct query query;
	struct instant since;
	struct db_rows rows;
	int64_t hours;
	int r;

	if (!query_or_reply(req, &query) || !hours_or_reply(req, &query, 24, &hours, &since))
		return;
	measures_settle(req->worker->context->measures, SETTLE_US);
	r = monitoring_stats(req->worker->db, &req->arena, since, query_get_nonempty(&query, "metric_type"), &rows);
	if (r < 0) {
		reply_error(req, r);
		return;
	}
	buf_addf(&b, "{\"period_hours\":%lld,\"since\":", (long long)hours);
	json_add_time(&b, since);
	buf_add_text(&b, ",\"stats\":{");
	add_stats(&b, &rows);
	buf_add_text(&b, "}}");
	reply_json_take(req, 200, &b);
}

void monitoring_alert_list(struct request *req)
{
	struct buf b = BUF_EMPTY;
	struct query query;
	struct instant since;
	struct db_rows rows;
	int64_t hours, count = 0;
	bool resolved;
	int r;

	if (!query_or_reply(req, &query) || !hours_or_reply(req, &query, 168, &hours, &since))
		return;
	resolved = str_equal_nocase(query_get_nonempty(&query, "resolved"), (struct str)STR("true"));
	measures_settle(req->worker->context->measures, SETTLE_US);
	r = monitoring_alerts(req->worker->db, &req->arena, since, resolved, query_get_nonempty(&query, "level"), &rows, &count);
	if (r < 0) {
		reply_error(req, r);
		return;
	}
	buf_addf(&b, "{\"count\":%lld,\"alerts\":", (long long)count);
	fields_write_rows(&b, &alert_fields, &rows, (struct str){ NULL, 0 });
	buf_add_char(&b, '}');
	reply_json_take(req, 200, &b);
}

/* Django's route that can find nothing (accounts.md 8.3). */
void monitoring_alert_list_patch(struct request *req)
{
	reply_error(req, ERR_NOT_FOUND);
}

void monitoring_alert_resolve(struct request *req)
{
	int64_t id;
	int r;

	measures_settle(req->worker->context->measures, SETTLE_US);
	r = str_to_uint(req->params[0], &id) ? monitoring_resolve(req->worker->db, id) : ERR_NOT_FOUND;
	if (r < 0) {
		reply_error(req, r);
	} else {
		struct buf b = BUF_EMPTY;

		buf_add_text(&b, "{\"status\":\"resolved\"}");
		reply_json_take(req, 200, &b);
	}
}
