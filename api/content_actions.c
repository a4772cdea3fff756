/* /api/contents/{id}/…/: the editorial workflow and reading to the end; content.md 1 and 2. */
#include "api/handlers_impl.h"
#include "api/reply.h"
#include "domain/content_workflow.h"
#include "domain/stale.h"

#define CONSUMED_FROM 80 /* per cent */

/* ---- the workflow ---- */

static void add_hit(struct buf *b, const struct charter_hit *hit)
{
	buf_add_char(b, '{');
	if (hit->field)
		buf_addf(b, "\"field\":\"%s\",", hit->field);
	buf_add_text(b, "\"pattern\":");
	json_add_text(b, hit->pattern);
	buf_add_text(b, ",\"snippet\":");
	json_add_str(b, hit->snippet);
	buf_add_char(b, '}');
}

void charter_add_hits(struct buf *b, const struct charter_hit *hits, size_t n)
{
	buf_add_char(b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(b, ',');
		add_hit(b, &hits[i]);
	}
	buf_add_char(b, ']');
}

static void add_finding(struct buf *b, const struct charter_finding *f)
{
	buf_addf(b, "{\"criterion\":\"%s\",\"message\":", f->criterion);
	json_add_text(b, f->message);
	buf_add_text(b, ",\"details\":");
	if (f->first_hit_only && f->n_hits) {
		add_hit(b, &f->hits[0]);
	} else {
		buf_add_text(b, "{\"violations\":");
		charter_add_hits(b, f->hits, f->n_hits);
		buf_add_char(b, '}');
	}
	buf_add_char(b, '}');
}

static void reply_charter(struct request *req, const struct charter_verdict *verdict)
{
	struct buf b = BUF_EMPTY;
	bool first = true;

	buf_add_text(&b, "{\"error\":\"Le contenu ne respecte pas la charte éditoriale.\",\"compliance_score\":");
	json_add_float(&b, verdict->score);
	buf_addf(&b, ",\"critical_failures\":%d,\"violations\":[", verdict->critical_failures);
	for (size_t i = 0; i < CHARTER_COUNT; i++) {
		if (verdict->findings[i].passed || !verdict->findings[i].critical)
			continue;
		if (!first)
			buf_add_char(&b, ',');
		add_finding(&b, &verdict->findings[i]);
		first = false;
	}
	buf_add_text(&b, "],\"message\":\"Corrigez le contenu, puis publiez-le de nouveau.\"}");
	reply_json_take(req, 400, &b);
}

static void reply_wrong_status(struct request *req, enum content_move which)
{
	const char *text = arena_printf(&req->arena, "Seul un contenu au statut « %s » permet cette action.", content_move_from(which));

	reply_hand_error(req, 400, text);
}

static void move(struct request *req, enum content_move which, struct str reason)
{
	const struct settings *settings = req->worker->context->settings;
	struct charter_verdict verdict;
	const struct content_move_extra extra = { reason, settings->tts_provider, settings->tts_voice, &verdict };
	struct content content;
	int64_t id;
	int r = ERR_NOT_FOUND;

	if (str_to_uint(req->params[0], &id))
		r = content_move(req->worker->db, &req->arena, req->caller, id, which, &extra, &content);
	if (r == 0)
		stale_after(req->worker->context->cache, &req->budget, CHANGE_CONTENT, id);
	if (r == ERR_INVALID)
		reply_charter(req, &verdict);
	else if (r == ERR_CONFLICT)
		reply_wrong_status(req, which);
	else
		reply_found(req, r, &content_fields, &content);
}

void contents_publish(struct request *req)
{
	move(req, CONTENT_PUBLISH, (struct str){ NULL, 0 });
}

struct rejection {
	struct str reason;
};

static const struct field rejection_field_list[] = {
	FIELD(struct rejection, "rejection_reason", reason, TEXT, .flags = FIELD_BLANK | FIELD_NULLABLE),
};
const struct fields rejection_fields = FIELDS(struct rejection, rejection_field_list);

void contents_reject(struct request *req)
{
	struct rejection in = { STR("") };

	if (request_read_or_reply(req, &rejection_fields, &in))
		move(req, CONTENT_REJECT, in.reason);
}

void contents_archive(struct request *req)
{
	move(req, CONTENT_ARCHIVE, (struct str){ NULL, 0 });
}

void contents_unpublish(struct request *req)
{
	move(req, CONTENT_UNPUBLISH, (struct str){ NULL, 0 });
}

/* ---- reading to the end ---- */

/* What the reader says: a JSON number, kept as it came. */
struct consumption {
	struct json_text progress;
};

static const struct field consumption_field_list[] = {
	FIELD(struct consumption, "progress", progress, JSON, .flags = FIELD_NULLABLE),
};
const struct fields consumption_fields = FIELDS(struct consumption, consumption_field_list);

static const struct field consumed_shape_list[] = {
	SHAPE("ok", BOOL),
	SHAPE("message", TEXT),
	SHAPE("content_id", INT),
	SHAPE("progress", FLOAT),
};
const struct fields consumed_shape = SHAPES(consumed_shape_list);

static void reply_consumed(struct request *req, int status, const char *message, int64_t id, struct json_text progress)
{
	struct buf b = BUF_EMPTY;

	buf_addf(&b, "{\"ok\":%s,\"message\":", status == 200 ? "true" : "false");
	json_add_text(&b, message);
	if (status == 200) {
		buf_add_text(&b, ",\"content_id\":");
		json_add_int(&b, id);
	}
	if (progress.text.s) {
		buf_add_text(&b, ",\"progress\":");
		json_add_json(&b, progress);
	}
	buf_add_char(&b, '}');
	reply_json_take(req, status, &b);
}

/* The number that the body holds; false when it holds something else: answered. */
static bool progress_or_reply(struct request *req, struct json_text *ret_progress, double *ret_percent)
{
	const struct fields_input input = { .body = req->parsed, .arena = &req->arena, .db = req->worker->db };
	struct consumption in = { { STR("100") } };
	struct buf errors CLEANUP(buf_finish) = BUF_EMPTY;
	int r = fields_read(&consumption_fields, &input, &in, &errors, NULL);

	if (r < 0 && r != ERR_INVALID) {
		reply_error(req, r);
		return false;
	}
	if (r < 0 || !str_to_double(in.progress.text, ret_percent)) {
		reply_consumed(req, 400, "La progression doit être un nombre.", 0, (struct json_text){ { NULL, 0 } });
		return false;
	}
	*ret_progress = in.progress;
	return true;
}

void contents_consume(struct request *req)
{
	struct content content;
	struct json_text progress = { { NULL, 0 } };
	double percent;
	int64_t id;
	int r = str_to_uint(req->params[0], &id) ? content_find(req->worker->db, &req->arena, NULL, id, &content) : ERR_NOT_FOUND;

	if (r == 0 && !progress_or_reply(req, &progress, &percent))
		return;
	if (r == 0 && percent < CONSUMED_FROM) {
		reply_consumed(req, 400, "Le contenu n'a pas été parcouru jusqu'au bout.", id, progress);
		return;
	}
	if (r == 0)
		r = content_consume(req->worker->db, req->worker->context->settings, req->caller, id, progress);
	if (r < 0)
		reply_error(req, r);
	else
		reply_consumed(req, 200, "Contenu parcouru.", id, progress);
}
