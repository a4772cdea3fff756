/*
 * An image is made to fit, in the place of the file that was sent. Source: tasks.md 1, 8. Decoding is another process's (tasks/image.h).
 * A second delivery finds an image that fits; only a JPEG is then written anew once more.
 */
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/media.h"
#include "tasks/image.h"
#include "tasks/jobs_files_impl.h"
#include "tasks/jobs_impl.h"

#define AFTERWARDS_US (5 * US_PER_S) /* of the soft limit, for what follows */

static bool is_late(void *run)
{
	return task_is_late(run);
}

static int shrink(struct task_run *run, int fd, struct image_answer *ret_answer, struct error *err)
{
	char program[IMAGE_PATH_SIZE];
	const struct image_order order = { .program = program,
		                           .max_width = task_int(run, "max_width"),
		                           .max_height = task_int(run, "max_height"),
		                           .quality = task_int(run, "quality"),
		                           .deadline_us = run->soft_deadline_us - AFTERWARDS_US,
		                           .stop = is_late,
		                           .arg = run };
	int r = image_find_program(program, err);

	return r < 0 ? r : image_ask(&order, fd, ret_answer, err);
}

/* Whether the path still leads to the file that is open: one that was removed meanwhile must not come back. */
static int check_same(const struct task_run *run, struct str path, int fd, struct error *err)
{
	int now CLEANUP(cleanup_close) = -1;
	struct stat a, b;
	int r = files_open(run, path, &now, err);

	if (r < 0)
		return r;
	if (fstat(fd, &a) < 0 || fstat(now, &b) < 0 || a.st_dev != b.st_dev || a.st_ino != b.st_ino)
		return error_set(err, ERR_CONFLICT, "the file has been replaced meanwhile");
	return 0;
}

static int replace(const struct task_run *run, struct str path, int fd, const struct image_answer *image, struct error *err)
{
	int r = image->changed ? check_same(run, path, fd, err) : 0;

	if (r < 0 || !image->changed)
		return r;
	return media_replace(run->services->settings->media_root, path, buf_view(&image->bytes), err);
}

static enum task_outcome tell(struct task_run *run, struct str path, const struct image_answer *image)
{
	struct buf *b = &run->result;

	buf_add_text(b, "{\"success\": true, \"image_path\": ");
	json_add_str(b, path);
	buf_addf(b, ", \"width\": %lld, \"height\": %lld, \"format\": \"%s\"}", (long long)image->width, (long long)image->height,
	         image->format);
	return TASK_SUCCEEDED;
}

enum task_outcome process_image_task(struct task_run *run)
{
	struct str path = task_text(run, "image_path");
	struct image_answer image = { .bytes = BUF_EMPTY };
	int fd CLEANUP(cleanup_close) = -1;
	struct error err = { 0 };
	int r = files_open(run, path, &fd, &err);

	if (r == 0)
		r = shrink(run, fd, &image, &err);
	if (r == ERR_TIMEOUT && task_is_late(run))
		return task_fail_late(run);
	if (r == 0)
		r = replace(run, path, fd, &image, &err);
	buf_finish(&image.bytes);
	return r < 0 ? task_answer_error(run, "%s", err.text) : tell(run, path, &image);
}
