/*
 * The contents as files for editors, and the public report on the charter: content.md 1 and 2. Rows are read in pieces into an
 * arena that is emptied after each, so that an answer takes no more than its own size, and that has a limit.
 */
#include "api/content_exports_impl.h"

#include "api/csv.h"
#include "api/handlers_impl.h"
#include "api/reply.h"
#include "base/clock.h"
#include "domain/content_compliance.h"

#define EXPORT_DEFAULT    1000
#define EXPORT_MAX        10000
#define EXPORT_MAX_BYTES  (64 * 1024 * 1024)
#define PIECE             100
#define PIECE_LIMIT_BYTES (512 * 1024 * 1024)
#define DEFAULT_STATUS    "published"

static const struct field export_field_list[] = {
	FIELD(struct content_export, "id", id, INT),
	FIELD(struct content_export, "title", title, TEXT),
	FIELD(struct content_export, "slug", slug, SLUG),
	FIELD(struct content_export, "type", type, TEXT),
	FIELD(struct content_export, "status", status, TEXT),
	FIELD(struct content_export, "category", category, TEXT),
	FIELD(struct content_export, "description", description, TEXT),
	FIELD(struct content_export, "author_id", author_id, INT),
	FIELD(struct content_export, "author_username", author_username, TEXT),
	FIELD(struct content_export, "anonymous_display_name", anonymous_display_name, TEXT),
	FIELD(struct content_export, "external_url", external_url, URL),
	FIELD(struct content_export, "created_at", created_at, TIME),
	FIELD(struct content_export, "updated_at", updated_at, TIME),
	FIELD(struct content_export, "published_at", published_at, TIME),
	FIELD(struct content_export, "published_by_id", published_by_id, INT),
	FIELD(struct content_export, "tags", tags, JSON),
	FIELD(struct content_export, "project_id", project_id, INT),
};
static const struct fields export_fields = FIELDS(struct content_export, export_field_list);

static const struct field export_query_list[] = {
	SHAPE("status", TEXT, .flags = FIELD_BLANK, .meaning = "Statut exact ; « published » par défaut."),
	SHAPE("limit", TEXT, .pattern = "^\\s*\\+?[0-9]+\\s*$", .meaning = "Nombre de contenus, 1000 par défaut, 10000 au plus."),
};
const struct fields export_query = SHAPES(export_query_list);

/* ---- exports ---- */

struct export
{
	struct request *req;
	struct str status;
	int64_t limit;
	struct buf out;
	struct buf piece; /* of JSON, before it is indented */
};

/* Appends so many rows from an offset; *ret_n how many there were. */
typedef int (*piece_writer)(struct export *, struct arena *, int64_t limit, int64_t offset, size_t *ret_n);

static bool is_plain_word(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!str_is_alpha(text.s[i]) && !str_is_digit(text.s[i]) && text.s[i] != '_' && text.s[i] != '-')
			return false;
	return text.len <= 50;
}

/* attachment; filename="contents_<status>_<YYYYMMDD>.csv" */
const char *export_disposition(struct arena *arena, struct str status, struct instant now, const char *extension)
{
	char date[CLOCK_ISO_SIZE];

	clock_format_iso(now, date);
	if (!is_plain_word(status))
		status = (struct str)STR("inconnu");
	return arena_printf(arena, "attachment; filename=\"contents_%.*s_%.4s%.2s%.2s.%s\"", STR_ARG(status), date, date + 5, date + 8,
	                    extension);
}

/* ?limit=: 0 and more, what is above EXPORT_MAX is EXPORT_MAX; false for anything else. */
bool export_read_limit(struct str text, int64_t *ret_limit)
{
	*ret_limit = EXPORT_DEFAULT;
	if (!text.s)
		return true;
	text = str_trim_unicode(text);
	if (!str_to_int(text, ret_limit)) {
		for (size_t i = 0; i < text.len; i++)
			if (!str_is_digit(text.s[i]))
				return false;
		*ret_limit = EXPORT_MAX; /* digits beyond 64 bits */
	}
	if (*ret_limit > EXPORT_MAX)
		*ret_limit = EXPORT_MAX;
	return text.len && *ret_limit >= 0;
}

static bool export_or_reply(struct request *req, struct export *ret_export)
{
	struct query query;
	struct str status;

	if (!req->caller->is_editor) {
		reply_hand_error(req, 403, "Réservé à l'équipe éditoriale.");
		return false;
	}
	if (!query_or_reply(req, &query))
		return false;
	status = query_get(&query, "status"); /* an empty one is a status that nothing has */
	*ret_export = (struct export){ .req = req, .status = status.s ? status : (struct str)STR(DEFAULT_STATUS) };
	if (export_read_limit(query_get(&query, "limit"), &ret_export->limit))
		return true;
	reply_hand_error(req, 400, "Le paramètre « limit » doit être un nombre entier positif.");
	return false;
}

static int write_pieces(struct export *e, piece_writer write)
{
	struct arena arena;
	size_t n = PIECE;
	int r = 0;

	arena_init(&arena, PIECE_LIMIT_BYTES);
	for (int64_t done = 0; r == 0 && n == PIECE && done < e->limit; done += PIECE) {
		r = write(e, &arena, e->limit - done < PIECE ? e->limit - done : PIECE, done, &n);
		if (r == 0 && e->out.len + e->piece.len > EXPORT_MAX_BYTES)
			r = ERR_LIMIT;
		arena_reset(&arena);
	}
	arena_finish(&arena);
	return r;
}

