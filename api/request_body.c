/* From the body or the query of a request to a checked struct: http.md 3 and 4. */
#include "api/body.h"
#include "api/form_in.h"
#include "api/media_type_impl.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/upload.h"
#include "domain/account.h"

/* A body that may be longer because it carries a file carries no longer texts for that. */
static bool texts_fit_or_reply(struct request *req, struct body_value *body)
{
	if (body->text_bytes <= (uint64_t)req->worker->context->settings->max_body_bytes)
		return true;
	body_finish(body);
	reply_detail(req, 413, "Corps de requête trop volumineux.");
	return false;
}

bool body_or_reply(struct request *req, struct body_value *ret_body)
{
	const char *why;
	int r = body_read(req->headers.content_type, req->body, &req->arena, ret_body, &why);

	if (r == ERR_INVALID)
		reply_detail(req, 400, why);
	else if (r < 0)
		reply_error(req, r);
	return r == 0 && texts_fit_or_reply(req, ret_body);
}

bool body_type_or_reply(struct request *req)
{
	if (!req->body.len || body_kind(req->headers.content_type) != BODY_OTHER)
		return true;
	reply_detail(req, 415, "Type de média non pris en charge.");
	return false;
}

bool late_body_or_reply(struct request *req)
{
	if (!req->resource || !(req->resource->traits & TRAIT_LATE_BODY) || req->parsed->root)
		return true;
	return body_type_or_reply(req) && body_or_reply(req, req->parsed);
}

static bool read_or_reply(struct request *req, const struct fields *fields, bool partial, void *row, uint64_t *ret_present)
{
	const struct fields_input in = { .body = req->parsed,
		                         .arena = &req->arena,
		                         .db = req->worker->db,
		                         .partial = partial,
		                         .staff = req->caller && req->caller->is_staff,
		                         .max_upload_bytes = req->worker->context->settings->max_upload_bytes,
		                         .settings = req->worker->context->settings };
	struct buf errors = BUF_EMPTY;
	int r;

	if (!late_body_or_reply(req))
		return false;
	r = fields_read(fields, &in, row, &errors, ret_present);
	if (r == 0)
		r = uploads_store(req, fields, row);
	if (r == ERR_INVALID)
		reply_json_take(req, 400, &errors);
	else if (r < 0)
		reply_error(req, r);
	buf_finish(&errors);
	return r == 0;
}

bool request_read_or_reply(struct request *req, const struct fields *fields, void *row)
{
	return read_or_reply(req, fields, /* partial: */ false, row, NULL);
}

bool request_read_part_or_reply(struct request *req, const struct fields *fields, void *row, uint64_t *ret_present)
{
	return read_or_reply(req, fields, /* partial: */ true, row, ret_present);
}

bool request_replace_or_reply(struct request *req, const struct fields *fields, void *row, uint64_t *ret_present)
{
	return read_or_reply(req, fields, /* partial: */ false, row, ret_present);
}

bool request_query_or_reply(struct request *req, const struct fields *fields, void *row, struct query *ret_query)
{
	struct body_value form CLEANUP(body_finish) = { .is_form = true };
	const struct fields_input in = { .body = &form, .arena = &req->arena, .db = req->worker->db };
	struct buf errors = BUF_EMPTY;
	const char *why;
	int r;

	if (!query_or_reply(req, ret_query))
		return false;
	r = form_read(req->query, &req->arena, &form.root, &why);
	if (r == ERR_INVALID) {
		reply_detail(req, 400, why);
		return false;
	}
	if (r == 0)
		r = fields_read(fields, &in, row, &errors, NULL);
	if (r == ERR_INVALID)
		reply_json_take(req, 400, &errors);
	else if (r < 0)
		reply_error(req, r);
	buf_finish(&errors);
	return r == 0;
}

bool query_id_or_reply(struct request *req, const struct query *query, const char *name, int64_t *ret_id)
{
	struct str text = query_get_nonempty(query, name);

	*ret_id = NULL_INT;
	if (!text.s)
		return true;
	text = str_trim_unicode(text);
	if (!str_is_whole_number(text)) {
		reply_field_error(req, name, "Un nombre entier valide est requis.");
		return false;
	}
	if (!str_to_int(text, ret_id))
		*ret_id = -1; /* beyond 64 bits no row has such an id */
	return true;
}
