/*
 * Storing the files of a request, and taking them back. The row's column holds a path; the file comes first, then the row. A file
 * that a scanner is to see first is kept from /media/ by what is written with its row; until then by a name that nobody knows.
 */
#include "api/upload.h"

#include "base/log.h"
#include "base/media.h"

static const char *media_root(const struct request *req)
{
	return req->worker->context->settings->media_root;
}

static void log_failure(const struct request *req, int code, const struct error *err)
{
	log_write(LOG_ERROR, "http", code == ERR_FULL ? "media.full" : "media.failed",
	          LOG_FIELDS(LOG_STR("request_id", req->id), LOG_STR("route", request_route_label(req))), "%s", err->text);
}

static enum media_name naming(const struct request *req, const struct field *f)
{
	bool scanned = f->flags & FIELD_SCANNED && req->worker->context->settings->clamav_host;

	return scanned || f->flags & FIELD_SECRET ? MEDIA_SECRET_NAME : MEDIA_PLAIN_NAME;
}

static int store(struct request *req, const struct field *f, struct upload *upload)
{
	struct str name = upload_clean_name(upload->filename, &req->arena);
	struct error err = { 0 };
	int r;

	if (!name.s)
		return ERR_NOMEM;
	r = media_store(media_root(req), f->folder, name, naming(req, f), upload->bytes, &req->arena, &upload->stored, &err);
	if (r == ERR_FULL || r == ERR_IO)
		log_failure(req, r, &err);
	return r == ERR_INVALID ? ERR_INTERNAL : r; /* a clean name is always one */
}

int uploads_store(struct request *req, const struct fields *fields, void *row)
{
	for (size_t i = 0; i < fields->n && req->parsed->n_uploads; i++) {
		const struct field *f = &fields->list[i];
		struct upload *upload =
		        f->kind == FIELD_FILE && !(f->flags & FIELD_READ_ONLY) ? body_last_upload(req->parsed, f->name) : NULL;
		int r;

		if (!upload)
			continue;
		r = store(req, f, upload);
		if (r < 0)
			return r;
		*(struct str *)(void *)((char *)row + f->offset) = upload->stored;
	}
	return 0;
}

void upload_remove(struct request *req, struct str path)
{
	struct error err;

	if (path.len && media_remove(media_root(req), path, &err) < 0)
		log_write(LOG_ERROR, "http", "media.left", LOG_FIELDS(LOG_STR("request_id", req->id)), "a file stays: %s", err.text);
}

void uploads_take_back(struct request *req, struct body_value *body)
{
	struct error err = { 0 };

	for (size_t i = 0; i < body->n_uploads; i++)
		if (body->uploads[i].stored.s && media_remove(media_root(req), body->uploads[i].stored, &err) < 0)
			log_failure(req, err.code, &err);
}
