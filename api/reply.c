/*
 * Every answer of a handler passes through `set`: status, body and type together, so that a second call replaces the
 * first as a whole. What a domain result means for a client is the table `outcomes`; what it does not list is ours: 500,
 * logged, without detail.
 */
#include "api/reply.h"

#include <unistd.h>

#include "api/ready.h"
#include "base/log.h"

#define JSON_TYPE "application/json"

void reply_drop_file(struct reply *reply)
{
	if (reply->has_file)
		close(reply->file);
	reply->has_file = false;
}

static void set(struct request *req, int status, struct str body, const char *type)
{
	reply_drop_file(&req->reply);
	req->reply.status = status;
	req->reply.ready = NULL;
	req->reply.body = body;
	req->reply.content_type = type;
}

void reply_body_take(struct request *req, int status, struct buf *b, const char *content_type)
{
	struct str body = b->failed ? (struct str){ NULL, 0 } : arena_str(&req->arena, buf_view(b));

	buf_finish(b);
	if (!body.s) {
		reply_error(req, ERR_NOMEM);
		return;
	}
	set(req, status, body, content_type);
}

void reply_json_take(struct request *req, int status, struct buf *b)
{
	reply_body_take(req, status, b, JSON_TYPE);
}

void reply_with(struct request *req, int status, const struct fields *fields, const void *row)
{
	struct buf b = BUF_EMPTY;

	fields_write(&b, fields, row, req->origin_prefix);
	reply_json_take(req, status, &b);
}

void reply_found(struct request *req, int result, const struct fields *fields, const void *row)
{
	if (result < 0)
		reply_error(req, result);
	else
		reply_with(req, 200, fields, row);
}

void reply_rows(struct request *req, int result, const struct fields *fields, const struct db_rows *rows)
{
	struct buf b = BUF_EMPTY;

	if (result < 0) {
		reply_error(req, result);
		return;
	}
	fields_write_rows(&b, fields, rows, req->origin_prefix);
	reply_json_take(req, 200, &b);
}

static void reply_member(struct request *req, int status, const char *name, const char *text)
{
	struct buf b = BUF_EMPTY;

	buf_add_char(&b, '{');
	json_add_key(&b, name);
	json_add_text(&b, text);
	buf_add_char(&b, '}');
	reply_json_take(req, status, &b);
}

void reply_detail(struct request *req, int status, const char *text)
{
	reply_member(req, status, "detail", text);
}

void reply_hand_error(struct request *req, int status, const char *text)
{
	reply_member(req, status, "error", text);
}

void reply_field_error(struct request *req, const char *field, const char *text)
{
	struct buf b = BUF_EMPTY;

	buf_add_char(&b, '{');
	json_add_key(&b, field);
	buf_add_char(&b, '[');
	json_add_text(&b, text);
	buf_add_text(&b, "]}");
	reply_json_take(req, 400, &b);
}

void reply_empty(struct request *req, int status)
{
	set(req, status, (struct str){ "", 0 }, NULL);
}

void reply_file_take(struct request *req, int status, const char *content_type, int fd, uint64_t offset, uint64_t n)
{
	set(req, status, (struct str){ "", 0 }, content_type);
	req->reply.has_file = true;
	req->reply.file = fd;
	req->reply.file_offset = offset;
	req->reply.file_bytes = n;
}

void reply_text(struct request *req, int status, struct str body, const char *content_type)
{
	set(req, status, body, content_type);
}

/* The q-value of a parameter, in thousandths; 1000 when there is none that can be read. */
static int quality(struct str parameter)
{
	double q;

	parameter = str_trim(parameter);
	if (parameter.len < 2 || !str_equal_nocase((struct str){ parameter.s, 2 }, (struct str)STR("q=")) ||
	    !str_to_double((struct str){ parameter.s + 2, parameter.len - 2 }, &q))
		return 1000;
	return q <= 0 ? 0 : q >= 1 ? 1000 : (int)(q * 1000);
}

