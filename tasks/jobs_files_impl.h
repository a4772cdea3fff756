/* What the jobs of uploaded files share. */
#ifndef TASKS_JOBS_FILES_IMPL_H
#define TASKS_JOBS_FILES_IMPL_H

#include "domain/file.h"
#include "tasks/task.h"

#define FILES_LOGGER "tasks.files"

/* Opens a file of MEDIA_ROOT for reading. ERR_NOT_FOUND: there is none that may be read by that path; ERR_IO. *err always tells. */
int files_open(const struct task_run *, struct str path, int *ret_fd, struct error *err);

/* Appends , "key": value. */
void files_add_member(struct buf *, const char *key, struct str value);

/*
 * After the commit that took a file from the rows that named it: what is cached of them is stale, and the file is removed, unless a
 * row names it: then it is another upload's by now, which has tasks of its own. What fails here is logged, and found again
 * (file_scan_again) as long as the file waits for the scanner.
 */
void files_remove_bad(struct task_run *, struct str path, const struct file_rows *);

#endif
