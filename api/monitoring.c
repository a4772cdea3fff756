/*
 * /api/analytics/metrics/, /api/monitoring/: accounts.md 8, D12-D15. The two routes that browsers write to answer from
 * memory, on the http thread: the rows come later (domain/measures.h). Who reads waits for those that are on the way.
 */
#include "domain/measures.h"

#include "api/client_address.h"
#include "api/handlers_impl.h"
#include "api/member.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/log.h"
#include "domain/account.h"

#define MAX_HOURS 876000 /* a century, into the past and the future */
#define SETTLE_US US_PER_S

/* ---- what browsers send ---- */

static const struct field report_shape_list[] = {
	SHAPE("id", INT, .meaning = "0 pour un envoi compté mais non conservé."),
	SHAPE("status", TEXT),
};
const struct fields report_shape = SHAPES(report_shape_list);

#define ORIGIN_SHAPES                                                                                          \
	SHAPE("metadata", JSON, .flags = FIELD_NULLABLE, .meaning = "8 Kio de JSON au plus."),                 \
	        SHAPE("timestamp", TEXT, .meaning = "ISO 8601 ; l'instant présent quand il ne peut être lu."), \
	        SHAPE("url", TEXT, .flags = FIELD_NULLABLE | FIELD_BLANK, .meaning = "Coupée à 500 caractères.")

static const struct field metric_in_list[] = {
	SHAPE("metric", TEXT, .flags = FIELD_REQUIRED,
	      .meaning = "LCP, FID, CLS, TTFB, FCP, PageLoad, DOMContentLoaded, API_Duration ou autre."),
	SHAPE("value", FLOAT, .flags = FIELD_REQUIRED),
	ORIGIN_SHAPES,
};
const struct fields metric_in = SHAPES(metric_in_list);

static const struct field alert_in_list[] = {
	SHAPE("message", TEXT, .flags = FIELD_REQUIRED, .meaning = "Coupé à 2 000 caractères."),
	SHAPE("level", TEXT, .flags = FIELD_NULLABLE,
	      .meaning = "critical, error, warning, info, performance ou api ; info pour toute autre valeur."),
	ORIGIN_SHAPES,
};
const struct fields alert_in = SHAPES(alert_in_list);

static bool refuse(struct request *req, const char *text)
{
	reply_detail(req, 400, text);
	return false;
}

/* At most so many characters, whole ones. */
static struct str cut(struct str text, size_t max_chars)
{
	size_t i = 0;

	for (; i < text.len; i++)
		if (((unsigned char)text.s[i] & 0xc0) != 0x80 && max_chars-- == 0)
			break;
	text.len = i;
	return text;
}

static struct str absent_if_empty(struct str text)
{
	return text.len ? text : (struct str){ NULL, 0 };
}

static bool read_metadata(struct request *req, struct json_text *ret_metadata)
{
	int r = body_member_json(req->parsed, &req->arena, "metadata", ret_metadata);

	if (r == ERR_INVALID)
		return refuse(req, "« metadata » contient un caractère nul.");
	if (r < 0) {
		reply_error(req, r);
		return false;
	}
	if (!ret_metadata->text.s || str_is(ret_metadata->text, "null"))
		ret_metadata->text = (struct str)STR("{}");
	if (ret_metadata->text.len > MONITORING_MAX_METADATA)
		return refuse(req, "« metadata » dépasse 8 Kio.");
	return true;
}

/* The time that was sent, if it can be read and both engines can keep it; now otherwise. */
static struct instant read_timestamp(struct request *req)
{
	struct member m = body_member(req->parsed, &req->arena, "timestamp");
	struct instant t;

	if (m.kind == MEMBER_TEXT && clock_parse(str_trim(m.text), &t) && t.us >= 0)
		return t;
	return clock_now();
}

static struct str user_agent(const struct request *req)
{
	struct str text = req->headers.user_agent;

	if (!text.len || !str_valid_utf8(text))
		return (struct str){ NULL, 0 };
	return cut(text, MONITORING_MAX_URL);
}

static bool read_origin(struct request *req, struct report_origin *ret_origin)
{
	struct member url = body_member(req->parsed, &req->arena, "url");
	struct str address = client_address(req);

	if (url.kind != MEMBER_ABSENT && url.kind != MEMBER_NULL && url.kind != MEMBER_TEXT)
		return refuse(req, "« url » n'est pas un texte.");
	*ret_origin = (struct report_origin){
		.url = absent_if_empty(cut(url.text, MONITORING_MAX_URL)),
		.user_agent = user_agent(req),
		.address = str_is(address, "unknown") ? (struct str){ NULL, 0 } : address,
		.user_id = req->caller ? req->caller->id : NULL_INT,
		.timestamp = read_timestamp(req),
	};
	return read_metadata(req, &ret_origin->metadata);
}

static bool read_value(const struct member *m, double *ret_value)
{
	double value = m->number;

	if (m->kind == MEMBER_TEXT && !str_to_double(str_trim(m->text), &value))
		return false;
	*ret_value = value;
	return (m->kind == MEMBER_NUMBER || m->kind == MEMBER_TEXT) && isfinite(value);
}