/* How much Accept-Encoding likes a coding (RFC 9110 12.5.3); "*" counts for what is not named, 0 is a refusal. */
static int coding_quality(struct str header, const char *coding)
{
	struct str item, name;
	int star = 0;

	while (str_split(&header, ',', &item)) {
		str_split(&item, ';', &name);
		name = str_trim(name);
		if (str_equal_nocase(name, str_of(coding)))
			return quality(item);
		if (str_is(name, "*"))
			star = quality(item);
	}
	return star;
}

static enum coding choose_coding(struct str accept_encoding)
{
	int brotli, gzip;

	if (!accept_encoding.s)
		return CODING_IDENTITY;
	brotli = coding_quality(accept_encoding, "br");
	gzip = coding_quality(accept_encoding, "gzip");
	if (brotli && brotli >= gzip)
		return CODING_BROTLI;
	return gzip ? CODING_GZIP : CODING_IDENTITY;
}

void reply_ready(struct request *req, struct ready *ready)
{
	bool known = ready_matches(ready, req->headers.if_none_match);

	set(req, known ? 304 : 200, (struct str){ "", 0 }, JSON_TYPE);
	req->reply.ready = ready;
	req->reply.coding = choose_coding(req->headers.accept_encoding);
}

void reply_header(struct request *req, const char *name, const char *value)
{
	if (req->reply.n_headers < REPLY_MAX_HEADERS && value)
		req->reply.headers[req->reply.n_headers++] = (struct reply_header){ name, value };
}

/* What a domain result means for the client. */
static const struct outcome {
	int code, status;
	const char *detail, *retry_after;
} outcomes[] = {
	{ ERR_NOT_FOUND, 404, "Introuvable.", NULL },
	{ ERR_FORBIDDEN, 403, "Vous n'avez pas la permission d'effectuer cette action.", NULL },
	{ ERR_INVALID, 400, "Requête invalide.", NULL },
	{ ERR_CONFLICT, 409, "Conflit avec l'état actuel de la ressource.", NULL },
	{ ERR_UNAVAILABLE, 503, "La base de données est momentanément indisponible.", "1" },
	{ ERR_TIMEOUT, 503, "La base de données tarde à répondre.", "1" },
	{ ERR_READ_ONLY, 503, "La base de données est en lecture seule.", "30" },
	{ ERR_FULL, 503, "Plus d'espace pour enregistrer.", "30" },
	{ ERR_LIMIT, 503, "Le serveur est trop occupé.", "1" },
};

static void reply_internal(struct request *req, int code)
{
	struct buf b = BUF_EMPTY;
	struct str body;

	log_write(LOG_ERROR, "http", "http.error",
	          LOG_FIELDS(LOG_STR("request_id", req->id), LOG_STR("route", request_route_label(req)), LOG_INT("code", code)), "%s: %s",
	          error_name(code), req->worker && req->worker->db ? db_error(req->worker->db) : "");
	buf_addf(&b, "{\"detail\":\"Erreur interne.\",\"request_id\":\"%s\"}", req->id ? req->id : "");
	body = b.failed ? (struct str)STR("{\"detail\":\"Erreur interne.\",\"request_id\":\"\"}") : arena_str(&req->arena, buf_view(&b));
	buf_finish(&b);
	if (!body.s)
		body = (struct str)STR("{\"detail\":\"Erreur interne.\",\"request_id\":\"\"}");
	set(req, 500, body, JSON_TYPE);
}

void reply_error(struct request *req, int code)
{
	req->reply.error = code;
	for (size_t i = 0; i < N_ELEMENTS(outcomes); i++) {
		if (outcomes[i].code != code)
			continue;
		reply_detail(req, outcomes[i].status, outcomes[i].detail);
		if (outcomes[i].retry_after)
			reply_header(req, "Retry-After", outcomes[i].retry_after);
		return;
	}
	reply_internal(req, code);
}

bool query_or_reply(struct request *req, struct query *ret_query)
{
	int r = query_parse(req->query, &req->arena, ret_query);

	if (r == ERR_INVALID)
		reply_detail(req, 400, "La requête contient un texte qui n'est pas de l'UTF-8 valide.");
	else if (r < 0)
		reply_error(req, r);
	return r == 0;
}
