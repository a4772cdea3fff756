#include "base/json_out.h"
#include "base/log.h"
#include "base/media.h"
#include "tasks/jobs_files_impl.h"

int files_open(const struct task_run *run, struct str path, int *ret_fd, struct error *err)
{
	int r = path.s ? media_open(run->services->settings->media_root, path, ret_fd, err) : ERR_NOT_FOUND;

	return r == ERR_NOT_FOUND ? error_set(err, r, "no such file") : r;
}

void files_add_member(struct buf *b, const char *key, struct str value)
{
	buf_add_text(b, ", ");
	json_add_text(b, key);
	buf_add_text(b, ": ");
	json_add_str(b, value);
}

static int wait_no_longer(struct db_conn *db, void *path)
{
	return file_scan_done(db, *(const struct str *)path);
}

/* 1: it stays, for a row names it. */
static int remove_unnamed(const struct task_run *run, struct str path, struct error *err)
{
	bool named = false;
	int r = file_is_named(run->db, path, &named);

	if (r < 0)
		return error_set(err, r, "whether a row names it is not known: %s", error_name(r));
	return named ? 1 : media_remove(run->services->settings->media_root, path, err);
}

void files_remove_bad(struct task_run *run, struct str path, const struct file_rows *rows)
{
	struct error err = { 0 };
	int r = remove_unnamed(run, path, &err);

	file_dropped(run->services->cache, NULL, rows);
	if (r == 0) {
		r = db_write(run->db, wait_no_longer, &path);
		if (r < 0)
			error_set(&err, r, "%s", error_name(r));
	}
	if (r < 0)
		log_write(LOG_ERROR, FILES_LOGGER, "media.left", LOG_FIELDS(LOG_STR("task_id", run->id), LOG_VIEW("file", path)),
		          "a bad file stays: %s", err.text);
}