/* A name without a type of its own is kept in the metadata, unless the client has put something there. */
static bool keep_name(struct request *req, struct str name, struct json_text *metadata)
{
	struct buf b CLEANUP(buf_finish) = BUF_EMPTY;
	struct str old = metadata->text;
	bool object = old.s[0] == '{';

	if (object && memmem(old.s, old.len, "\"metric\":", 9))
		return true;
	buf_add_text(&b, "{\"metric\":");
	json_add_str(&b, cut(name, MONITORING_MAX_NAME));
	if (!object)
		buf_add_text(&b, ",\"metadata\":");
	else if (!str_is(old, "{}"))
		buf_add_char(&b, ',');
	buf_add_str(&b, object ? (struct str){ old.s + 1, old.len - 1 } : old);
	if (!object)
		buf_add_char(&b, '}');
	metadata->text = b.failed ? (struct str){ NULL, 0 } : arena_str(&req->arena, buf_view(&b));
	if (!metadata->text.s)
		reply_error(req, ERR_NOMEM);
	return metadata->text.s;
}

static bool read_metric(struct request *req, struct metric_report *ret_metric)
{
	struct member name, value;

	if (!body_is_object(req->parsed))
		return refuse(req, "Le corps n'est pas un objet.");
	name = body_member(req->parsed, &req->arena, "metric");
	value = body_member(req->parsed, &req->arena, "value");
	if (name.kind == MEMBER_NUMBER ? name.number == 0 : name.kind != MEMBER_TEXT || !name.text.len)
		return refuse(req, "« metric » est requis.");
	if (!read_value(&value, &ret_metric->value))
		return refuse(req, "« value » est requis, et doit être un nombre.");
	if (!read_origin(req, &ret_metric->from))
		return false;
	ret_metric->type = monitoring_metric_type(name.text);
	if (strcmp(ret_metric->type, "Custom") == 0 && !str_is(name.text, "Custom"))
		return keep_name(req, name.text, &ret_metric->from.metadata);
	return true;
}

static void reply_created(struct request *req, int result, int64_t id)
{
	struct buf b = BUF_EMPTY;

	if (result < 0) {
		reply_error(req, result);
		return;
	}
	buf_addf(&b, "{\"id\":%lld,\"status\":\"created\"}", (long long)id);
	reply_json_take(req, 201, &b);
}

void monitoring_metric_create(struct request *req)
{
	struct metric_report metric;
	int64_t id = 0;
	int r;

	if (!read_metric(req, &metric))
		return;
	r = measures_add_metric(req->worker->context->measures, &metric, &id);
	reply_created(req, r, id);
}

static bool read_alert(struct request *req, struct alert_report *ret_alert)
{
	struct member message, level;

	if (!body_is_object(req->parsed))
		return refuse(req, "Le corps n'est pas un objet.");
	message = body_member(req->parsed, &req->arena, "message");
	level = body_member(req->parsed, &req->arena, "level");
	if ((message.kind != MEMBER_TEXT && message.kind != MEMBER_NUMBER) || !message.text.len)
		return refuse(req, "« message » est requis.");
	if (level.kind != MEMBER_ABSENT && level.kind != MEMBER_NULL && level.kind != MEMBER_TEXT)
		return refuse(req, "« level » n'est pas un texte.");
	ret_alert->message = cut(message.text, MONITORING_MAX_MESSAGE);
	ret_alert->level = monitoring_alert_level(level.text);
	return read_origin(req, &ret_alert->from);
}

static enum log_level log_level_of(const char *level)
{
	enum log_level parsed;

	return log_level_parse(str_of(level), &parsed) ? parsed : LOG_INFO; /* performance, api */
}

/*
 * One line, whatever the client wrote: as a JSON string in both forms of the log, where a line feed is two characters, and so
 * are the other characters by which a terminal could be made to do something.
 */
static void log_alert(struct request *req, const struct alert_report *alert, int64_t id)
{
	log_write(log_level_of(alert->level), "monitoring", "alert.reported",
	          LOG_FIELDS(LOG_STR("request_id", req->id), LOG_STR("alert_level", alert->level), LOG_INT("id", id),
	                     LOG_VIEW("text", alert->message), LOG_VIEW("url", alert->from.url)),
	          "a browser reports");
}

void monitoring_alert_create(struct request *req)
{
	struct alert_report alert;
	int64_t id = 0;
	int r;

	if (!read_alert(req, &alert))
		return;
	r = measures_add_alert(req->worker->context->measures, &alert, &id);
	if (r == 0 && id)
		log_alert(req, &alert, id);
	reply_created(req, r, id);
}

/* ---- what staff read ---- */

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
	if (text.s && (!str_to_int(str_trim_unicode(text), ret_hours) || *ret_hours < -MAX_HOURS || *ret_hours > MAX_HOURS))
		return refuse(req, "« hours » doit être un nombre entier entre -876000 et 876000.");
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
