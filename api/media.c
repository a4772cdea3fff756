/*
 * GET /media/<path>: the files of uploads, sent by the kernel from the file (sendfile), whole or one range of it.
 *
 * What a client has uploaded must never run in the site's name: the type comes from a table of extensions, with nosniff;
 * all but images is an attachment, images of chats too; and a second Content-Security-Policy forbids everything and puts the file into a
 * sandbox. It is a second field beside the one that every answer carries (http.md 10): a browser enforces all of them.
 */
#include <stdio.h>
#include <sys/stat.h>

#include "api/conditional.h"
#include "api/handlers_impl.h"
#include "api/reply.h"
#include "api/upload.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/media.h"
#include "domain/file.h"

#define ETAG_SIZE 80

/* A file that is asked for. */
struct asked {
	uint64_t size;
	int64_t modified_s;
	char etag[ETAG_SIZE]; /* strong: a changed file has another one */
	char last_modified[HTTP_DATE_SIZE];
};

static int examine(int fd, struct asked *ret_file)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return ERR_IO;
	ret_file->size = (uint64_t)st.st_size;
	ret_file->modified_s = st.st_mtim.tv_sec;
	snprintf(ret_file->etag, ETAG_SIZE, "\"%llx-%llx-%llx.%lx\"", (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
	         (unsigned long long)st.st_mtim.tv_sec, (unsigned long)st.st_mtim.tv_nsec);
	http_date_format(st.st_mtim.tv_sec, ret_file->last_modified);
	return 0;
}

/* If-None-Match, or without it If-Modified-Since (RFC 9110 section 13.2.2). */
static bool is_known(const struct request *req, const struct asked *file)
{
	int64_t since_s;

	if (req->headers.if_none_match.s)
		return etag_is_named(req->headers.if_none_match, str_of(file->etag));
	return http_date_parse(req->headers.if_modified_since, &since_s) && file->modified_s <= since_s;
}

/* Whether a range is asked of the file as it is now; a weak ETag never says so. */
static bool range_holds(const struct request *req, const struct asked *file)
{
	struct str condition = req->headers.if_range;

	return !condition.s || str_is(condition, file->etag) || str_is(condition, file->last_modified);
}

static enum range_result find_range(const struct request *req, const struct asked *file, uint64_t *ret_first, uint64_t *ret_n)
{
	*ret_first = 0;
	*ret_n = file->size;
	if (req->method != METHOD_GET || !range_holds(req, file))
		return RANGE_NONE;
	return range_parse(req->headers.range, file->size, ret_first, ret_n);
}

static bool is_of_chat(struct str path)
{
	return str_starts(path, "chat_attachments/");
}

/* What people of a thread send each other stays in no cache that others share, and is asked for again: it may be gone. */
static void add_headers(struct request *req, const struct asked *file)
{
	reply_header(req, "ETag", arena_strndup(&req->arena, file->etag, strlen(file->etag)));
	reply_header(req, "Last-Modified", arena_strndup(&req->arena, file->last_modified, strlen(file->last_modified)));
	reply_header(req, "Cache-Control", is_of_chat(req->params[0]) ? "private, no-cache" : "public, max-age=86400");
	reply_header(req, "Accept-Ranges", "bytes");
	reply_header(req, "Content-Security-Policy", "default-src 'none'; sandbox");
}

static void reply_outside(struct request *req, const struct asked *file)
{
	reply_detail(req, 416, "Cette partie du fichier n'existe pas.");
	reply_header(req, "Content-Range", arena_printf(&req->arena, "bytes */%llu", (unsigned long long)file->size));
}

/* What may be of any type (UPLOAD_ANY) is an attachment whatever its name says (realtime.md 10.18). */
static bool is_shown(struct str path, bool image)
{
	return image && !is_of_chat(path);
}

static void reply_content(struct request *req, const struct asked *file, int fd, uint64_t first, uint64_t n, bool part)
{
	bool image;
	const char *type = upload_served_type(req->params[0], &image);

	reply_file_take(req, part ? 206 : 200, type, fd, first, n);
	add_headers(req, file);
	if (!is_shown(req->params[0], image))
		reply_header(req, "Content-Disposition", "attachment");
	if (part)
		reply_header(req, "Content-Range",
		             arena_printf(&req->arena, "bytes %llu-%llu/%llu", (unsigned long long)first,
		                          (unsigned long long)(first + n - 1), (unsigned long long)file->size));
}

/* Takes the descriptor. */
static void serve(struct request *req, int fd)
{
	int owned CLEANUP(cleanup_close) = fd;
	struct asked file;
	enum range_result range;
	uint64_t first, n;
	int r = examine(fd, &file);

	if (r < 0) {
		reply_error(req, r);
		return;
	}
	if (is_known(req, &file)) {
		reply_empty(req, 304);
		add_headers(req, &file);
		return;
	}
	range = find_range(req, &file, &first, &n);
	if (range == RANGE_OUTSIDE) {
		reply_outside(req, &file);
		return;
	}
	owned = -1;
	reply_content(req, &file, fd, first, n, range == RANGE_PART);
}

/* What a configured scanner has not found clean is not there (content.md 11.17). */
static int open_file(const struct request *req, int *ret_fd, struct error *err)
{
	const struct settings *settings = req->worker->context->settings;
	bool waiting = false;
	int r = 0;

	if (settings->clamav_host && media_path_is_fine(req->params[0]))
		r = file_is_waiting(req->worker->db, req->params[0], &waiting);
	if (r < 0)
		return error_set(err, r, "whether a file was scanned is not known: %s", error_name(r));
	return waiting ? ERR_NOT_FOUND : media_open(settings->media_root, req->params[0], ret_fd, err);
}

void media_show(struct request *req)
{
	struct error err = { 0 };
	int fd;
	int r = open_file(req, &fd, &err);

	if (r == 0) {
		serve(req, fd);
		return;
	}
	if (r != ERR_NOT_FOUND)
		log_write(LOG_ERROR, "http", "media.failed", LOG_FIELDS(LOG_STR("request_id", req->id)), "%s", err.text);
	reply_error(req, r);
}