static void reply_export(struct export *e, int result, const char *content_type, const char *extension)
{
	const char *disposition = export_disposition(&e->req->arena, e->status, clock_now(), extension);

	if (result == 0 && disposition) {
		reply_body_take(e->req, 200, &e->out, content_type);
		reply_header(e->req, "Content-Disposition", disposition);
	} else if (result == ERR_LIMIT) {
		reply_hand_error(e->req, 400, "L'export est trop volumineux : diminuez « limit ».");
	} else {
		reply_error(e->req, result < 0 ? result : ERR_NOMEM);
	}
	buf_finish(&e->out);
	buf_finish(&e->piece);
}

static int write_json(struct export *e, struct arena *arena, int64_t limit, int64_t offset, size_t *ret_n)
{
	const struct content_filter filter = { .status = e->status };
	struct db_rows rows;
	int r = content_list(e->req->worker->db, arena, e->req->caller, &filter, limit, offset, &rows);

	if (r < 0)
		return r;
	for (size_t i = 0; i < rows.n; i++) {
		buf_add_char(&e->piece, e->piece.len ? ',' : '[');
		fields_write(&e->piece, &content_fields, (const struct content *)rows.items + i, e->req->origin_prefix);
	}
	*ret_n = rows.n;
	return 0;
}

void contents_export_json(struct request *req)
{
	struct export e;
	int r;

	if (!export_or_reply(req, &e))
		return;
	r = write_pieces(&e, write_json);
	buf_add_text(&e.piece, e.piece.len ? "]" : "[]");
	json_add_indented(&e.out, buf_view(&e.piece));
	e.out.failed |= e.piece.failed;
	reply_export(&e, r, "application/json; charset=utf-8", "json");
}

static int write_csv(struct export *e, struct arena *arena, int64_t limit, int64_t offset, size_t *ret_n)
{
	struct db_rows rows;
	int r = content_export_list(e->req->worker->db, arena, e->status, limit, offset, &rows);

	if (r < 0)
		return r;
	for (size_t i = 0; i < rows.n; i++)
		csv_add_row(&e->out, &export_fields, (const struct content_export *)rows.items + i);
	*ret_n = rows.n;
	return 0;
}

void contents_export_csv(struct request *req)
{
	struct export e;
	int r;

	if (!export_or_reply(req, &e))
		return;
	csv_add_names(&e.out, &export_fields);
	r = write_pieces(&e, write_csv);
	reply_export(&e, r, "text/csv; charset=utf-8", "csv");
}

/* ---- the public report ---- */

static const struct field violation_shape_list[] = {
	SHAPE("content_id", INT),
	SHAPE("content_title", TEXT),
	SHAPE("content_slug", TEXT),
	SHAPE("issues", LIST, .each = EACH(TEXT)),
	SHAPE("details", MAP, .each = EACH(JSON)),
};
static const struct fields violation_shape = SHAPES(violation_shape_list);

static const struct field compliance_shape_list[] = {
	SHAPE("compliance_status", TEXT),
	SHAPE("total_published", INT),
	SHAPE("compliant_count", INT),
	SHAPE("non_compliant_count", INT),
	SHAPE("violations", LIST, .each = EACH(OBJECT, .of = &violation_shape)),
	SHAPE("last_audit", TIME),
	SHAPE("rules", MAP, .each = EACH(BOOL)),
};
const struct fields compliance_shape = SHAPES(compliance_shape_list);

static void add_violation(struct buf *b, const struct content_violation *v)
{
	buf_add_text(b, "{\"content_id\":");
	json_add_int(b, v->id);
	buf_add_text(b, ",\"content_title\":");
	json_add_str(b, v->title);
	buf_add_text(b, ",\"content_slug\":");
	json_add_str(b, v->slug);
	buf_addf(b, ",\"issues\":[%s%s%s],\"details\":{", v->n_hits ? "\"financial_language\"" : "",
	         v->n_hits && v->missing_source ? "," : "", v->missing_source ? "\"missing_source\"" : "");
	if (v->n_hits) {
		buf_add_text(b, "\"financial_violations\":");
		charter_add_hits(b, v->hits, v->n_hits);
	}
	buf_add_text(b, "}}");
}

static const char *status_of(const struct content_compliance *c)
{
	if (!c->n_violations)
		return "compliant";
	return (int64_t)c->n_violations == c->published ? "non-compliant" : "partial";
}

void contents_compliance(struct request *req)
{
	struct content_compliance c;
	struct buf b = BUF_EMPTY;
	int r = content_check_compliance(req->worker->db, &req->arena, &c);

	if (r < 0) {
		reply_error(req, r);
		return;
	}
	buf_addf(&b,
	         "{\"compliance_status\":\"%s\",\"total_published\":%lld,\"compliant_count\":%lld,\"non_compliant_count\":%zu,"
	         "\"violations\":[",
	         status_of(&c), (long long)c.published, (long long)c.published - (long long)c.n_violations, c.n_violations);
	for (size_t i = 0; i < c.n_violations; i++) {
		if (i)
			buf_add_char(&b, ',');
		add_violation(&b, &c.violations[i]);
	}
	buf_add_text(&b, "],\"last_audit\":");
	json_add_time(&b, clock_now());
	buf_add_text(&b, ",\"rules\":{\"public_content_must_be_published\":true,\"source_required\":true,\"license_required\":true,"
	                 "\"no_financial_promises\":true}}");
	reply_json_take(req, 200, &b);
}
