/*
 * POST /api/analytics/metrics/ and /api/monitoring/alerts/: accounts.md 8.1, 8.2, D12, D13. Browsers send them of their own
 * accord and by the dozen, so they are answered from memory, on the http thread: the rows come later (domain/measures.h).
 */
#include "domain/measures.h"

#include "api/client_address.h"
#include "api/handlers_impl.h"
#include "api/member.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/log.h"
#include "domain/account.h"

static const struct field report_shape_list[] = {
	SHAPE("id", INT, .meaning = "0 pour un envoi compté mais non conservé."),
	SHAPE("status", TEXT),
};
const struct fields report_shape = SHAPES(report_shape_list);

/* A number stands for its text, but 0 is none. */
#define NOT_ZERO "{\"type\":\"number\",\"not\":{\"const\":0}}"

#define ORIGIN_SHAPES                                                                                                    \
	SHAPE("metadata", JSON, .flags = FIELD_NULLABLE, .pattern = "^[^\\x00]*$", .meaning = "8 Kio de JSON au plus."), \
	        SHAPE("timestamp", TEXT, .schema = "{}", .pattern = "^",                                                 \
	              .meaning = "ISO 8601 ; l'instant présent quand il ne peut être lu."),                              \
	        SHAPE("url", TEXT, .schema = "{\"type\":[\"number\",\"null\"]}", .pattern = "^[^\\x00]*$",               \
	              .meaning = "Coupée à 500 caractères.")

static const struct field metric_in_list[] = {
	SHAPE("metric", TEXT, .flags = FIELD_REQUIRED, .schema = NOT_ZERO, .pattern = "^[^\\x00]+$",
	      .meaning = "LCP, FID, CLS, TTFB, FCP, PageLoad, DOMContentLoaded, API_Duration ou autre."),
	SHAPE("value", FLOAT, .flags = FIELD_REQUIRED),
	ORIGIN_SHAPES,
};
const struct fields metric_in = SHAPES(metric_in_list);

static const struct field alert_in_list[] = {
	SHAPE("message", TEXT, .flags = FIELD_REQUIRED, .schema = NOT_ZERO, .pattern = "^[^\\x00]+$",
	      .meaning = "Coupé à 2 000 caractères."),
	SHAPE("level", TEXT, .schema = "{}", .pattern = "^",
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

	if (url.kind != MEMBER_ABSENT && url.kind != MEMBER_NULL && url.kind != MEMBER_TEXT && url.kind != MEMBER_NUMBER)
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

/* Zero counts as nothing, as an empty text does. */
static bool is_missing(const struct member *m)
{
	return m->kind == MEMBER_NUMBER ? m->number == 0 : m->kind != MEMBER_TEXT || !m->text.len;
}

static bool read_metric(struct request *req, struct metric_report *ret_metric)
{
	struct member name, value;

	if (!body_is_object(req->parsed))
		return refuse(req, "Le corps n'est pas un objet.");
	name = body_member(req->parsed, &req->arena, "metric");
	value = body_member(req->parsed, &req->arena, "value");
	if (is_missing(&name))
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
	if (is_missing(&message))
		return refuse(req, "« message » est requis.");
	ret_alert->message = cut(message.text, MONITORING_MAX_MESSAGE);
	ret_alert->level = monitoring_alert_level(level.text);
	return read_origin(req, &ret_alert->from);
}

static enum log_level log_level_of(const char *level)
{
	enum log_level parsed;

	return log_level_parse(str_of(level), &parsed) ? parsed : LOG_INFO; /* performance, api */
}

/* A character that JSON leaves as it is, but by which a terminal or a viewer of lines could be made to do something. */
static bool is_control(const unsigned char *s, size_t left)
{
	if (s[0] == 0x7f)
		return true;
	if (s[0] == 0xc2 && left > 1)
		return s[1] < 0xa0;                                                        /* U+0080 to U+009F */
	return s[0] == 0xe2 && left > 2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9); /* U+2028, U+2029 */
}

/* The text with such characters replaced; absent without memory. */
static struct str harmless(struct request *req, struct str text)
{
	char *copy = text.s ? arena_alloc(&req->arena, text.len + 1) : NULL;
	size_t n = 0;

	for (size_t i = 0; copy && i < text.len; i++) {
		const unsigned char *at = (const unsigned char *)text.s + i;

		if (!is_control(at, text.len - i)) {
			copy[n++] = text.s[i];
			continue;
		}
		copy[n++] = '?';
		i += at[0] == 0x7f ? 0 : at[0] == 0xc2 ? 1 : 2;
	}
	return (struct str){ copy, n };
}

/* One line, whatever the client wrote: fields are JSON strings in both forms of the log, so a line feed is two characters. */
static void log_alert(struct request *req, const struct alert_report *alert, int64_t id)
{
	log_write(log_level_of(alert->level), "monitoring", "alert.reported",
	          LOG_FIELDS(LOG_STR("request_id", req->id), LOG_STR("alert_level", alert->level), LOG_INT("id", id),
	                     LOG_VIEW("text", harmless(req, alert->message)), LOG_VIEW("url", harmless(req, alert->from.url))),
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
