/* What an upload really is: one of another type goes, and no row names it any more. Source: tasks.md 1, 8. */
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json_out.h"
#include "base/log.h"
#include "domain/file.h"
#include "domain/file_type.h"
#include "tasks/jobs_files_impl.h"
#include "tasks/jobs_impl.h"

#define TYPE_BYTES 1024

struct validation {
	struct task_run *run;
	struct str path;
	const char *type;
	const json_t *allowed; /* an array of texts, or null: any */
	bool valid;
	struct file_rows rows;
};

/* What libmagic calls Ogg may hold sound or pictures: it is taken for sound, as uploads are (api/upload_type.c). */
static const char *settled_type(const char *type)
{
	return strcmp(type, "application/ogg") == 0 ? "audio/ogg" : type;
}

static int find_type(struct validation *v, int fd, struct error *err)
{
	char start[TYPE_BYTES];
	ssize_t n = read(fd, start, sizeof(start));
	int r = n < 0 ? error_set(err, ERR_IO, "the file cannot be read") : file_type((struct str){ start, (size_t)n }, &v->type, err);

	if (r == 0)
		v->type = settled_type(v->type);
	return r;
}

/* A type that ends in a slash is what others begin with. */
static bool is_of(const char *type, struct str allowed)
{
	bool is_prefix = allowed.len && allowed.s[allowed.len - 1] == '/';

	return str_is(allowed, type) || (is_prefix && strncmp(type, allowed.s, allowed.len) == 0);
}

static bool is_allowed(const char *type, const json_t *allowed)
{
	const json_t *one;
	size_t i;

	if (json_is_null(allowed))
		return true;
	json_array_foreach(allowed, i, one)
	{
		if (json_is_string(one) && is_of(type, (struct str){ json_string_value(one), json_string_length(one) }))
			return true;
	}
	return false;
}

static void add_allowed(struct buf *b, const json_t *allowed)
{
	char *text = json_is_null(allowed) ? NULL : json_dumps(allowed, 0);

	if (text)
		buf_addf(b, ", \"allowed_types\": %s", text);
	else
		b->failed |= !json_is_null(allowed);
	free(text);
}

static int drop_invalid(struct db_conn *db, struct validation *v)
{
	CLEANUP(buf_finish) struct buf metadata = BUF_EMPTY;

	buf_add_text(&metadata, "{\"file_path\": ");
	json_add_str(&metadata, v->path);
	files_add_member(&metadata, "detected_type", str_of(v->type));
	buf_add_char(&metadata, '}');
	if (metadata.failed)
		return ERR_NOMEM;
	return file_drop(db, v->run->arena, v->path, "file_type_refused", (struct json_text){ buf_view(&metadata) }, &v->rows);
}

static int settle_type(struct db_conn *db, void *arg)
{
	struct validation *v = arg;
	struct buf *b = &v->run->result;

	buf_addf(b, "{\"success\": true, \"valid\": %s, \"detected_type\": ", v->valid ? "true" : "false");
	json_add_text(b, v->type);
	add_allowed(b, v->allowed);
	buf_add_char(b, '}');
	v->rows = (struct file_rows){ 0 };
	return v->valid ? 0 : drop_invalid(db, v);
}

static enum task_outcome end_validation(struct validation *v)
{
	int r = task_commit(v->run, settle_type, v, NULL);

	if (r < 0)
		return task_database_error(v->run, r);
	if (v->valid)
		return TASK_SUCCEEDED;
	log_write(LOG_WARNING, FILES_LOGGER, "file.type_refused",
	          LOG_FIELDS(LOG_STR("task_id", v->run->id), LOG_VIEW("file", v->path), LOG_STR("type", v->type)),
	          "An upload is of a type that is not allowed: it is removed");
	files_remove_bad(v->run, v->path, &v->rows);
	return TASK_SUCCEEDED;
}

enum task_outcome validate_file_type(struct task_run *run)
{
	struct validation v = { .run = run,
		                .path = task_text(run, "file_path"),
		                .type = "application/octet-stream",
		                .allowed = task_value(run, "allowed_types") };
	int fd CLEANUP(cleanup_close) = -1;
	struct error err = { 0 };
	int r;

	if (!json_is_null(v.allowed) && !json_is_array(v.allowed))
		return task_fail(run, "TypeError", "allowed_types must be a list or null");
	r = files_open(run, v.path, &fd, &err);
	if (r == 0)
		r = find_type(&v, fd, &err);
	if (r < 0)
		return task_answer_error(run, "%s", err.text);
	v.valid = is_allowed(v.type, v.allowed);
	return end_validation(&v);
}
